"""Text of a diff for a person, whoever shows it: the heading of a file, and its lines as safe text. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from terok_util import safe_text

if TYPE_CHECKING:
    from terok.model.hunks import FileDiff, Hunk, Line

TAB: Final = 4
_STATUS: Final = {"A": "added", "C": "copied", "D": "deleted", "M": "changed", "R": "renamed", "T": "another type"}


def heading(file: FileDiff) -> str:
    """Return one line about a changed file."""
    name = safe_text(file.path, limit=300)
    if file.old_path != file.path:
        name = f"{safe_text(file.old_path, limit=300)} => {name}"
    notes = [] if file.status == "M" else [_STATUS[file.status]]
    if file.old_mode != file.new_mode and file.status not in "AD":
        notes.append(f"mode {file.old_mode} => {file.new_mode}")
    elif file.status == "A" and file.new_mode not in ("100644", "160000"):
        notes.append(f"mode {file.new_mode}")
    if file.submodule:
        notes.append("submodule")
    if file.binary:
        notes.append("binary")
    return f"{name} ({', '.join(notes)})" if notes else name


def shown_lines(hunk: Hunk) -> dict[Line, str]:
    """Return the text of every line of a hunk; ends of lines are shown where they are not all alike."""
    ends = {line.text.endswith("\r") for line in hunk.lines}
    return {line: _safe(line, mixed=len(ends) > 1) for line in hunk.lines}


def line_end(line: Line) -> str:
    """Return what is said of a line behind its text: what is left out of it, and that no line feed follows."""
    more = f" … {line.cut} bytes more" if line.cut else ""
    return more + ("" if line.ended else "  (no line feed at the end)")


def _safe(line: Line, *, mixed: bool) -> str:
    text = line.text if mixed else line.text.removesuffix("\r")
    return safe_text(text.expandtabs(TAB)) + line_end(line)
