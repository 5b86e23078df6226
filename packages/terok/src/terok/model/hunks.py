r"""Git's own diff (`diff-tree --raw --patch --full-index`) as values.

The bytes are an agent's, so nothing of them is trusted: what does not have the form of a diff is `MalformedDiff`, and
no line is longer than `LONGEST`. Names are read as git quotes them, and not with `-z`: there a name with a line feed
in it could pose as a header of the patch.

The list of files is read at once, a file's lines when they are asked for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, Literal

from terok_util import lean_dataclass

from terok.errors import MalformedDiff

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST: Final = 4000
"""Bytes of a line that are kept."""
NOTHING: Final = "0" * 6
"""The mode of a file that is not there."""
_RAW: Final = re.compile(
    rb":(\d{6}) (\d{6}) ([0-9a-f]{40,64}) ([0-9a-f]{40,64}) ([ACDMRT])(\d{0,3})\t([^\t\n]+)(?:\t([^\t\n]+))?"
)
_HEAD: Final = re.compile(rb"@@ -(\d{1,9})(?:,(\d{1,9}))? \+(\d{1,9})(?:,(\d{1,9}))? @@ ?(.*)")
_SECTION: Final = b"diff --git "
_ESCAPE: Final = rb"\\([abtnvfr\"\\]|[0-3][0-7]{2})"
_ESCAPED: Final = {b"a": b"\a", b"b": b"\b", b"t": b"\t", b"n": b"\n", b"v": b"\v", b"f": b"\f", b"r": b"\r"}

Status = Literal["A", "C", "D", "M", "R", "T"]
Kind = Literal[" ", "+", "-"]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a hunk, without its end: in both files (` `), the new one (`+`) or the old one (`-`).

    `old` and `new` are its numbers there, counted from 1. `cut` is how many bytes of it are left out, and `ended` says
    whether a line feed follows it in its file.
    """

    kind: Kind
    old: int | None
    new: int | None
    text: str
    cut: int = 0
    ended: bool = True


@lean_dataclass(frozen=True, slots=True)
class Hunk:
    """Lines that belong together: where they begin in both files, and the heading that git has found for them."""

    old: int
    new: int
    heading: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class FileDiff:
    """The change of one file. `old_path` differs from `path` for a rename or copy alone.

    `A` is added, `C` copied, `D` deleted, `M` modified, `R` renamed, `T` of another type; modes are octal, `similarity`
    is a percentage. A path that is not UTF-8 is spelled as git quotes it.
    """

    status: Status
    path: str
    old_path: str
    old_mode: str
    new_mode: str
    old_blob: str
    new_blob: str
    similarity: int | None = None
    patch: bytes | None = field(default=None, repr=False)
    """Its part of the patch; None if there is none, as of a change that was not to be shown."""

    @property
    def binary(self) -> bool:
        """Whether git takes it for binary, and so shows no lines of it."""
        head = b"" if self.patch is None else self.patch.partition(b"\n@@ ")[0]
        return head.endswith(b" differ\n") and b"\nBinary files " in head

    @property
    def submodule(self) -> bool:
        """Whether it is another repository's commit rather than a file."""
        return "160000" in (self.old_mode, self.new_mode)

    def counts(self) -> tuple[int, int]:
        """Return how many lines are added and deleted, without reading them."""
        added = deleted = 0
        for part in (self.patch or b"").split(b"\n" + _SECTION):
            lines = part.partition(b"\n@@ ")[2]
            added += lines.count(b"\n+")
            deleted += lines.count(b"\n-")
        return added, deleted

    def hunks(self) -> tuple[Hunk, ...]:
        """Return its lines; MalformedDiff if they are not a patch."""
        return tuple(_hunks(self.patch or b""))


def parse_diff(data: bytes) -> tuple[FileDiff, ...]:
    """Return the files of a diff in git's order; MalformedDiff if it is not one.

    A file may lack its part of the patch, as when only its white space has changed and that was not to be shown.
    """
    raw, parts = _sections(data)
    files = []
    at = 0
    for line in raw:
        file = _file(line)
        wanted = [(file.old_blob, file.new_blob)]
        if file.status == "T":
            gone = "0" * len(file.old_blob)
            wanted = [(file.old_blob, gone), (gone, file.new_blob)]
        found = []
        for blobs in wanted:
            if at < len(parts) and _is_of(parts[at], blobs):
                found.append(parts[at])
                at += 1
        files.append(file if not found else replace(file, patch=b"\n".join(found) + b"\n"))
    if at != len(parts):
        raise MalformedDiff("git's patch has a file that its list lacks")
    return tuple(files)


def unquote(name: bytes) -> str:
    """Return a path as git has written it; one that is not UTF-8 stays as it is spelled."""
    plain = name
    if len(name) >= 2 and name.startswith(b'"') and name.endswith(b'"'):
        plain = re.sub(_ESCAPE, lambda match: _byte(match[1]), name[1:-1])
    try:
        return plain.decode()
    except UnicodeDecodeError:
        return name.decode("ascii", "backslashreplace")


def _byte(escape: bytes) -> bytes:
    return _ESCAPED.get(escape) or (bytes([int(escape, 8)]) if len(escape) == 3 else escape)


def _sections(data: bytes) -> tuple[list[bytes], list[bytes]]:
    """Return the lines of the list of files, and the parts of the patch."""
    head, found, patch = data.partition(_SECTION) if data.startswith(_SECTION) else data.partition(b"\n" + _SECTION)
    raw = [line for line in head.split(b"\n") if line]
    if not found:
        return raw, []
    # In a hunk every line has a sign in front of it, so a header is not to be forged.
    return raw, [_SECTION + part for part in patch.removesuffix(b"\n").split(b"\n" + _SECTION)]


def _file(line: bytes) -> FileDiff:
    match = _RAW.fullmatch(line)
    if match is None:
        raise MalformedDiff("git's list of changed files cannot be read")
    old_mode, new_mode, old_blob, new_blob, status = (match[number].decode() for number in range(1, 6))
    old_path = unquote(match[7])
    path = unquote(match[8]) if match[8] is not None else old_path
    similarity = int(match[6]) if match[6] else None
    return FileDiff(status, path, old_path, old_mode, new_mode, old_blob, new_blob, similarity)  # type: ignore[arg-type]


def _is_of(part: bytes, blobs: tuple[str, str]) -> bool:
    """Whether a part of the patch is about these contents; one without any is about contents that stay."""
    head = part.partition(b"\n@@ ")[0].split(b"\n")
    index = next((line for line in head if line.startswith(b"index ")), None)
    if index is None:
        return blobs[0] == blobs[1]
    return index.split(b" ")[1] == f"{blobs[0]}..{blobs[1]}".encode()


def _hunks(patch: bytes) -> Iterator[Hunk]:
    lines = patch.split(b"\n")
    at, end = 0, len(lines)
    while at < end:
        head = _HEAD.fullmatch(lines[at]) if lines[at].startswith(b"@@ ") else None
        at += 1
        if head is None:
            continue
        old, new = int(head[1]), int(head[3])
        left = [int(head[2]) if head[2] is not None else 1, int(head[4]) if head[4] is not None else 1]
        found: list[Line] = []
        numbers = [old, new]
        while left[0] > 0 or left[1] > 0:
            if at >= end:
                raise MalformedDiff("a hunk of git's patch ends too early")
            if lines[at].startswith(b"\\"):
                _mark_end(found)
            else:
                found.append(_line(lines[at], numbers, left))
            at += 1
        if at < end and lines[at].startswith(b"\\"):
            _mark_end(found)
            at += 1
        yield Hunk(old, new, _text(head[5])[0], tuple(found))


def _line(raw: bytes, numbers: list[int], left: list[int]) -> Line:
    kind = raw[:1].decode("ascii", "replace") or " "
    in_old, in_new = kind in " -", kind in " +"
    if not (in_old or in_new) or left[0] < in_old or left[1] < in_new:
        raise MalformedDiff("a line of git's patch is in no file")
    text, cut = _text(raw[1:])
    line = Line(kind, numbers[0] if in_old else None, numbers[1] if in_new else None, text, cut)  # type: ignore[arg-type]
    for place, counts in ((0, in_old), (1, in_new)):
        numbers[place] += counts
        left[place] -= counts
    return line


def _mark_end(found: list[Line]) -> None:
    if not found:
        raise MalformedDiff("git's patch ends a file that has not begun")
    found[-1] = replace(found[-1], ended=False)


def _text(raw: bytes) -> tuple[str, int]:
    return raw[:LONGEST].decode("utf-8", "backslashreplace"), max(0, len(raw) - LONGEST)
