"""Judge what is in the objects of a push: directories, commits and tags, and files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from terok_sandbox.gate.errors import GateError
from terok_sandbox.gate.inspect.brought import Brought, is_for_git
from terok_sandbox.gate.inspect.changes import SYMLINK, Change, TooMuch
from terok_sandbox.gate.inspect.contents import judge_attributes, judge_hidden
from terok_sandbox.gate.inspect.objects import Reader, tree_names, whole
from terok_sandbox.gate.inspect.paths import collisions, leaves_tree
from terok_sandbox.gate.inspect.policy import Finding, InspectionLimits
from terok_sandbox.gate.inspect.secrets import find_secrets

if TYPE_CHECKING:
    from terok_sandbox.gate.inspect.report import Findings

_MIB: Final = 1024 * 1024
_MAX_LINK: Final = 4096
_MAX_GIT_FILE: Final = 1 * _MIB
_MAX_TREE: Final = 16 * _MIB
_MAX_TREES: Final = 256 * _MIB
_MAX_TREE_NAMES: Final = 8 * _MIB
_MAX_MESSAGE: Final = 4 * _MIB
_MAX_MESSAGES: Final = 128 * _MIB


def judge_contents(read: Reader, brought: Brought, tips: list[str], tags: list[str], found: Findings) -> None:
    """Read what a push brings and judge it; in the trees of `tips`, names that may collide."""
    contents = _Contents(found, brought, _trees(tips, brought, found), [*brought.commits, *tags], brought.objects())
    names = [f"{tip}^{{commit}}:{directory}" for tip, directory in contents.trees]
    names += contents.notes
    names += (oid for oid, _, _ in contents.files)
    if names:
        read(names, whole(contents.wanted, contents.judge))
    if contents.left_out:
        found.add([Finding("not-scanned", "", f"{contents.left_out} files")])


def _trees(tips: list[str], brought: Brought, found: Findings) -> list[tuple[str, str]]:
    """Return the directories of each tip in which a new name may collide with another."""
    trees: list[tuple[str, str]] = []
    room, crowded = _MAX_TREE_NAMES, brought.crowded
    for tip in tips:
        for directory in sorted(brought.added):
            room -= len(tip) + len(directory) + 100
            crowded = crowded or room < 0
            if not crowded:
                trees.append((tip, directory))
    if crowded:
        found.add([Finding("not-scanned", "", "too many new directories to compare all names")])
    return trees


@dataclass(slots=True)
class _Contents:
    """Judges directories, then commits and tags (`notes`), then the objects of files, as they come.

    All are counted from 0, in one row.
    """

    found: Findings
    brought: Brought
    trees: list[tuple[str, str]]
    notes: list[str]
    files: list[tuple[str, int, int]]
    scanned: int = 0
    left_out: int = 0
    read: int = 0

    def wanted(self, number: int, size: int) -> bool:
        """Judge a size (bytes; -1: there is no such object) and tell whether the content is to be read."""
        if number < len(self.trees):
            return self._wants_tree(number, size)
        if size < 0:
            raise GateError("an object of the push is missing")
        if number < len(self.trees) + len(self.notes):
            self.read += size
            if size > _MAX_MESSAGE or self.read > _MAX_MESSAGES:
                raise TooMuch("bytes in messages")
            return True
        return self._wants_file(number - len(self.trees) - len(self.notes), size)

    def judge(self, number: int, content: bytes) -> None:
        """Judge the content of what was wanted last."""
        at = number - len(self.trees)
        if at < 0:
            tip, directory = self.trees[number]
            self._judge_names(directory, content, len(tip) // 2)
        elif at < len(self.notes):
            self.found.add(_judge_note(content), self.notes[at])
        else:
            self._judge_file(at - len(self.notes), content)

    def _wants_tree(self, number: int, size: int) -> bool:
        directory = self.trees[number][1]
        self.read += max(size, 0)
        if size > _MAX_TREE:
            self.found.add([Finding("push-size", directory, "too many files in one directory")])
        elif self.read > _MAX_TREES:
            self.found.add([Finding("not-scanned", "", "too many new directories to compare all names")])
        return 0 <= size <= _MAX_TREE and self.read <= _MAX_TREES

    def _judge_names(self, directory: str, raw: bytes, oid_bytes: int) -> None:
        added = self.brought.added[directory]
        try:
            names = tree_names(raw, oid_bytes)
        except ValueError:
            return  # a file stands where another of the pushed commits has a directory
        for one, other in collisions(names):
            if one in added or other in added:
                where = f"{directory}/{other}" if directory else other
                self.found.add([Finding("case-collision", where, f"collides with {one}")])

    def _wants_file(self, number: int, size: int) -> bool:
        oid, first, end = self.files[number]
        limits = self.found.policy.limits
        if size > min(_MAX_LINK, limits.large_file_bytes, limits.file_bytes):
            for change in self.brought.files(first, end):
                self.found.add(_judge_size(change, size, limits), change.commit)
        if size <= limits.scanned_file_bytes and self.scanned + size <= limits.scanned_bytes:
            self.scanned += size
            return True
        self.left_out += 1
        return size <= _MAX_GIT_FILE and oid in self.brought.for_git

    def _judge_file(self, number: int, content: bytes) -> None:
        oid, first, end = self.files[number]
        secrets = list(find_secrets("", content))
        if secrets or b"\0" in content or oid in self.brought.for_git:
            for change in self.brought.files(first, end):
                self.found.add(_judge_file(change, content, secrets), change.commit)


def _judge_note(content: bytes) -> Iterator[Finding]:
    """Judge a commit or an annotated tag as it is stored."""
    if content.startswith(b"object ") and b"\ntype tag\n" in content[:200]:
        yield Finding("ref-target", "", "a tag of another tag")
    for secret in find_secrets("", content):
        yield Finding("secret", "", f"{secret.detail} in a commit or tag")


def _judge_size(change: Change, size: int, limits: InspectionLimits) -> Iterator[Finding]:
    told = f"{size / _MIB:.0f} MiB"
    if change.mode == SYMLINK and size > _MAX_LINK:
        yield Finding("symlink-escape", change.path, "a target of more than 4096 bytes")
    elif is_for_git(change) and size > _MAX_GIT_FILE:
        yield Finding("file-size", change.path, "attributes of more than 1 MiB")
    elif size > limits.file_bytes:
        yield Finding("file-size", change.path, told)
    elif size > limits.large_file_bytes:
        yield Finding("large-file", change.path, told)


def _judge_file(change: Change, content: bytes, secrets: list[Finding]) -> Iterator[Finding]:
    if change.mode == SYMLINK:
        target = content.decode("utf-8", "surrogateescape")
        if leaves_tree(change.path, target):
            yield Finding("symlink-escape", change.path, f"leads to {target[:200]}")
    elif is_for_git(change):
        yield from judge_attributes(change.path, content)
    yield from judge_hidden(change.path, change.mode, content)
    yield from (replace(secret, path=change.path) for secret in secrets)
