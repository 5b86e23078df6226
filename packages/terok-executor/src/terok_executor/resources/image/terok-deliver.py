#!/usr/bin/env python3
"""Hands the work of a task over to the gate, and records the rest.

Usage: terok-deliver push|check GATE-URL; `check` only looks. Work is every local branch and tag that is new since the
start, and, as branches below terok/wip/: uncommitted changes of each work tree, commits of a detached HEAD, stashes.
Files that git ignores are left out. The result is printed, and written to the file `delivery` of the task directory.
Exit code 75 if some work is left.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

ATTEMPTS = 5
MAX_SHOWN = 300
SETTINGS = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "push.recurseSubmodules=no",
    "push.followTags=false",
    "push.gpgSign=false",
)
HEADS, TAGS = "refs/heads/", "refs/tags/"
WIP_MESSAGE = "Work in progress: what was not committed when the task ended"


class FailedError(Exception):
    """Git does not say what was asked of it."""


class Delivery:
    """The work that reached the gate and the rest; `refs` are names in the gate with their commits."""

    def __init__(self, repo: Path, gate: str, known: set[str], task: str) -> None:
        self.repo = repo
        self.gate = gate
        self.known = known
        self.wip = f"{HEADS}terok/wip/{re.sub('[^A-Za-z0-9_-]', '-', task)[:8] or 'task'}"
        self.names: list[str] = []
        self.refs: dict[str, str] = {}
        self.left: list[str] = []

    def git(self, *words: str, at: Path | None = None, data: str = "", **env: str) -> subprocess.CompletedProcess[str]:
        """Run git in the workspace, or in another work tree of it."""
        settings = [word for setting in SETTINGS for word in ("-c", setting)]
        return subprocess.run(
            ["git", "-C", str(at or self.repo), *settings, *words],
            input=data,
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            env={**os.environ, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C", **env},
            check=False,
        )

    def output(self, *words: str, at: Path | None = None, **env: str) -> str:
        """Return what git prints; FailedError if it fails, since what it does not say might be work."""
        done = self.git(*words, at=at, **env)
        if done.returncode:
            raise FailedError(last_words(done.stderr))
        return done.stdout

    def lines(self, *words: str) -> list[str]:
        """Return the lines git prints, see `output`."""
        return self.output(*words).splitlines()

    def is_new(self, oid: str, *without: str) -> bool:
        """Say whether a commit, or one below it, was neither there at the start nor is below one of the others."""
        if oid in self.known:
            return False
        below = "".join(f"^{one}\n" for one in (*self.known, *without))
        done = self.git("rev-list", "--ignore-missing", "--max-count=1", "--stdin", oid, data=below)
        return done.returncode != 0 or bool(done.stdout)

    def work(self) -> dict[str, str]:
        """Return what is to be handed over: the name it gets in the gate, and its object."""
        found = {}
        for line in self.lines("for-each-ref", "--format=%(objectname) %(refname)", HEADS, TAGS):
            oid, _, ref = line.partition(" ")
            if oid not in self.known and (ref.startswith(TAGS) or self.is_new(oid)):
                found[ref] = oid
        branches = tuple(oid for ref, oid in found.items() if ref.startswith(HEADS))
        for tree, head in self.trees().items():
            at_end = self.uncommitted(tree, head) if tree.is_dir() else ""
            if at_end or (head and self.is_new(head, *branches)):
                found[self.wip_name()] = at_end or head
        stashed = self.lines("for-each-ref", "refs/stash")
        for oid in self.lines("rev-list", "-g", "refs/stash", "--") if stashed else ():
            if oid not in self.known:
                found[self.wip_name()] = oid
        return found

    def trees(self) -> dict[Path, str]:
        """Return the work trees of the repository with the commits they are at, empty before the first."""
        found: dict[Path, str] = {}
        for line in self.lines("worktree", "list", "--porcelain"):
            word, _, value = line.partition(" ")
            if word == "worktree":
                tree = Path(value)
            elif word == "HEAD":
                found[tree] = value if value.strip("0") else ""
        return found

    def uncommitted(self, tree: Path, head: str) -> str:
        """Return a commit on top of `head` with what is not committed in a work tree; empty if that is nothing."""
        try:
            if not self.output("status", "--porcelain", "--untracked-files=normal", at=tree):
                return ""
            import shutil  # most tasks leave nothing, and these two take longer to import than all the rest
            import tempfile

            with tempfile.TemporaryDirectory() as place:
                index = Path(place) / "index"
                own = Path(tree, self.output("rev-parse", "--git-path", "index", at=tree).strip())
                if own.is_file():
                    shutil.copy2(own, index)
                return self._snapshot(tree, head, str(index))
        except (FailedError, OSError) as error:
            self.left.append(f"what is not committed in {tree}: {error}")
            return ""

    def _snapshot(self, tree: Path, head: str, index: str) -> str:
        added = self.git("add", "--all", "--ignore-errors", ".", at=tree, GIT_INDEX_FILE=index)
        if added.returncode:
            self.left.append(f"some of what is not committed in {tree}: {last_words(added.stderr)}")
        before = gitlinks(self.output("ls-tree", "-r", "-z", head)) if head else set()
        staged = gitlinks(self.output("ls-files", "-s", "-z", at=tree, GIT_INDEX_FILE=index))
        for path in sorted(staged - before):  # a repository in the repository: git would keep its name alone
            self.output("update-index", "--force-remove", path, at=tree, GIT_INDEX_FILE=index)
            if tree / path not in self.trees():
                self.left.append(f"the repository {tree / path}, which is one of its own")
        made = self.output("write-tree", at=tree, GIT_INDEX_FILE=index).strip()
        if head and made == self.output("rev-parse", f"{head}^{{tree}}").strip():
            return ""
        parent = ["-p", head] if head else []
        return self.output("commit-tree", *parent, "-m", WIP_MESSAGE, made).strip()

    def wip_name(self) -> str:
        """Return the next name for what has none."""
        self.names.append(f"{self.wip}-{len(self.names) + 1}" if self.names else self.wip)
        return self.names[-1]

    def hand_over(self, work: dict[str, str]) -> None:
        """Push; what the gate refuses is left, and one refused piece takes no other with it."""
        answers = self.push(work)
        if len(work) > 1 and any(why.startswith("[remote rejected]") for why in answers.values()):
            answers = {ref: why for ref, oid in work.items() for ref, why in self.push({ref: oid}).items()}
        for ref, answer in answers.items():
            if why := self.moved(ref, work[ref]) if answer.startswith("[rejected]") else answer:
                self.left.append(f"{said(ref)}: {why}")

    def moved(self, ref: str, oid: str) -> str:
        """Hand over what does not build on the gate's branch of that name; return why not, empty if it is there."""
        fetched = self.git(
            "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", self.gate, f"+{ref}:refs/terok/there"
        )
        there = self.git("rev-parse", "-q", "--verify", "refs/terok/there").stdout.strip()
        self.git("update-ref", "-d", "refs/terok/there")
        if fetched.returncode == 0 and self.git("merge-base", "--is-ancestor", oid, there).returncode == 0:
            return ""
        if there in self.git("rev-list", "-g", ref, "--").stdout.split():  # it was ours, and was rewritten here
            (why,) = self.push({ref: oid}, f"--force-with-lease={ref}:{there}").values()
            if not why:
                return ""
        name = self.wip_name()
        (why,) = self.push({name: oid}).values()
        if not why:
            print(f">> {said(ref)} has moved in the gate; what was made here is {said(name)}", flush=True)
        return why

    def push(self, work: dict[str, str], *flags: str) -> dict[str, str]:
        """Push objects to names of the gate; return why not for each name, empty for those that are there.

        A gate that cannot be reached is asked again; one that has answered is not.
        """
        force = {ref: "+" if ref.startswith(self.wip) else "" for ref in work}
        specs = [f"{force[ref]}{oid}:{ref}" for ref, oid in work.items()]
        for attempt in range(1, ATTEMPTS + 1):
            done = self.git("push", "--porcelain", "--no-verify", *flags, self.gate, *specs)
            sys.stderr.write(without_token(done.stderr))
            answers = dict.fromkeys(work, "")
            rows = [line.split("\t") for line in done.stdout.splitlines() if line.count("\t") == 2]
            for flag, spec, summary in rows:
                ref = spec.rpartition(":")[2]
                if flag == "!":
                    answers[ref] = summary + remote_words(done.stderr)
                else:
                    self.refs[ref] = work[ref]
            if rows or done.returncode == 0:
                return answers
            if attempt < ATTEMPTS:
                time.sleep(0.25 * 2**attempt)
        return dict.fromkeys(work, last_words(done.stderr))


def gitlinks(listing: str) -> set[str]:
    """Return the paths of what git lists as a repository in the repository."""
    rows = (row.partition("\t") for row in listing.split("\0"))
    return {path for mode, _, path in rows if mode.startswith("160000 ")}


def said(ref: str) -> str:
    """Return a ref as a person calls it."""
    return f"the tag {ref.removeprefix(TAGS)}" if ref.startswith(TAGS) else f"commits on {ref.removeprefix(HEADS)}"


def without_token(text: str) -> str:
    """Take this container's token out of what git says: it repeats URLs."""
    return re.sub(r"://[^/@\s]*@", "://", text)


def last_words(text: str) -> str:
    """Return the end of what git said."""
    lines = [line for line in without_token(text).splitlines() if line.strip()]
    return "; ".join(lines[-2:])[-MAX_SHOWN:] or "git failed"


def remote_words(text: str) -> str:
    """Return what the gate said, as far as it is short."""
    lines = [line.removeprefix("remote:").strip() for line in text.splitlines() if line.startswith("remote:")]
    return (": " + "; ".join(line for line in lines if line))[:MAX_SHOWN] if any(lines) else ""


def outcome(delivery: Delivery) -> list[str]:
    """Return what there is to say; the last line is what counts."""
    lines = [f"in the gate: {said(ref)}" for ref in delivery.refs]
    lines += [f"not handed over: {text}" for text in delivery.left]
    if not lines:
        lines.append("no new commit, and nothing that is not committed")
    lines.append("hand-over incomplete" if delivery.left else "hand-over complete")
    return [">> " + " ".join(line.split()).encode("ascii", "backslashreplace").decode() for line in lines]


def main(mode: str, gate: str) -> int:
    """Hand over, or only look, and write down what came of it."""
    repo, task_dir = Path(os.environ["REPO_ROOT"]), Path(os.environ["TEROK_TASK_DIR"])
    refs = task_dir / "base-refs"
    known = set(refs.read_text().split()) if refs.is_file() else set()
    delivery = Delivery(repo, gate, known, os.environ.get("TASK_ID", ""))
    work: dict[str, str] = {}
    try:
        work = delivery.work()
    except FailedError as error:
        delivery.left.append(f"what is in {repo}: {error}")
    if mode == "push" and work:
        delivery.hand_over(work)
    elif work:
        delivery.left += map(said, work)
    lines = outcome(delivery)
    print(*lines, sep="\n", flush=True)
    try:
        draft = task_dir / "delivery.new"
        draft.write_text("\n".join(lines) + "\n", "ascii")
        draft.replace(task_dir / "delivery")
    except OSError as error:  # a full disk; without the file the host takes it that work is left
        print(f">> how the hand-over went could not be noted: {error.strerror}", flush=True)
        return 75
    return 75 if delivery.left else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
