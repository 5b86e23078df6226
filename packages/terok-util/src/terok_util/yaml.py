"""YAML that keeps comments, order and quotes through an edit, and reports errors with their line."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from terok_util.errors import ConfigError
from terok_util.files.reading import read_file

MAX_TEXT = 512 * 1024
"""Characters of one document."""
MAX_NODES = 100_000
"""Values of one document; an alias counts wherever it is used."""
_DEEPEST = 100
_INLINE = "<text>"


class YAMLError(ConfigError):
    """Text that is not YAML, or far too much of it. `name`, `line` and `column` (from 1) say where."""

    def __init__(self, problem: str, name: str = _INLINE, line: int | None = None, column: int | None = None) -> None:
        self.name, self.line, self.column = name, line, column
        where = name if line is None else f"{name}:{line}"
        super().__init__(f"{where}: {problem}", hint=None if name == _INLINE else "mend that line in an editor")


def load(source: str | Path, *, name: str | None = None) -> Any:
    """Parse one document, text or the file at a Path; None if it is empty.

    Maps and lists of the result keep their comments and lines, and `dump` writes them back. Errors call the text
    `name`. YAMLError for everything that cannot be parsed or read, duplicate keys included.
    """
    label = name or (str(source) if isinstance(source, Path) else _INLINE)
    text = _read(source, label) if isinstance(source, Path) else source
    if len(text) > MAX_TEXT:
        raise YAMLError(f"more than {MAX_TEXT} characters", name=label)
    from ruamel.yaml.error import MarkedYAMLError
    from ruamel.yaml.error import YAMLError as RuamelError

    from terok_util.yaml_parser import new_parser

    try:
        return new_parser().load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = " ".join((error.problem or error.context or "not YAML").split())
        raise YAMLError(problem, label, *((mark.line + 1, mark.column + 1) if mark else ())) from None
    except RecursionError:
        raise YAMLError("nested too deeply", name=label) from None
    except RuamelError as error:
        raise YAMLError(str(error).partition("\n")[0], name=label) from None
    except (ValueError, TypeError, AttributeError, LookupError, AssertionError, NotImplementedError) as error:
        # ruamel raises these for tags and scalars it cannot build.
        raise YAMLError(f"cannot be read: {type(error).__name__}", name=label) from None


def dump(data: Any) -> str:
    """Return `data` (from `load`, or plain values) as YAML text; YAMLError for values YAML cannot express."""
    from ruamel.yaml.error import YAMLError as RuamelError

    from terok_util.yaml_parser import new_parser

    text = io.StringIO()
    try:
        new_parser().dump(data, text)
    except (RuamelError, RecursionError) as error:
        raise YAMLError(f"cannot be written: {str(error).partition(chr(10))[0]}") from None
    return text.getvalue()


def plain(data: Any) -> Any:
    """Return a loaded document as ordinary dict, list, str, int, float and bool; other scalars as they are.

    YAMLError if aliases expand it beyond `MAX_NODES` values or refer to themselves.
    """
    left = MAX_NODES  # a limit, so that ten lines of aliases cannot exhaust memory

    def convert(node: Any, depth: int) -> Any:
        nonlocal left
        left -= 1
        if left < 0 or depth > _DEEPEST:
            raise YAMLError(f"more than {MAX_NODES} values or {_DEEPEST} levels")
        if isinstance(node, dict):
            return {_scalar(key): convert(value, depth + 1) for key, value in node.items()}
        return [convert(value, depth + 1) for value in node] if isinstance(node, list) else _scalar(node)

    return convert(data, 0)


def lines(data: Any) -> dict[tuple[str | int, ...], int]:
    """Return the line (from 1) of every key and list item of a loaded document, by path."""
    positions: dict[tuple[str | int, ...], int] = {}
    waiting: list[tuple[tuple[str | int, ...], Any]] = [((), data)]
    while waiting and len(positions) < MAX_NODES:
        path, node = waiting.pop()
        where = getattr(getattr(node, "lc", None), "data", None) or {}
        items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
        for key, value in items:
            if key in where:
                positions[(*path, key)] = where[key][0] + 1
            waiting.append(((*path, key), value))
    return positions


def _scalar(node: Any) -> Any:
    if type(node).__name__ == "ScalarBoolean":
        return bool(node)
    for kind in (bool, int, float, str):
        if isinstance(node, kind):
            return kind(node)
    return node


def _read(path: Path, label: str) -> str:
    try:
        return read_file(path, 4 * MAX_TEXT).decode("utf-8-sig")
    except OSError as error:
        raise YAMLError(f"cannot be read: {error.strerror}", name=label) from error
    except UnicodeDecodeError as error:
        raise YAMLError("not UTF-8", name=label) from error
