"""Ask git about objects, also about pushed ones that are still in quarantine."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from io import RawIOBase
from pathlib import Path
from typing import Final

from terok_sandbox.gate.allowance import Allowance, allowance, held_bytes
from terok_sandbox.gate.errors import GateError
from terok_sandbox.gate.inspect.changes import FORMAT, Change, ChangeReader, Commit
from terok_sandbox.gate.invoke import run_git

_TIMEOUT: Final = 300.0
_OUTPUT: Final = 256 * 1024 * 1024

Reader = Callable[[Iterable[str], Callable[[int, int, bytes], None]], None]


@dataclass(frozen=True, slots=True)
class Objects:
    """The objects of a mirror, and of a push's `quarantine` (a directory below the mirror's objects).

    `allowed` is what git may use: it holds all changes of a commit before it tells of one, and few trees can stand
    for any number of files.
    """

    mirror: Path
    quarantine: Path | None = None
    allowed: Allowance = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "allowed", allowance(held_bytes(self.mirror, self.quarantine)))

    def new_commits(
        self, tips: Iterable[str], known: Iterable[str] | None, limit: int, take: Callable[[Commit | Change], None]
    ) -> None:
        """Hand over at most `limit` commits reachable from `tips` and not from `known` (None: from any ref).

        Each is followed by what it changes; of a merge, what none of its parents has that way.
        An exception of `take` ends git and passes through.
        """
        without = ["--not", "--all"] if known is None else []
        data = _lines([*tips, *(f"^{oid}" for oid in known or ())])
        self._log("-c", f"--max-count={limit}", "--stdin", *without, data=data, take=take)

    def joined(self, merges: Iterable[str], take: Callable[[Commit | Change], None]) -> None:
        """Hand over merges, each followed by what it changes as seen from its first parent."""
        self._log("--no-walk=unsorted", "--diff-merges=first-parent", "--stdin", data=_lines(merges), take=take)

    def _log(self, *flags: str, data: bytes, take: Callable[[Commit | Change], None]) -> None:
        reader = ChangeReader(take)
        told = ("-z", "--root", "--raw", "--no-abbrev", f"--format={FORMAT}")
        self._git("log", *told, *flags, data=data, sink=reader.feed)
        reader.end()

    def kinds(self, names: Iterable[str]) -> list[str]:
        """Return the kind of each object named (any extended name without line feeds), in order."""
        told = self._git("cat-file", "--batch-check=%(objecttype)", data=_lines(names))
        return told.decode("utf-8", "replace").split("\n")[:-1]  # of what does not exist git says that it is missing

    @contextmanager
    def reader(self) -> Iterator[Reader]:
        """Yield what hands over the content of objects, once: of each one named, in pieces, whatever its size.

        Git starts at once, so that it is ready when the caller knows the names. `take` gets the number of the name
        (from 0), the object's size (bytes; -1: there is no such object) and a piece; an object without content has one
        empty piece. `GateError` when git ends too early; an exception of `take` ends git and passes through.
        """
        cutters: list[Cutter] = []
        source, names_end = os.pipe()

        def feed(data: bytes) -> None:
            cutters[0].feed(data)

        def serve() -> None:
            try:
                self._git("cat-file", "--batch", stdin=source, sink=feed, timeout=2 * _TIMEOUT)
            finally:
                os.close(source)  # whoever still writes names sees that nobody reads them

        with ThreadPoolExecutor(1) as thread, os.fdopen(names_end, "wb", buffering=0) as pipe:
            served = thread.submit(serve)

            def read(names: Iterable[str], take: Callable[[int, int, bytes], None]) -> None:
                cutters.append(Cutter(take))
                data = _lines(names)
                _write(pipe, data)
                served.result()
                if cutters[0].ended != data.count(b"\n"):
                    raise GateError("git ended in the middle of an object")

            yield read

    def read(self, names: Iterable[str], take: Callable[[int, int, bytes], None]) -> None:
        """Hand over the content of each object named, see `reader`."""
        with self.reader() as read:
            read(names, take)

    def _git(
        self,
        verb: str,
        *args: str,
        data: bytes | None = None,
        stdin: int | None = None,
        sink: Callable[[bytes], None] | None = None,
        timeout: float = _TIMEOUT,
    ) -> bytes:
        return run_git(
            verb,
            *args,
            git_dir=self.mirror,
            quarantine=self.quarantine,
            config={"core.bigFileThreshold": "32m"},  # git streams what is bigger
            timeout=timeout,
            input=data,
            stdin=stdin,
            max_output=_OUTPUT,
            sink=sink,
            memory=self.allowed.memory,
        ).stdout


def whole(wanted: Callable[[int, int], bool], take: Callable[[int, bytes], None]) -> Callable[[int, int, bytes], None]:
    """Return what takes objects in pieces and hands over the whole of each that is `wanted` by number and size."""
    held = bytearray()
    last, keep = -1, False

    def collect(number: int, size: int, piece: bytes) -> None:
        nonlocal last, keep
        if number != last:
            last, keep = number, wanted(number, size)
        if keep:
            held.extend(piece)
            if len(held) == size:
                take(number, bytes(held))
                held.clear()

    return collect


class Cutter:
    """Cuts what `git cat-file --batch` writes into pieces, see `Objects.read`; `ended` counts the objects."""

    def __init__(self, take: Callable[[int, int, bytes], None]) -> None:
        self._take = take
        self.ended = 0
        self._size = 0
        self._left = 0  # of the object, with the line feed behind it
        self._head = b""

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the output."""
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


def _write(pipe: RawIOBase, data: bytes) -> None:
    rest = memoryview(data)
    with pipe, suppress(BrokenPipeError):  # a git that has ended says why
        while rest:
            rest = rest[pipe.write(rest) or 0 :]


def _lines(names: Iterable[str]) -> bytes:
    return "".join(f"{name}\n" for name in names).encode("utf-8", "surrogateescape")


def tree_names(raw: bytes, oid_bytes: int) -> list[str]:
    """Return the names in a raw tree object."""
    names = []
    at = 0
    while at < len(raw):
        end = raw.index(b"\0", at)
        names.append(raw[at:end].partition(b" ")[2].decode("utf-8", "surrogateescape"))
        at = end + 1 + oid_bytes
    return names
