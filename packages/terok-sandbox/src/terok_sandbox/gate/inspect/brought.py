"""Collect what a push brings, judging each path as it comes, in bounded memory."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Final

from terok_sandbox.gate.inspect.changes import SUBMODULE, SYMLINK, Change, Commit, TooMuch
from terok_sandbox.gate.inspect.paths import git_name, judge_length, judge_path
from terok_sandbox.gate.inspect.policy import Finding, InspectionLimits
from terok_sandbox.gate.inspect.secrets import SHORTEST, find_secrets

if TYPE_CHECKING:
    from terok_sandbox.gate.inspect.report import Findings

MAX_DIRECTORIES: Final = 5000
_JUDGED: Final = 20_000
_ENTRY: Final = 100
"""Bytes that Python uses for each object held, beside what the object itself says of its size."""


class StopLooking(Exception):
    """What was found is refused, and looking at the rest could cost more than it may."""


@dataclass(slots=True)
class Brought:
    """What a push brings, up to its limits.

    `added` are new names, by the directory they are in: no more than `MAX_DIRECTORIES` of those, then `crowded`
    is set. `for_git` are the objects of files that git itself reads. What is held takes less than two thirds of
    `memory` (bytes).
    """

    found: Findings
    limits: InspectionLimits
    memory: int
    commits: list[str] = field(default_factory=list)
    merges: list[str] = field(default_factory=list)
    added: dict[str, set[str]] = field(default_factory=dict)
    crowded: bool = False
    for_git: set[str] = field(default_factory=set)
    _changes: int = 0
    _files: list[bytes] = field(default_factory=list)
    _judged: set[tuple[str, bool]] = field(default_factory=set)
    _held: int = 0

    def take(self, entry: Commit | Change) -> None:
        """Judge and keep a commit or a change."""
        if isinstance(entry, Commit):
            self.commits.append(entry.oid)
            if len(self.commits) > self.limits.commits:
                raise TooMuch("commits")
            if entry.merge:
                self.merges.append(entry.oid)
        elif not entry.removed:
            self._changes += 1
            if self._changes > self.limits.changes:
                raise TooMuch("changes")
            self._judge(entry)
            if entry.mode != SUBMODULE:
                self._keep(entry)
            self.join(entry)

    def join(self, entry: Commit | Change) -> None:
        """Note a new name, and each directory above it that may be new as well."""
        if not isinstance(entry, Change) or not entry.added or "\n" in entry.path:
            return
        directory, _, name = entry.path.rpartition("/")
        while name and name not in self.added.get(directory, ()):
            if directory not in self.added and len(self.added) >= MAX_DIRECTORIES:
                self.crowded = True
                return
            self.added.setdefault(directory, set()).add(name)
            self._hold(sys.getsizeof(directory) + sys.getsizeof(name) + 2 * _ENTRY)
            directory, _, name = directory.rpartition("/")

    def objects(self) -> list[tuple[str, int, int]]:
        """Return each object that files consist of, with the numbers of the first of these and of the one behind."""
        self._files.sort()
        found, at = [], 0
        for oid, entries in groupby(self._files, key=lambda entry: entry.partition(b" ")[0]):
            size = sum(1 for _ in entries)
            found.append((oid.decode(), at, at + size))
            at += size
        return found

    def files(self, first: int, end: int) -> Iterator[Change]:
        """Return the files with these numbers; the same one may come with several commits."""
        for entry in self._files[first:end]:
            oid, mode, commit, path = entry.decode("utf-8", "surrogateescape").split(" ", 3)
            yield Change(self.commits[int(commit)], path, (), mode, oid)

    def _judge(self, change: Change) -> None:
        link = change.mode == SYMLINK
        if (change.path, link) not in self._judged:
            if len(self._judged) >= _JUDGED:
                self._judged.clear()
            if self.found.add(judge_length(change.path), change.commit):
                raise StopLooking
            self._judged.add((change.path, link))
            self.found.add(judge_path(change.path, link=link), change.commit)
            if max(map(len, change.path.split("/"))) >= SHORTEST:
                for secret in find_secrets("", change.path.encode("utf-8", "surrogateescape")):
                    self.found.add([Finding("secret", "", f"{secret.detail} in a path")], change.commit)
        if change.mode == SUBMODULE:
            rule = "submodule-moved" if SUBMODULE in change.before else "submodule"
            self.found.add([Finding(rule, change.path, change.oid[:12])], change.commit)
        if git_name(change.path) == ".gitmodules":
            self.found.add([Finding("submodule", change.path, "the list of submodules changes")], change.commit)

    def _keep(self, change: Change) -> None:
        if is_for_git(change):
            self.for_git.add(change.oid)
        entry = f"{change.oid} {change.mode} {len(self.commits) - 1} {change.path}".encode("utf-8", "surrogateescape")
        self._files.append(entry)
        self._hold(sys.getsizeof(entry) + _ENTRY // 10)

    def _hold(self, size: int) -> None:
        self._held += size
        if self._held > self.memory * 2 // 3:
            raise TooMuch("bytes in names of files")


def is_for_git(change: Change) -> bool:
    """Tell whether git reads the file itself, so that it is looked at whatever its size."""
    return change.mode == SYMLINK or git_name(change.path) == ".gitattributes"
