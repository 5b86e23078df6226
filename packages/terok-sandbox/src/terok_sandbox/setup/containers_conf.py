"""The one edit of the user's `containers.conf`: our directory in `[engine] hooks_dir`.

A per-run `--hooks-dir` would be forgotten by `podman start`. Comments, order and other entries stay as they are.
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from pathlib import Path
from typing import Any, Final

from terok_util import TerokError, atomic_write, ensure_dir, read_file

from terok_sandbox.errors import SetupError

DEFAULT_HOOK_DIRS: Final = ("/usr/share/containers/oci/hooks.d", "/etc/containers/oci/hooks.d")
"""Directories that podman searches by default; the setting keeps them when it is made."""

MARK: Final = "terok-sandbox setup added this setting"
_HEADER: Final = re.compile(r"\s*\[\s*engine\s*\]\s*(#.*)?$")


def later_files(path: Path) -> list[Path]:
    """Return the files that podman reads after `path`, in its order: what they set takes the place of what it sets."""
    named, override = os.environ.get("CONTAINERS_CONF"), os.environ.get("CONTAINERS_CONF_OVERRIDE")
    drop_ins = [] if named else sorted(Path(f"{path}.d").glob("*.conf"))
    return [*drop_ins, *([Path(override)] if override else [])]


def names_hook_dir(path: Path, directory: Path) -> bool | None:
    """Tell whether the `hooks_dir` that `path` sets has `directory`, None if it says nothing; raises SetupError."""
    engine = _parse(read_conf(path), path).get("engine")
    setting = engine.get("hooks_dir") if isinstance(engine, dict) else None
    if not isinstance(setting, list):
        return None
    return None if {"append": True} in setting and str(directory) not in setting else str(directory) in setting


def add_hook_dir(path: Path, directory: Path) -> bool:
    """Make podman search `directory` for hooks; returns whether the file had to be changed."""
    return _edit(path, directory, present=True)


def remove_hook_dir(path: Path, directory: Path) -> bool:
    """Take `directory` out again; a setting that only setup made goes with it. Returns whether the file changed."""
    return _edit(path, directory, present=False)


def with_hook_dir(text: str, directory: str, *, present: bool, where: Path | str = "containers.conf") -> str:
    """Return the text of a `containers.conf` with `directory` in `hooks_dir`, or without it.

    Taking it out undoes putting it in. Raises SetupError for a text that is no TOML, that has something else than a
    table `engine` or a list `hooks_dir`, or whose table is written in a way that is not edited here.
    """
    engine = _parse(text, where).get("engine", {})
    current = engine.get("hooks_dir", []) if isinstance(engine, dict) else None
    if not isinstance(current, list) or not all(isinstance(entry, str | dict) for entry in current):
        raise SetupError(f"{where}: engine.hooks_dir is not a list of directories", hint="correct the file")
    if present == (directory in current):
        return text
    if "hooks_dir" in engine:
        entries = [*current, directory] if present else [entry for entry in current if entry != directory]
        mine = not present and entries == [*DEFAULT_HOOK_DIRS] and _marked_line(text) is not None
        edited = _without_setting(text) if mine else _with_entries(text, directory, present=present, where=where)
        expected = None if mine else entries
    else:
        edited, expected = _with_setting(text, directory), [*DEFAULT_HOOK_DIRS, directory]
    try:
        result = tomllib.loads(edited).get("engine", {}).get("hooks_dir")
    except ValueError as error:
        raise _uneditable(where, directory) from error
    if result != expected:
        raise _uneditable(where, directory)
    return edited


def _with_entries(text: str, directory: str, *, present: bool, where: Path | str) -> str:
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    try:
        document: Any = tomlkit.parse(text)
        entries = document["engine"]["hooks_dir"]
        entries.append(directory) if present else entries.remove(directory)
        return tomlkit.dumps(document)
    except (TOMLKitError, KeyError, ValueError) as error:
        raise _uneditable(where, directory) from error


def _with_setting(text: str, directory: str) -> str:
    """Add the setting as one marked line at the head of `[engine]`, which is made at the end if need be."""
    entries = ", ".join(json.dumps(entry) for entry in (*DEFAULT_HOOK_DIRS, directory))
    line = f"hooks_dir = [{entries}] # {MARK}\n"
    lines = text.splitlines(keepends=True)
    for number, existing in enumerate(lines):
        if _HEADER.match(existing):
            head = existing if existing.endswith("\n") else existing + "\n"
            return "".join([*lines[:number], head, line, *lines[number + 1 :]])
    separator = "" if not text or text.endswith("\n") else "\n"
    return f"{text}{separator}[engine] # {MARK}\n{line}"


def _without_setting(text: str) -> str:
    """Delete the marked line, and the header above it if that is ours too and nothing else stands under it."""
    lines = text.splitlines(keepends=True)
    number = _marked_line(text) or 0
    below = [line.strip() for line in lines[number + 1 :] if line.strip()]
    alone = not below or below[0].startswith("[")
    header = number - 1 if number and alone and lines[number - 1].rstrip() == f"[engine] # {MARK}" else number
    return "".join([*lines[:header], *lines[number + 1 :]])


def _marked_line(text: str) -> int | None:
    """Return the number of the line that setup added."""
    lines = [line.startswith("hooks_dir") and line.endswith(f"# {MARK}") for line in text.splitlines()]
    return lines.index(True) if True in lines else None


def _parse(text: str, where: Path | str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except ValueError as error:
        raise _unreadable(where, error) from error


def _uneditable(where: Path | str, directory: str) -> SetupError:
    return SetupError(
        f"{where}: its table `engine` is written in a way that setup cannot edit",
        hint=f'add "{directory}" to engine.hooks_dir by hand',
    )


_MAX_BYTES: Final = 1024 * 1024


def read_conf(path: Path) -> str:
    """Return the text of a `containers.conf`, empty if there is none; raises SetupError."""
    try:
        return read_file(path, _MAX_BYTES).decode()
    except FileNotFoundError:
        return ""
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error


def _edit(path: Path, directory: Path, *, present: bool) -> bool:
    before = read_conf(path)
    if (text := with_hook_dir(before, str(directory), present=present, where=path)) == before:
        return False
    target = path.resolve()  # a file that dotfile managers link to stays linked
    try:
        if text:
            ensure_dir(target.parent, 0o755)
            atomic_write(target, text, mode=target.stat().st_mode & 0o777 if target.exists() else 0o644)
        else:
            target.unlink()
    except (OSError, TerokError) as error:
        raise SetupError(
            f"{path}: cannot be written: {error}", hint="make the file writable and run it again"
        ) from error
    return True


def _unreadable(path: Path | str, error: Exception) -> SetupError:
    return SetupError(f"{path}: cannot be read: {' '.join(str(error).split())}", hint="correct the file")
