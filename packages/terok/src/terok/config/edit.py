"""Edits of one key in a file that a person writes: nothing else in it changes, not even a space.

The text is cut at the places that the parser reports, and the result is parsed again: if it does not say exactly what
it should, the whole document is written anew, with its comments, by the YAML library.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from terok_util import (
    ConfigError,
    FileLock,
    UsageError,
    atomic_write,
    ensure_dir,
    namespace_state_dir,
    read_config_file,
    safe_text,
    yaml,
)

from terok.config.checkup import check_host
from terok.config.layers import user_file

_ABSENT = object()
_LOCK_SECONDS = 10.0


def edited(text: str, key: Sequence[str], value: Any, *, name: str = "the file") -> str:
    """Return a document with another value at `key`; None takes the key out.

    Raises:
        ConfigError: The text is not YAML, or something on the way to the key is not a mapping.
    """
    document = yaml.load(text, name=name)
    wanted = yaml.plain(document) if document is not None else {}
    if not isinstance(wanted, dict):
        raise ConfigError(f"{name}:1: a mapping of sections is needed")
    if not _put(wanted, key, value, name):
        return text
    for attempt in (_cut, _rewritten):
        result = attempt(text, document, key, value)
        if _says(result, wanted):
            return result
    raise ConfigError(f"{name}: {'.'.join(key)} cannot be changed", hint="edit the file by hand")


def edit_file(file: Path, key: str, value: Any, check: Callable[[bytes, bytes], None]) -> bool:
    """Write another value of a key into a file, which may be missing; return whether that changed it.

    `check` is given the old and the new content, and raises an error to keep the old one. Edits of two programs take
    turns. A link is followed: people keep such files elsewhere.
    """
    with editing():
        target = file.resolve()
        before = read_config_file(target)
        try:
            text = before.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise ConfigError(f"{file} is not UTF-8 (byte {error.start})") from error
        after = edited(text, key.split("."), value, name=str(file)).encode()
        if after == text.encode():
            return False
        check(before, after)
        ensure_dir(target.parent)
        atomic_write(target, after, mode=(target.stat().st_mode & 0o777) if target.exists() else 0o600)
        return True


def edit_host(key: str, value: Any) -> bool:
    """Write another value of a key into the user's `config.yml`; return whether that changed it.

    ConfigError, and the file stays as it is, for a key or value that is wrong.
    """
    file = user_file()
    return edit_file(file, key, value, partial(check_host, file))


def editing() -> FileLock:
    """Return the lock that whoever writes configuration files holds."""
    return FileLock(ensure_dir(namespace_state_dir()) / "config.lock", timeout=_LOCK_SECONDS)


def read_value(text: str) -> Any:
    """Return the value that a person has typed, as YAML reads it; text that is not YAML stands for itself."""
    try:
        return yaml.plain(yaml.load(text))
    except yaml.YAMLError:
        return text


def change_typed(text: str | None, change: Callable[[Any], bool]) -> bool:
    """Call `change` with the value that a person has typed, None to take the key out; returns what it does.

    Text that YAML reads as something else, such as a name that looks like a number, is tried as text too.

    Raises:
        UsageError: The text is empty.
        ConfigError: The key or the value is wrong.
    """
    wanted = None if text is None else read_value(text)
    if text is not None and wanted is None:
        raise UsageError("an empty value", hint="take the key out with --unset")
    try:
        return change(wanted)
    except ConfigError as error:
        if text is None or isinstance(wanted, str):
            raise
        try:
            return change(text)
        except ConfigError:
            raise error from None


def _put(data: dict[str, Any], key: Sequence[str], value: Any, name: str) -> bool:
    """Change the plain document; sections that are empty then go. Returns whether anything changed."""
    *sections, last = key
    way: list[dict[str, Any]] = [data]
    for depth, section in enumerate(sections):
        below = way[-1].get(section)
        if below is None:
            if value is None:
                return False
            below = way[-1][section] = {}
        if not isinstance(below, dict):
            place = safe_text(".".join(sections[: depth + 1]), limit=80)
            raise ConfigError(f"{name}: {place} is not a section with keys", hint="edit the file by hand")
        way.append(below)
    before = way[-1].get(last, _ABSENT)
    if value is not None:
        way[-1][last] = value
        return bool(before is _ABSENT or before != value or type(before) is not type(value))
    way[-1].pop(last, None)
    for holder, section in zip(reversed(way[:-1]), reversed(sections), strict=True):
        if not holder[section]:
            del holder[section]
    return before is not _ABSENT


def _says(text: str, wanted: dict[str, Any]) -> bool:
    try:
        said = yaml.plain(yaml.load(text))
    except yaml.YAMLError:
        return False
    return _without_empty(said or {}) == _without_empty(wanted)


def _without_empty(data: dict[str, Any]) -> dict[str, Any]:
    return {section: keys for section, keys in data.items() if keys not in (None, {})}


def _rewritten(text: str, document: Any, key: Sequence[str], value: Any) -> str:
    """Return the document with the change as the library writes it."""
    document = yaml.load(text)
    if document is None:
        return yaml.dump(_nest(key, value))
    node, way = document, []
    for section in key[:-1]:
        if node.get(section) is None:
            if value is None:
                return text
            node[section] = {}
        way.append((node, section))
        node = node[section]
    if value is not None:
        node[key[-1]] = value
        return yaml.dump(document)
    node.pop(key[-1], None)
    for holder, section in reversed(way):
        if not holder[section]:
            del holder[section]
    return yaml.dump(document) if document else ""


def _cut(text: str, document: Any, key: Sequence[str], value: Any) -> str:
    """Return the text with only the lines of the key changed."""
    lines = text.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    node: Any = document
    depth = 0
    while depth < len(key) - 1 and node and isinstance(node.get(key[depth]), dict):
        node, depth = node[key[depth]], depth + 1
    name = key[depth]
    if not node:
        return "".join([*lines, *_block(_nest(key[depth:], value), 0)]) if value is not None else text
    if node.fa.flow_style():  # on one line with others
        return text
    if name in node:
        start, end = _span(node, name, lines)
        if value is None:
            whole = len(node) == 1 and depth > 0 and not _has_comments(document, key[:depth], lines)
            return _cut(text, document, key[:depth], None) if whole else "".join(lines[:start] + lines[end:])
        indent = node.lc.data[name][1]
        new = _block(_nest(key[depth:], value), indent)
        if end == start + 1 and len(new) == 1:
            new = [new[0].rstrip("\n") + _comment(lines[start]) + "\n"]
        return "".join(lines[:start] + new + lines[end:])
    if value is None:
        return text
    last = max(node.lc.data, key=lambda one: node.lc.data[one][0])
    _, end = _span(node, last, lines)
    return "".join(lines[:end] + _block(_nest(key[depth:], value), node.lc.data[last][1]) + lines[end:])


def _span(node: Any, name: str, lines: list[str]) -> tuple[int, int]:
    """Return the first line of a key and the one after its value; comments and empty lines after it are not its own."""
    start, indent = node.lc.data[name][:2]
    end = start + 1
    for number in range(start + 1, len(lines)):
        content = lines[number].strip()
        column = len(lines[number]) - len(lines[number].lstrip())
        if content and not content.startswith("#"):
            if column < indent or (column == indent and not content.startswith("- ") and content != "-"):
                break
            end = number + 1
    return start, end


def _has_comments(document: Any, key: Sequence[str], lines: list[str]) -> bool:
    """Whether a comment stands inside a section."""
    node = document
    for part in key[:-1]:
        node = node[part]
    start, end = _span(node, key[-1], lines)
    return any("#" in line for line in lines[start:end])


def _comment(line: str) -> str:
    """Return the comment at the end of a line, with the space before it, if it is certainly one."""
    before, mark, comment = line.rstrip("\n").partition(" #")
    if not mark or "'" in line or '"' in line:
        return ""
    return before[len(before.rstrip()) :] + mark + comment


def _nest(key: Sequence[str], value: Any) -> dict[str, Any]:
    nested: Any = value
    for part in reversed(key):
        nested = {part: nested}
    return dict(nested)


def _block(data: dict[str, Any], indent: int) -> list[str]:
    """Return the lines of a mapping at an indentation."""
    return [" " * indent + line for line in yaml.dump(data).splitlines(keepends=True)]
