"""Check what a push brings: each path as it comes, in bounded memory, then directories, commits, tags and files."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Final

from terok_sandbox.gate.errors import GateError
from terok_sandbox.gate.inspect.objects import (
    SUBMODULE,
    SYMLINK,
    Change,
    Commit,
    Objects,
    PushTooLarge,
    tree_names,
    whole,
)
from terok_sandbox.gate.inspect.paths import (
    autorun_rule,
    check_length,
    check_path,
    collisions,
    folded,
    git_name,
    leaves_tree,
)
from terok_sandbox.gate.inspect.policy import Finding, InspectionLimits
from terok_sandbox.gate.inspect.report import Findings
from terok_sandbox.gate.inspect.secrets import SHORTEST, find_secrets

MAX_DIRECTORIES: Final = 5000
_CHECKED: Final = 20_000
_ENTRY: Final = 100  # bytes that Python uses for each object in a container, besides the object's own size
_MIB: Final = 1024 * 1024
_MAX_LINK: Final = 4096
_MAX_GIT_FILE: Final = 1 * _MIB
_MAX_TREE: Final = 16 * _MIB
_MAX_TREES: Final = 256 * _MIB
_MAX_TREE_NAMES: Final = 8 * _MIB
_MAX_MESSAGE: Final = 4 * _MIB
_MAX_MESSAGES: Final = 128 * _MIB
_EXECUTABLE: Final = "100755"
_SEARCHED: Final = 8000
"""Bytes in which git searches for a zero byte; a file with one is binary, and a patch does not show it."""
_PROGRAMS: Final = (b"#!", b"\x7fELF", b"MZ", b"\xca\xfe\xba\xbe", b"\xcf\xfa\xed\xfe", b"\0asm", b"dex\n")
_TEXT: Final = re.compile(
    r".*\.(?:bash|bat|c|cc|cfg|cjs|cmd|conf|cpp|cs|css|csv|cts|cxx|env|fish|go|gradle|h|hpp|html?|ini|java|jsx?|json|kts?"
    r"|less|lua|m|md|mjs|mk|mts|nix|php|pl|pm|properties|ps1|pth|py|pyi|r|rb|rs|rst|scala|scss|sh|sql|svg|swift|tcl|tf|toml"
    r"|tsx?|txt|vim|vue|xml|ya?ml|zsh)\Z",
    re.IGNORECASE | re.DOTALL,
)
_PROGRAM: Final = re.compile(rb"(?:^|[ \t\r])(filter|diff|merge)=([^\s]{1,100})", re.MULTILINE)
_BUILT_IN: Final = frozenset(
    {b"text", b"binary", b"union"}
    | {b"ada", b"bash", b"bibtex", b"cpp", b"csharp", b"css", b"dts", b"elixir", b"fortran", b"fountain", b"golang"}
    | {b"html", b"java", b"kotlin", b"markdown", b"matlab", b"objc", b"pascal", b"perl", b"php", b"python", b"ruby"}
    | {b"rust", b"scheme", b"tex"}
)


class InspectionStopped(Exception):
    """The push is refused, and inspecting the rest could cost any amount of work."""


@dataclass(slots=True)
class PushedChanges:
    """The commits and changes of a push, up to its limits.

    `added` are new names by directory, of at most `MAX_DIRECTORIES` directories; `crowded` says that there are more.
    `for_git` are the objects of files that git itself reads. All of it uses less than two thirds of `memory` (bytes).
    """

    findings: Findings
    limits: InspectionLimits
    memory: int
    commits: list[str] = field(default_factory=list)
    merges: list[str] = field(default_factory=list)
    added: dict[str, set[str]] = field(default_factory=dict)
    crowded: bool = False
    for_git: set[str] = field(default_factory=set)
    _changes: int = 0
    _files: list[bytes] = field(default_factory=list)
    _checked: set[tuple[str, bool]] = field(default_factory=set)
    _used: int = 0

    def add(self, entry: Commit | Change) -> None:
        """Check and store a commit or a change."""
        if isinstance(entry, Commit):
            self.commits.append(entry.oid)
            if len(self.commits) > self.limits.commits:
                raise PushTooLarge("commits")
            if entry.merge:
                self.merges.append(entry.oid)
        elif not entry.removed:
            self._changes += 1
            if self._changes > self.limits.changes:
                raise PushTooLarge("changes")
            self._check(entry)
            if entry.mode != SUBMODULE:
                self._keep(entry)
            self.add_name(entry)

    def add_name(self, entry: Commit | Change) -> None:
        """Store a new name, and each directory above it that may be new as well."""
        if not isinstance(entry, Change) or not entry.added or "\n" in entry.path:
            return
        directory, _, name = entry.path.rpartition("/")
        while name and name not in self.added.get(directory, ()):
            if directory not in self.added and len(self.added) >= MAX_DIRECTORIES:
                self.crowded = True
                return
            self.added.setdefault(directory, set()).add(name)
            self._count_bytes(sys.getsizeof(directory) + sys.getsizeof(name) + 2 * _ENTRY)
            directory, _, name = directory.rpartition("/")

    def objects(self) -> list[tuple[str, int, int]]:
        """Return each object with the range of its files: the number of the first, and of the one after the last."""
        self._files.sort()
        ranges, at = [], 0
        for oid, entries in groupby(self._files, key=lambda entry: entry.partition(b" ")[0]):
            size = sum(1 for _ in entries)
            ranges.append((oid.decode(), at, at + size))
            at += size
        return ranges

    def files(self, first: int, end: int) -> Iterator[Change]:
        """Return the files with these numbers; the same one may come with several commits."""
        for entry in self._files[first:end]:
            oid, mode, commit, path = entry.decode("utf-8", "surrogateescape").split(" ", 3)
            yield Change(self.commits[int(commit)], path, (), mode, oid)

    def _check(self, change: Change) -> None:
        link = change.mode == SYMLINK
        if (change.path, link) not in self._checked:
            if len(self._checked) >= _CHECKED:
                self._checked.clear()
            if self.findings.add(check_length(change.path), change.commit):
                raise InspectionStopped
            self._checked.add((change.path, link))
            self.findings.add(check_path(change.path, link=link), change.commit)
            if max(map(len, change.path.split("/"))) >= SHORTEST:
                for secret in find_secrets("", change.path.encode("utf-8", "surrogateescape")):
                    self.findings.add([Finding("secret", "", f"{secret.detail} in a path")], change.commit)
        if change.mode == SUBMODULE:
            rule = "submodule-moved" if SUBMODULE in change.before else "submodule"
            self.findings.add([Finding(rule, change.path, change.oid[:12])], change.commit)
        if git_name(change.path) == ".gitmodules":
            self.findings.add([Finding("submodule", change.path, "the list of submodules changes")], change.commit)

    def _keep(self, change: Change) -> None:
        if is_for_git(change):
            self.for_git.add(change.oid)
        entry = f"{change.oid} {change.mode} {len(self.commits) - 1} {change.path}".encode("utf-8", "surrogateescape")
        self._files.append(entry)
        self._count_bytes(sys.getsizeof(entry) + _ENTRY // 10)

    def _count_bytes(self, size: int) -> None:
        self._used += size
        if self._used > self.memory * 2 // 3:
            raise PushTooLarge("bytes in names of files")


def is_for_git(change: Change) -> bool:
    """Whether git reads the file itself, so that it is checked whatever its size."""
    return change.mode == SYMLINK or git_name(change.path) == ".gitattributes"


def check_attributes(path: str, content: bytes) -> Iterator[Finding]:
    """Yield each line of a `.gitattributes` that names a filter, diff or merge program."""
    for number, line in enumerate(content.split(b"\n"), start=1):
        if line.lstrip(b" \t\r").startswith(b"#"):
            continue
        for kind, name in _PROGRAM.findall(line):
            if kind == b"filter" or name not in _BUILT_IN:
                setting = f"{kind.decode()}={name.decode('utf-8', 'backslashreplace')}"
                yield Finding("attributes-filter", path, setting, number)


def check_hidden(path: str, mode: str, content: bytes) -> Iterator[Finding]:
    """Yield a file that a patch does not show, and say what it is."""
    if b"\0" not in content[:_SEARCHED]:
        return
    if mode == _EXECUTABLE or content.startswith(_PROGRAMS):
        yield Finding("not-shown", path, "a program")
    elif _TEXT.match(path) or autorun_rule(folded(path)):
        yield Finding("not-shown", path, "text with a zero byte in it, which git takes for binary data")
    else:
        yield Finding("not-shown", path, "binary data")


def check_contents(
    objects: Objects, pushed: PushedChanges, tips: list[str], tags: list[str], findings: Findings
) -> None:
    """Read and check the objects of a push; in the trees of `tips`, names that may collide."""
    contents = _Contents(findings, pushed, _trees(tips, pushed, findings), [*pushed.commits, *tags], pushed.objects())
    names = [f"{tip}^{{commit}}:{directory}" for tip, directory in contents.trees]
    names += contents.notes
    names += (oid for oid, _, _ in contents.files)
    if names:
        objects.read(names, whole(contents.wanted, contents.check))
    if contents.left_out:
        findings.add([Finding("not-scanned", "", f"{contents.left_out} files")])


def _trees(tips: list[str], pushed: PushedChanges, findings: Findings) -> list[tuple[str, str]]:
    trees: list[tuple[str, str]] = []
    room, crowded = _MAX_TREE_NAMES, pushed.crowded
    for tip in tips:
        for directory in sorted(pushed.added):
            room -= len(tip) + len(directory) + 100
            crowded = crowded or room < 0
            if not crowded:
                trees.append((tip, directory))
    if crowded:
        findings.add([Finding("not-scanned", "", "too many new directories to compare all names")])
    return trees


@dataclass(slots=True)
class _Contents:
    """Checks directories, then commits and tags (`notes`), then the objects of files, numbered from 0 in this order."""

    findings: Findings
    pushed: PushedChanges
    trees: list[tuple[str, str]]
    notes: list[str]
    files: list[tuple[str, int, int]]
    scanned: int = 0
    left_out: int = 0
    read: int = 0

    def wanted(self, number: int, size: int) -> bool:
        """Check a size (bytes; -1 for a missing object) and return whether to read the content."""
        if number < len(self.trees):
            return self._wants_tree(number, size)
        if size < 0:
            raise GateError("an object of the push is missing")
        if number < len(self.trees) + len(self.notes):
            self.read += size
            if size > _MAX_MESSAGE or self.read > _MAX_MESSAGES:
                raise PushTooLarge("bytes in messages")
            return True
        return self._wants_file(number - len(self.trees) - len(self.notes), size)

    def check(self, number: int, content: bytes) -> None:
        """Check the content of an object that was wanted."""
        at = number - len(self.trees)
        if at < 0:
            tip, directory = self.trees[number]
            self._check_names(directory, content, len(tip) // 2)
        elif at < len(self.notes):
            self.findings.add(_check_note(content), self.notes[at])
        else:
            self._check_file(at - len(self.notes), content)

    def _wants_tree(self, number: int, size: int) -> bool:
        directory = self.trees[number][1]
        self.read += max(size, 0)
        if size > _MAX_TREE:
            self.findings.add([Finding("push-size", directory, "too many files in one directory")])
        elif self.read > _MAX_TREES:
            self.findings.add([Finding("not-scanned", "", "too many new directories to compare all names")])
        return 0 <= size <= _MAX_TREE and self.read <= _MAX_TREES

    def _check_names(self, directory: str, raw: bytes, oid_bytes: int) -> None:
        added = self.pushed.added[directory]
        try:
            names = tree_names(raw, oid_bytes)
        except ValueError:
            return  # a file stands where another of the pushed commits has a directory
        for name, other in collisions(names):
            if name in added or other in added:
                where = f"{directory}/{other}" if directory else other
                self.findings.add([Finding("case-collision", where, f"collides with {name}")])

    def _wants_file(self, number: int, size: int) -> bool:
        oid, first, end = self.files[number]
        limits = self.findings.policy.limits
        if size > min(_MAX_LINK, limits.large_file_bytes, limits.file_bytes):
            for change in self.pushed.files(first, end):
                self.findings.add(_check_size(change, size, limits), change.commit)
        if size <= limits.scanned_file_bytes and self.scanned + size <= limits.scanned_bytes:
            self.scanned += size
            return True
        self.left_out += 1
        return size <= _MAX_GIT_FILE and oid in self.pushed.for_git

    def _check_file(self, number: int, content: bytes) -> None:
        oid, first, end = self.files[number]
        secrets = list(find_secrets("", content))
        if secrets or b"\0" in content or oid in self.pushed.for_git:
            for change in self.pushed.files(first, end):
                self.findings.add(_check_file(change, content, secrets), change.commit)


def _check_note(content: bytes) -> Iterator[Finding]:
    if content.startswith(b"object ") and b"\ntype tag\n" in content[:200]:
        yield Finding("ref-target", "", "a tag of another tag")
    for secret in find_secrets("", content):
        yield Finding("secret", "", f"{secret.detail} in a commit or tag")


def _check_size(change: Change, size: int, limits: InspectionLimits) -> Iterator[Finding]:
    text = f"{size / _MIB:.0f} MiB"
    if change.mode == SYMLINK and size > _MAX_LINK:
        yield Finding("symlink-escape", change.path, "a target of more than 4096 bytes")
    elif is_for_git(change) and size > _MAX_GIT_FILE:
        yield Finding("file-size", change.path, "attributes of more than 1 MiB")
    elif size > limits.file_bytes:
        yield Finding("file-size", change.path, text)
    elif size > limits.large_file_bytes:
        yield Finding("large-file", change.path, text)


def _check_file(change: Change, content: bytes, secrets: list[Finding]) -> Iterator[Finding]:
    if change.mode == SYMLINK:
        target = content.decode("utf-8", "surrogateescape")
        if leaves_tree(change.path, target):
            yield Finding("symlink-escape", change.path, f"leads to {target[:200]}")
    elif is_for_git(change):
        yield from check_attributes(change.path, content)
    yield from check_hidden(change.path, change.mode, content)
    yield from (replace(secret, path=change.path) for secret in secrets)
