"""Questions to git about two commits of a gate: changed files, contents, older work carried over to a newer base."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from terok_util import lean_dataclass

from terok.integrations.sandbox import GateError, run_git
from terok.model.hunks import FileDiff, parse_diff

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST_PATCH: Final = 64 * 1024 * 1024
MOST_FILE: Final = 8 * 1024 * 1024
"""Bytes of a file in which comments have their places."""
_LISTED: Final = ("diff-tree", "-r", "--raw", "--no-abbrev", "--full-index", "--find-renames")
_QUOTED: Final = {"core.quotePath": "true", "diff.suppressBlankEmpty": "false"}
_SECONDS: Final = 120.0


@lean_dataclass(frozen=True, slots=True)
class Changes:
    """Files that differ between two commits; not `whole` without their lines, which would be too much."""

    files: tuple[FileDiff, ...]
    whole: bool = True

    def file(self, path: str) -> FileDiff | None:
        """Return the change of the file that is, or was, at this path."""
        named = next((file for file in self.files if file.path == path), None)
        return named or next((file for file in self.files if file.old_path == path), None)


def read_changes(
    mirror: Path, old: str, new: str, *, ignore_space: bool = False, context: int = 3, paths: Iterable[str] = ()
) -> Changes:
    """Return what changes from one commit or tree to another, of all files or those at `paths`.

    Raises GateError if git fails, and MalformedDiff.
    """
    options = [f"--unified={context}", *(["--ignore-all-space"] if ignore_space else [])]
    names = ["--end-of-options", old, new]
    named = [f":(top,literal){path}" for path in paths]
    words = [*_LISTED[1:], *options]
    limits = {"git_dir": mirror, "timeout": _SECONDS, "max_output": MOST_PATCH, "config": _QUOTED}
    try:
        done = run_git(_LISTED[0], *words, "--patch", *names, *named, **limits)  # type: ignore[arg-type]
    except GateError as error:
        if type(error.__cause__).__name__ != "OutputTooLarge":
            raise
        done = run_git(_LISTED[0], *words, *names, *named, **limits)  # type: ignore[arg-type]
        return Changes(parse_diff(done.stdout), whole=False)
    return Changes(parse_diff(done.stdout))


def file_lines(mirror: Path, commit: str, path: str) -> list[str] | None:
    """Return the lines of a file, without their ends; None without one, and for a binary or very large one."""
    try:
        done = run_git("cat-file", "blob", f"{commit}:{path}", git_dir=mirror, check=False, max_output=MOST_FILE)
    except GateError:
        return None
    if done.returncode or b"\0" in done.stdout[:8192]:
        return None
    lines = done.stdout.decode("utf-8", "backslashreplace").split("\n")
    return lines[:-1] if lines[-1] == "" else lines


def has_commit(mirror: Path, commit: str) -> bool:
    """Whether a mirror still has a commit."""
    return run_git("cat-file", "-e", f"{commit}^{{commit}}", git_dir=mirror, check=False).returncode == 0


@lean_dataclass(frozen=True, slots=True)
class Carried:
    """The tree that a branch makes on another base, and the files in which the two do not go together."""

    tree: str
    conflicts: tuple[str, ...]


def carry_over(mirror: Path, tip: str, base: str) -> Carried:
    """Merge a branch with another base, without a work tree; GateError if git cannot."""
    words = ("--write-tree", "-z", "--name-only", "--no-messages", base, tip)
    done = run_git("merge-tree", *words, git_dir=mirror, check=False, timeout=_SECONDS)
    tree, *names = done.stdout.decode("utf-8", "surrogateescape").split("\0")
    if done.returncode not in (0, 1) or len(tree) < 40:
        raise GateError(
            f"{tip[:12]} could not be carried over to {base[:12]}", hint="git 2.38 or newer is needed on this host"
        )
    return Carried(tree, tuple(dict.fromkeys(name for name in names if name)))
