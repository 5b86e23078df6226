"""The rules of the inspection, and what a project may decide about each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

Verdict = Literal["refuse", "flag", "allow"]

VERDICTS: Final[tuple[Verdict, ...]] = ("refuse", "flag", "allow")


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: its name in policies and reports, what happens by default, and what it finds."""

    name: str
    default: Verdict
    title: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a rule found.

    `path` is as git spells it (undecodable bytes as surrogates), empty when the finding is about the push as a
    whole; `line` counts from 1. `detail` never holds the found secret.
    """

    rule: str
    path: str = ""
    detail: str = ""
    line: int | None = None
    commit: str = ""


_ALL: Final = (
    Rule("path-name", "refuse", "a name with control, invisible or undecodable characters"),
    Rule("path-git", "refuse", "a name that some file systems take for .git"),
    Rule("path-length", "refuse", "a path that is longer or deeper than file systems bear"),
    Rule("case-collision", "refuse", "names that differ only in case or in Unicode form"),
    Rule("symlink-escape", "refuse", "a symbolic link that leads out of the tree or into .git"),
    Rule("submodule", "refuse", "a new submodule, or a change of .gitmodules"),
    Rule("submodule-moved", "flag", "a submodule that points to another commit"),
    Rule("attributes-filter", "flag", "attributes that name programs to run on files"),
    Rule("workflow", "flag", "a file that a build service runs"),
    Rule("git-hook", "flag", "a file that git hooks run"),
    Rule("editor-task", "flag", "a file that an editor may run when the project is opened"),
    Rule("shell-environment", "flag", "a file that a shell may load when the directory is entered"),
    Rule("agent-settings", "flag", "settings that an agent on the reviewer's machine obeys"),
    Rule("build-script", "flag", "a file that a usual build or test command runs"),
    Rule("secret", "refuse", "text that has the form of a credential"),
    Rule("file-size", "refuse", "a file above the project's limit"),
    Rule("large-file", "flag", "a large file"),
    Rule("push-size", "refuse", "more commits or changes than one push may bring"),
    Rule("ref-target", "refuse", "a branch or tag that does not name a commit"),
    Rule("not-shown", "flag", "content that a patch does not show"),
    Rule("not-scanned", "flag", "content that was too much to be searched for secrets"),
)

ALWAYS_REFUSED: Final = frozenset({"push-size", "ref-target"})
"""Rules that find what is not inspected."""

RULES: Final[Mapping[str, Rule]] = {rule.name: rule for rule in _ALL}
"""All rules by name."""
