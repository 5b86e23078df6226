"""Ask git about objects, also pushed ones in quarantine, and parse its output as it comes, within limits.

A few bytes of a pack can describe a file, a message or a tree of any size, so the size of a request does not say what
git may use. That depends on how many bytes there really are: a container can only raise it by filling the disk, which
has limits of its own.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from terok_util.process import Process

from terok_sandbox.gate.errors import GateError
from terok_sandbox.gate.invoke import discard_git, finish_git, start_git

SYMLINK: Final = "120000"
SUBMODULE: Final = "160000"
MAX_FIELD: Final = 128 * 1024  # bytes of a path, or of what precedes it, which includes the ids of a commit's parents
_NOTHING: Final = "000000"
_COMMIT: Final = re.compile(rb"([0-9a-f]{40}(?:[0-9a-f]{24})?) ([0-9a-f ]*)\Z")
_STRANGE: Final = "git described the changes in a form that is not understood"
_TIMEOUT: Final = 300.0
_CONFIG: Final = {"core.bigFileThreshold": "32m"}  # git streams bigger files
_LOG: Final = ("log", "-z", "--root", "--raw", "--no-abbrev", "--format=%H %P")
_NEW: Final = (*_LOG, "-c", "--stdin", "--not", "--all")
_READ: Final = ("cat-file", "--batch")
_MIB: Final = 1024 * 1024
_LEAST_MEMORY: Final = 256 * _MIB
_MOST_MEMORY: Final = 2 * 1024 * _MIB
_MEMORY_PER_BYTE: Final = 4
_LEAST_SECONDS: Final = 20
_MOST_SECONDS: Final = 1800
_BYTES_PER_SECOND: Final = 4 * _MIB


@dataclass(frozen=True, slots=True)
class ProcessLimits:
    """Bytes that a process may allocate, and seconds of a processor that it may use."""

    memory: int
    seconds: int


def process_limits(size: int | None, most_memory: int = _MOST_MEMORY) -> ProcessLimits:
    """Return the limits for `size` bytes of packed objects; None stands for more than were counted."""
    if size is None:
        return ProcessLimits(most_memory, _MOST_SECONDS)
    memory = min(_LEAST_MEMORY + _MEMORY_PER_BYTE * size, most_memory)
    return ProcessLimits(memory, min(_LEAST_SECONDS + size // _BYTES_PER_SECOND, _MOST_SECONDS))


def stored_bytes(mirror: Path, quarantine: Path | None = None) -> int:
    """Return the size of a mirror's packs, and of what a push has brought into its `quarantine`."""
    packs = _size(f"{mirror}/objects/pack", ".pack")
    return packs if quarantine is None else packs + _size(str(quarantine))


def _size(directory: str, suffix: str = "") -> int:
    return sum(
        os.lstat(f"{place}/{name}").st_size
        for place, _, names in os.walk(directory)
        for name in names
        if name.endswith(suffix)
    )


class PushTooLarge(GateError):
    """A push brings more than it may of something."""


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit, and whether it joins others."""

    oid: str
    merge: bool


@dataclass(frozen=True, slots=True)
class Change:
    """One path that a commit changes. `before` are its modes in the parents; `oid` is what it is afterwards."""

    commit: str
    path: str
    before: tuple[str, ...]
    mode: str
    oid: str

    @property
    def removed(self) -> bool:
        """Whether the path is gone afterwards."""
        return self.mode == _NOTHING

    @property
    def added(self) -> bool:
        """Whether no parent had the path."""
        return not self.removed and all(mode == _NOTHING for mode in self.before)


class ChangeReader:
    """Hands each commit to `take`, then its changes; `GateError` for another output, `PushTooLarge` for a long path."""

    def __init__(self, take: Callable[[Commit | Change], None]) -> None:
        self._take = take
        self._rest = b""
        self._commit = ""
        self._change = b""

    def feed(self, data: bytes) -> None:
        """Parse the next bytes."""
        *fields, self._rest = (self._rest + data).split(b"\0")
        for field in fields:
            self._read(field)
        self._bound(self._rest)

    def close(self) -> None:
        """Check that the output is complete."""
        if self._rest or self._change:
            raise GateError(_STRANGE)

    def _bound(self, field: bytes) -> None:
        if len(field) > MAX_FIELD:
            raise PushTooLarge("characters in a path" if self._change else "parents of a commit")

    def _read(self, field: bytes) -> None:
        self._bound(field)
        if self._change:
            self._take(_change(self._commit, self._change, field))
            self._change = b""
            return
        field = field.removeprefix(b"\n")
        if match := _COMMIT.match(field):
            self._commit = match[1].decode()
            self._take(Commit(self._commit, b" " in match[2]))
        elif field.startswith(b":"):
            self._change = field
        elif field:
            raise GateError(_STRANGE)


def _change(commit: str, field: bytes, path: bytes) -> Change:
    parents = len(field) - len(field.lstrip(b":"))
    words = field[parents:].split(b" ")
    if len(words) != 2 * parents + 3 or not commit or not path:
        raise GateError(_STRANGE)
    modes = tuple(word.decode("latin-1") for word in words[: parents + 1])
    oid = words[2 * parents + 1].decode("latin-1")
    return Change(commit, path.decode("utf-8", "surrogateescape"), modes[:-1], modes[-1], oid)


class Objects:
    """The objects of a mirror, and of a push's `quarantine` (a directory below the mirror's objects)."""

    def __init__(self, mirror: Path, quarantine: Path | None = None) -> None:
        self.mirror = mirror
        self._quarantine = self._seen_as = quarantine
        self._started: dict[tuple[str, ...], Process] = {}

    @cached_property
    def limits(self) -> ProcessLimits:
        """Limits for git, which holds all changes of a commit in memory; few trees can stand for many files."""
        return process_limits(stored_bytes(self.mirror, self._quarantine))

    @classmethod
    @contextmanager
    def started_early(cls, mirror: Path) -> Iterator[Objects]:
        """Yield the objects of a push whose quarantine is not known yet, see `set_quarantine`; git starts at once."""
        objects = cls(mirror)
        # Git looks for other object directories when it is first asked for an object, which is after `set_quarantine`.
        link = objects._seen_as = mirror / f"quarantine.{os.getpid()}"
        link.unlink(missing_ok=True)
        try:
            for words in (_READ, _NEW):
                objects._started[words] = objects._start(words)
            yield objects
        finally:
            for git in objects._started.values():
                discard_git(git)
            link.unlink(missing_ok=True)

    def set_quarantine(self, quarantine: Path | None) -> None:
        """Say where the objects of the push lie (None: it brings none)."""
        assert self._seen_as is not None
        self._seen_as.symlink_to(quarantine or self.mirror / "objects")
        self._quarantine = quarantine

    def new_commits(
        self, tips: Iterable[str], known: Iterable[str] | None, take: Callable[[Commit | Change], None]
    ) -> None:
        """Hand over the commits reachable from `tips` and not from `known` (None: from any ref).

        Each is followed by what it changes; of a merge, what none of its parents has that way.
        An exception of `take` ends git and passes through.
        """
        words = _NEW if known is None else _NEW[: _NEW.index("--not")]
        self._log(words, [*tips, *(f"^{oid}" for oid in known or ())], take)

    def merges(self, oids: Iterable[str], take: Callable[[Commit | Change], None]) -> None:
        """Hand over merges, each followed by what it changes as seen from its first parent."""
        self._log((*_LOG, "--no-walk=unsorted", "--diff-merges=first-parent", "--stdin"), oids, take)

    def _log(self, words: tuple[str, ...], names: Iterable[str], take: Callable[[Commit | Change], None]) -> None:
        reader = ChangeReader(take)
        self._git(words, names, reader.feed)
        reader.close()

    def kinds(self, names: Iterable[str]) -> list[str]:
        """Return the kind of each object named (any extended name without line feeds), in order."""
        output = bytearray()
        self._git(("cat-file", "--batch-check=%(objecttype)"), names, output.extend)
        return output.decode("utf-8", "replace").split("\n")[:-1]  # git writes "NAME missing" for one that is missing

    def read(self, names: Iterable[str], take: Callable[[int, int, bytes], None]) -> None:
        """Hand over the content of each object named, in pieces, whatever its size.

        `take` gets the number of the name (from 0), the object's size (bytes; -1 for a missing object) and a piece; an
        object without content has one empty piece. An exception of `take` ends git and passes through.
        """
        parser = ObjectParser(take)
        wanted = list(names)
        self._git(_READ, wanted, parser.feed, timeout=2 * _TIMEOUT)
        if parser.ended != len(wanted):
            raise GateError("git ended in the middle of an object")

    def _start(self, words: tuple[str, ...]) -> Process:
        return start_git(*words, git_dir=self.mirror, objects=self._seen_as, config=_CONFIG)

    def _git(
        self, words: tuple[str, ...], names: Iterable[str], sink: Callable[[bytes], None], timeout: float = _TIMEOUT
    ) -> None:
        git = self._started.pop(words, None) or self._start(words)
        data = "".join(f"{name}\n" for name in names).encode("utf-8", "surrogateescape")
        finish_git(words[0], git, data, sink, timeout=timeout, memory=self.limits.memory)


def whole(wanted: Callable[[int, int], bool], take: Callable[[int, bytes], None]) -> Callable[[int, int, bytes], None]:
    """Return a callback for `Objects.read` that hands over whole objects, those `wanted` by number and size."""
    content = bytearray()
    last, keep = -1, False

    def collect(number: int, size: int, piece: bytes) -> None:
        nonlocal last, keep
        if number != last:
            last, keep = number, wanted(number, size)
        if keep:
            content.extend(piece)
            if len(content) == size:
                take(number, bytes(content))
                content.clear()

    return collect


class ObjectParser:
    """Parses the output of `git cat-file --batch`, see `Objects.read`; `ended` counts the objects."""

    def __init__(self, take: Callable[[int, int, bytes], None]) -> None:
        self._take = take
        self.ended = 0
        self._size = 0
        self._left = 0  # of the object, with the line feed behind it
        self._head = b""

    def feed(self, data: bytes) -> None:
        """Parse the next bytes of the output."""
        at = 0
        while at < len(data):
            if self._left:
                piece = data[at : at + self._left]
                at += len(piece)
                self._left -= len(piece)
                if len(piece) > 1 or self._left or not self._size:
                    self._take(self.ended, self._size, piece if self._left else piece[:-1])
                self.ended += not self._left
                continue
            end = data.find(b"\n", at)
            self._head += data[at : end if end >= 0 else None]
            if end < 0:
                return
            at = end + 1
            self._begin()

    def _begin(self) -> None:
        words = self._head.split(b" ")
        self._head = b""
        if len(words) == 3 and words[2].isdigit():
            self._size = int(words[2])
            self._left = self._size + 1
        else:
            self._take(self.ended, -1, b"")
            self.ended += 1


def tree_names(raw: bytes, oid_bytes: int) -> list[str]:
    """Return the names in a raw tree object."""
    names = []
    at = 0
    while at < len(raw):
        end = raw.index(b"\0", at)
        names.append(raw[at:end].partition(b" ")[2].decode("utf-8", "surrogateescape"))
        at = end + 1 + oid_bytes
    return names
