"""Ask git about objects, also about pushed ones that are still in quarantine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from terok_sandbox.gate.errors import GateError
from terok_sandbox.gate.inspect.changes import Change, parse_changes
from terok_sandbox.gate.invoke import run_git

_TIMEOUT: Final = 300.0
_OUTPUT: Final = 256 * 1024 * 1024
_BATCH: Final = 16 * 1024 * 1024

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """What the object database says of a name; ``kind`` is empty when there is no such object."""

    oid: str
    kind: str
    size: int


@dataclass(frozen=True, slots=True)
class Objects:
    """The objects of a mirror, and of a push's ``quarantine`` (a directory below the mirror's objects)."""

    mirror: Path
    quarantine: Path | None = None

    def new_commits(self, tips: Iterable[str], known: Iterable[str] | None, limit: int) -> Iterator[str | Change]:
        """Yield at most ``limit`` commits reachable from ``tips`` and not from ``known`` (None: from any ref).

        Each is followed by what it changes; of a merge, what none of its parents has that way.
        """
        without = ["--all"] if known is None else list(known)
        flags = ("-z", "-c", "--root", "--raw", "--no-abbrev", "--format=%H", f"--max-count={limit}", "--stdin")
        return parse_changes(self._git("log", *flags, "--not", *without, data="".join(f"{tip}\n" for tip in tips)))

    def describe(self, names: Iterable[str]) -> list[ObjectInfo]:
        """Return kind and size (bytes) of each object named (any extended name without line feeds), in order."""
        data = "".join(f"{name}\n" for name in names)
        found = []
        for line in self._git("cat-file", "--batch-check", data=data).split(b"\n")[:-1]:
            words = line.split(b" ")
            if len(words) == 3 and words[2].isdigit():
                found.append(ObjectInfo(words[0].decode(), words[1].decode(), int(words[2])))
            else:
                found.append(ObjectInfo("", "", 0))
        return found

    def contents(self, names: Iterable[str]) -> Iterator[bytes | None]:
        """Yield the content of each object named, in order; None for what does not exist."""
        data = "".join(f"{name}\n" for name in names)
        raw = self._git("cat-file", "--batch", data=data)
        at = 0
        while at < len(raw):
            end = raw.index(b"\n", at)
            words = raw[at:end].split(b" ")
            at = end + 1
            if len(words) != 3 or not words[2].isdigit():
                yield None
                continue
            size = int(words[2])
            if at + size >= len(raw) + 1:
                raise GateError("git ended in the middle of an object")
            yield raw[at : at + size]
            at += size + 1

    def _git(self, verb: str, *args: str, data: str = "") -> bytes:
        return run_git(
            verb,
            *args,
            git_dir=self.mirror,
            quarantine=self.quarantine,
            timeout=_TIMEOUT,
            input=data.encode("utf-8", "surrogateescape"),
            max_output=_OUTPUT,
        ).stdout


def batches(items: Iterable[tuple[T, int]]) -> Iterator[list[T]]:
    """Cut items with their sizes (bytes) into lists to read at once: at most 5,000, and 16 MiB or one larger item."""
    batch: list[T] = []
    size = 0
    for item, length in items:
        if batch and (size + length > _BATCH or len(batch) >= 5000):
            yield batch
            batch, size = [], 0
        batch.append(item)
        size += length
    if batch:
        yield batch


def tree_names(raw: bytes, oid_bytes: int) -> list[str]:
    """Return the names in a raw tree object."""
    names = []
    at = 0
    while at < len(raw):
        end = raw.index(b"\0", at)
        names.append(raw[at:end].partition(b" ")[2].decode("utf-8", "surrogateescape"))
        at = end + 1 + oid_bytes
    return names
