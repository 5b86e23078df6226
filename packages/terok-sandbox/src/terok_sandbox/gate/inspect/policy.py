"""The rules of an inspection, and the decisions of one project: refuse, flag or allow, exceptions by path, limits."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final, Literal

from terok_util import atomic_write
from terok_util.text import safe_text
from terok_util.values import lean_dataclass

from terok_sandbox.gate.errors import InspectionPolicyError
from terok_sandbox.gate.layout import POLICY_FILE, read_policy

Treatment = Literal["refuse", "flag", "allow"]

TREATMENTS: Final[tuple[Treatment, ...]] = ("refuse", "flag", "allow")


@lean_dataclass(frozen=True, slots=True)
class InspectionRule:
    """One rule: its name in policies and reports, what happens by default, and what it finds."""

    name: str
    default: Treatment
    title: str


@lean_dataclass(frozen=True, slots=True)
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
    InspectionRule("path-name", "refuse", "a name with control, invisible or undecodable characters"),
    InspectionRule("path-git", "refuse", "a name that some file systems take for .git"),
    InspectionRule("path-length", "refuse", "a path that is longer or deeper than file systems bear"),
    InspectionRule("case-collision", "refuse", "names that differ only in case or in Unicode form"),
    InspectionRule("symlink-escape", "refuse", "a symbolic link that leads out of the tree or into .git"),
    InspectionRule("submodule", "refuse", "a new submodule, or a change of .gitmodules"),
    InspectionRule("submodule-moved", "flag", "a submodule that points to another commit"),
    InspectionRule("attributes-filter", "flag", "attributes that name programs to run on files"),
    InspectionRule("workflow", "flag", "a file that a build service runs"),
    InspectionRule("git-hook", "flag", "a file that git hooks run"),
    InspectionRule("editor-task", "flag", "a file that an editor may run when the project is opened"),
    InspectionRule("shell-environment", "flag", "a file that a shell may load when the directory is entered"),
    InspectionRule("agent-settings", "flag", "settings that an agent on the reviewer's machine obeys"),
    InspectionRule("build-script", "flag", "a file that a usual build or test command runs"),
    InspectionRule("secret", "refuse", "text that has the form of a credential"),
    InspectionRule("file-size", "refuse", "a file above the project's limit"),
    InspectionRule("large-file", "flag", "a large file"),
    InspectionRule("push-size", "refuse", "more commits or changes than one push may bring"),
    InspectionRule("ref-target", "refuse", "a branch or tag that does not name a commit"),
    InspectionRule("not-shown", "flag", "content that a patch does not show"),
    InspectionRule("not-scanned", "flag", "content that was too much to be searched for secrets"),
)

ALWAYS_REFUSED: Final = frozenset({"push-size", "ref-target"})  # rules that find what is not inspected
RULES: Final[Mapping[str, InspectionRule]] = {rule.name: rule for rule in _ALL}

SCHEMA: Final = 1
_MIB: Final = 1024 * 1024
_RAISE: Final = "a push may be as large as its limits: 'gate policy SCOPE --limit NAME=NUMBER'"


@lean_dataclass(frozen=True, slots=True)
class InspectionLimits:
    """Sizes in bytes, and counts, of one push.

    `refs` is what agents may have in the mirror, `mirror_bytes` what it may take of the disk.
    """

    file_bytes: int = 1024 * _MIB
    large_file_bytes: int = 20 * _MIB
    commits: int = 50_000
    changes: int = 500_000
    scanned_bytes: int = 64 * _MIB
    scanned_file_bytes: int = 1 * _MIB
    refs: int = 10_000
    mirror_bytes: int = 20 * 1024 * _MIB


@lean_dataclass(frozen=True, slots=True)
class InspectionPolicy:
    """`treatments` replaces defaults by rule name; `exceptions` are `RULE:GLOB`, paths that a rule lets pass."""

    treatments: Mapping[str, Treatment] = field(default_factory=dict)
    exceptions: tuple[str, ...] = ()
    limits: InspectionLimits = field(default_factory=InspectionLimits)

    def treatment_of(self, finding: Finding) -> Treatment:
        """Return what is to be done about a finding."""
        for exception in self.exceptions:
            rule, _, glob = exception.partition(":")
            if rule == finding.rule and fnmatchcase(finding.path, glob):
                return "allow"
        return self.treatments.get(finding.rule, RULES[finding.rule].default)

    def changed(
        self,
        treatments: Mapping[str, str],
        exceptions: Iterable[str] = (),
        dropped: Iterable[str] = (),
        limits: Mapping[str, int] | None = None,
    ) -> InspectionPolicy:
        """Return this policy with decisions replaced; `InspectionPolicyError` for an unknown rule or value."""
        gone = set(dropped)
        kept = [entry for entry in self.exceptions if entry not in gone]
        kept += [entry for entry in exceptions if entry not in kept]
        return _checked({**self.treatments, **treatments}, kept, asdict(self.limits) | dict(limits or {}))


def load_policy(mirror: Path) -> InspectionPolicy:
    """Return the policy of a mirror, the default one if it has none; `InspectionPolicyError` if it cannot be read."""
    raw = read_policy(mirror)
    try:
        return InspectionPolicy() if raw is None else parse_policy(raw)
    except InspectionPolicyError as error:
        raise InspectionPolicyError(f"{mirror / POLICY_FILE}: {error.message}", hint=error.hint) from error


def save_policy(mirror: Path, policy: InspectionPolicy) -> None:
    """Write the policy of a mirror."""
    document = {"schema": SCHEMA, "verdicts": dict(policy.treatments), "exceptions": list(policy.exceptions)}
    document["limits"] = asdict(policy.limits)
    atomic_write(mirror / POLICY_FILE, json.dumps(document, indent=1, sort_keys=True) + "\n", mode=0o600)


def parse_policy(raw: bytes) -> InspectionPolicy:
    """Parse a policy document; `InspectionPolicyError` for anything that is not fully understood."""
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise InspectionPolicyError("the inspection policy is not JSON") from error
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise InspectionPolicyError("the inspection policy has another schema")
    if unknown := set(document) - {"schema", "verdicts", "exceptions", "limits"}:
        raise InspectionPolicyError(f"unknown key {safe_text(min(unknown))!r}")
    return _checked(document.get("verdicts", {}), document.get("exceptions", []), document.get("limits", {}))


def _checked(treatments: Any, exceptions: Any, limits: Any) -> InspectionPolicy:
    if not isinstance(treatments, dict) or not isinstance(exceptions, list) or not isinstance(limits, dict):
        raise InspectionPolicyError("verdicts and limits must be objects, exceptions a list")
    for rule, treatment in treatments.items():
        _known_rule(rule)
        if rule in ALWAYS_REFUSED and treatment != "refuse":
            raise InspectionPolicyError(
                f"{rule}: what it finds cannot be inspected, so it is always refused", hint=_RAISE
            )
        if treatment not in TREATMENTS:
            raise InspectionPolicyError(
                f"invalid treatment {safe_text(str(treatment))!r} of {rule}", hint="use refuse, flag or allow"
            )
    for entry in exceptions:
        if not isinstance(entry, str) or not entry.partition(":")[2]:
            raise InspectionPolicyError("invalid exception: write RULE:GLOB")
        _known_rule(entry.partition(":")[0])
    for name, value in limits.items():
        if name not in InspectionLimits.__slots__ or type(value) is not int or value < 0:
            known = ", ".join(InspectionLimits.__slots__)
            raise InspectionPolicyError(
                f"limits: {safe_text(str(name))!r} is unknown or not a whole number", hint=f"use one of {known}"
            )
    return InspectionPolicy(dict(treatments), tuple(exceptions), InspectionLimits(**limits))


def _known_rule(name: str) -> None:
    if name not in RULES:
        raise InspectionPolicyError(
            f"unknown inspection rule {safe_text(name)!r}", hint=f"use one of {', '.join(RULES)}"
        )
