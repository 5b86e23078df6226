"""Inspect commits: every path, link, submodule, attribute file and text that they bring."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from terok_sandbox.gate.errors import GateError
from terok_sandbox.gate.inspect.changes import SUBMODULE, SYMLINK, Change, Commit
from terok_sandbox.gate.inspect.contents import judge_attributes
from terok_sandbox.gate.inspect.objects import Objects, tree_names
from terok_sandbox.gate.inspect.paths import collisions, git_name, judge_path, leaves_tree
from terok_sandbox.gate.inspect.policy import InspectionLimits, InspectionPolicy
from terok_sandbox.gate.inspect.rules import Finding
from terok_sandbox.gate.inspect.secrets import find_secrets

MAX_FINDINGS: Final = 1000
"""Findings that are told of each verdict."""
_MAX_LINK: Final = 4096
_MAX_GIT_FILE: Final = 1024 * 1024
_MAX_TREE: Final = 64 * 1024 * 1024
_MAX_DIRECTORIES: Final = 5000


@dataclass(frozen=True, slots=True)
class Report:
    """What an inspection found, apart by what the policy says of it; ``commits`` is how many were looked at."""

    commits: int = 0
    refused: tuple[Finding, ...] = ()
    flagged: tuple[Finding, ...] = ()

    @property
    def accepted(self) -> bool:
        """Whether nothing was found that the policy refuses."""
        return not self.refused


@dataclass(slots=True)
class _Findings:
    policy: InspectionPolicy
    refused: list[Finding] = field(default_factory=list)
    flagged: list[Finding] = field(default_factory=list)
    seen: set[tuple[str, str, str]] = field(default_factory=set)

    def add(self, found: Iterable[Finding], commit: str = "") -> None:
        for finding in found:
            key = (finding.rule, finding.path, f"{finding.detail}{finding.line or ''}")
            verdict = self.policy.verdict(finding)
            # Each verdict has room of its own: what is only shown must not crowd out what is refused.
            told = self.refused if verdict == "refuse" else self.flagged
            if verdict == "allow" or key in self.seen or len(told) >= MAX_FINDINGS:
                continue
            self.seen.add(key)
            told.append(Finding(finding.rule, finding.path, finding.detail, finding.line, commit or finding.commit))

    def refuse(self, finding: Finding) -> None:
        """Refuse what was not inspected, whatever the policy says of findings."""
        self.refused.append(finding)

    def report(self, commits: int) -> Report:
        return Report(commits, tuple(self.refused), tuple(self.flagged))


def inspect_push(objects: Objects, tips: Iterable[str], policy: InspectionPolicy, tags: Iterable[str] = ()) -> Report:
    """Inspect all commits that ``tips`` would bring into a mirror. Blocks; bounded by the policy's limits.

    ``tags`` are the ones among them that tags name: git itself sees to it that a branch names a commit.
    """
    wanted, tagged = sorted(set(tips)), sorted(set(tags))
    found = _Findings(policy)
    if not wanted:
        return found.report(0)
    if tagged:
        for tip, kind in zip(tagged, objects.kinds(f"{tip}^{{commit}}" for tip in tagged), strict=True):
            if kind != "commit":
                found.refuse(Finding("ref-target", "", f"{tip[:12]} is no commit"))
                return found.report(0)
    return _inspect(objects, wanted, None, found)


def inspect_range(objects: Objects, tip: str, base: str | None, policy: InspectionPolicy) -> Report:
    """Inspect the commits of ``tip`` that ``base`` (None: nothing) has not."""
    return _inspect(objects, [tip], [base] if base else [], _Findings(policy))


def _inspect(objects: Objects, tips: list[str], known: list[str] | None, found: _Findings) -> Report:
    brought = _Brought(found)
    try:
        objects.new_commits(tips, known, found.policy.limits.commits + 1, brought.take)
        if brought.merges:
            objects.joined(brought.merges, brought.join)
    except _TooMuch as what:
        found.refuse(Finding("push-size", "", f"too many {what} for one push; push them in parts"))
        return found.report(brought.commits)
    _judge_paths(brought.changes, found)
    plain = not any(finding.rule == "path-name" for finding in found.refused)
    _judge_contents(objects, brought, tips if plain else [], found)
    return found.report(brought.commits)


class _TooMuch(Exception):
    """A push brings more than it may of what the message says."""


@dataclass(slots=True)
class _Brought:
    """What a push brings, collected up to its limits. ``added`` are new names, by the directory they are in."""

    found: _Findings
    commits: int = 0
    changes: list[Change] = field(default_factory=list)
    merges: list[str] = field(default_factory=list)
    added: dict[str, set[str]] = field(default_factory=dict)

    def take(self, entry: Commit | Change) -> None:
        if isinstance(entry, Commit):
            self.commits += 1
            if self.commits > self.found.policy.limits.commits:
                raise _TooMuch("commits")
            for secret in find_secrets("", entry.message):
                self.found.add([Finding("secret", "", f"{secret.detail} in the message")], entry.oid)
            if entry.merge:
                self.merges.append(entry.oid)
        elif not entry.removed:
            self.changes.append(entry)
            if len(self.changes) > self.found.policy.limits.changes:
                raise _TooMuch("changes")
            self.join(entry)

    def join(self, entry: Commit | Change) -> None:
        """Note a new name, and each directory above it: it may be the one that is new."""
        if isinstance(entry, Change) and entry.added and "\n" not in entry.path:
            parts = entry.path.split("/")
            for depth, name in enumerate(parts):
                self.added.setdefault("/".join(parts[:depth]), set()).add(name)


def _judge_paths(changes: list[Change], found: _Findings) -> None:
    judged: set[tuple[str, bool]] = set()
    for change in changes:
        if change.mode == SUBMODULE:
            old = SUBMODULE in change.before
            found.add([Finding("submodule-moved" if old else "submodule", change.path, change.oid[:12])], change.commit)
        if git_name(change.path) == ".gitmodules":
            found.add([Finding("submodule", change.path, "the list of submodules changes")], change.commit)
        link = change.mode == SYMLINK
        if (change.path, link) not in judged:
            judged.add((change.path, link))
            found.add(judge_path(change.path, link=link), change.commit)


def _trees(tips: list[str], directories: Iterable[str], found: _Findings) -> list[tuple[str, str]]:
    """Return the directories of each tip in which a new name may collide with another."""
    wanted = sorted(directories)
    trees = [(tip, directory) for tip in tips for directory in wanted[:_MAX_DIRECTORIES]][: _MAX_DIRECTORIES * 4]
    if len(trees) < len(tips) * len(wanted):
        found.add([Finding("not-scanned", "", "too many new directories to compare all names")])
    return trees


def _judge_collisions(directory: str, raw: bytes, oid_bytes: int, added: set[str], found: _Findings) -> None:
    for one, other in collisions(_names(raw, oid_bytes)):
        if one in added or other in added:
            where = f"{directory}/{other}" if directory else other
            found.add([Finding("case-collision", where, f"collides with {one}")])


def _names(raw: bytes, oid_bytes: int) -> list[str]:
    try:
        return tree_names(raw, oid_bytes)
    except ValueError:
        return []  # a file stands where another of the pushed commits has a directory


def _judge_contents(objects: Objects, brought: _Brought, tips: list[str], found: _Findings) -> None:
    files: dict[str, dict[tuple[str, str], Change]] = {}  # by object, then by path: no object is read twice
    for change in brought.changes:
        if change.mode != SUBMODULE:
            files.setdefault(change.oid, {}).setdefault((change.path, change.mode), change)
    trees = _trees(tips, brought.added, found)
    if not (files or trees):
        return
    contents = _Contents(found, trees, brought.added, [list(paths.values()) for paths in files.values()])
    names = [*(f"{tip}^{{commit}}:{directory}" for tip, directory in trees), *files]
    objects.read_whole(names, contents.wanted, contents.judge)
    if contents.left_out:
        found.add([Finding("not-scanned", "", f"{contents.left_out} files")])


@dataclass(slots=True)
class _Contents:
    """Judges directories and, behind them, the objects of files, as they come; both are counted from 0."""

    found: _Findings
    trees: list[tuple[str, str]]
    added: dict[str, set[str]]
    files: list[list[Change]]
    scanned: int = 0
    left_out: int = 0
    chosen: list[Change] = field(default_factory=list)

    def wanted(self, number: int, size: int) -> bool:
        """Judge a size (bytes; -1: there is no such object) and tell whether the content is to be read."""
        if number < len(self.trees):
            if size > _MAX_TREE:
                self.found.add([Finding("push-size", self.trees[number][1], "too many files in one directory")])
            return 0 <= size <= _MAX_TREE
        if size < 0:
            raise GateError("an object of the push is missing")
        limits = self.found.policy.limits
        self.chosen = []
        for change in self.files[number - len(self.trees)]:
            self.found.add(_judge_size(change, size, limits), change.commit)
            too_much = size > limits.scanned_file_bytes or self.scanned + size > limits.scanned_bytes
            if too_much and not _has_meaning(change):
                self.left_out += 1
            elif size <= _MAX_GIT_FILE or not _has_meaning(change):
                self.scanned += size
                self.chosen.append(change)
        return bool(self.chosen)

    def judge(self, number: int, content: bytes) -> None:
        """Judge the content of what was wanted last."""
        if number < len(self.trees):
            tip, directory = self.trees[number]
            _judge_collisions(directory, content, len(tip) // 2, self.added[directory], self.found)
            return
        for change in self.chosen:
            self.found.add(_judge_content(change, content), change.commit)


def _judge_size(change: Change, size: int, limits: InspectionLimits) -> Iterator[Finding]:
    told = f"{size / 1024 / 1024:.0f} MiB"
    if change.mode == SYMLINK and size > _MAX_LINK:
        yield Finding("symlink-escape", change.path, "a target of more than 4096 bytes")
    elif _has_meaning(change) and size > _MAX_GIT_FILE:
        yield Finding("file-size", change.path, "attributes of more than 1 MiB")
    elif size > limits.file_bytes:
        yield Finding("file-size", change.path, told)
    elif size > limits.large_file_bytes:
        yield Finding("large-file", change.path, told)


def _judge_content(change: Change, content: bytes) -> Iterator[Finding]:
    if change.mode == SYMLINK:
        target = content.decode("utf-8", "surrogateescape")
        if leaves_tree(change.path, target):
            yield Finding("symlink-escape", change.path, f"leads to {target[:200]}")
        return
    if _has_meaning(change):
        yield from judge_attributes(change.path, content)
    yield from find_secrets(change.path, content)


def _has_meaning(change: Change) -> bool:
    """Tell whether git reads the file itself, so that it is looked at whatever its size."""
    return change.mode == SYMLINK or git_name(change.path) == ".gitattributes"
