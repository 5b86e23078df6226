"""Findings of an inspection, as text for an agent's push and for a person, and as SARIF for code review tools."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from terok_util.text import safe_text
from terok_util.values import lean_dataclass

from terok_sandbox.gate.inspect.policy import RULES, Finding, InspectionPolicy

MAX_FINDINGS: Final = 1000  # findings that are told of each treatment
_PER_RULE: Final = 5
_WIDTH: Final = 300
_SARIF_LEVEL: Final = {"refuse": "error", "flag": "warning"}


@lean_dataclass(frozen=True, slots=True)
class Report:
    """The findings of an inspection by their treatment; `commits` counts the inspected ones."""

    refused: tuple[Finding, ...] = ()
    flagged: tuple[Finding, ...] = ()
    commits: int = 0

    @property
    def accepted(self) -> bool:
        """Whether the policy refuses none of the findings."""
        return not self.refused


class Findings:
    """Collects findings, each once."""

    def __init__(self, policy: InspectionPolicy) -> None:
        self.policy = policy
        self.refused: list[Finding] = []
        self.flagged: list[Finding] = []
        self.seen: set[tuple[str, str, str]] = set()

    def add(self, found: Iterable[Finding], commit: str = "") -> bool:
        """Take findings, which are about `commit`; tell whether one of them is refused."""
        refused = False
        for finding in found:
            key = (finding.rule, finding.path, f"{finding.detail}{finding.line or ''}")
            treatment = self.policy.treatment_of(finding)
            refused = refused or treatment == "refuse"
            # Each treatment has room of its own: what is only shown must not crowd out what is refused.
            told = self.refused if treatment == "refuse" else self.flagged
            if treatment == "allow" or key in self.seen or len(told) >= MAX_FINDINGS:
                continue
            self.seen.add(key)
            told.append(Finding(finding.rule, finding.path, finding.detail, finding.line, commit or finding.commit))
        return refused

    def refuse(self, finding: Finding) -> None:
        """Refuse what was not inspected, whatever the policy says of findings."""
        self.refused.append(finding)

    def refuses(self, rule: str) -> bool:
        """Tell whether something that `rule` has found is refused."""
        return any(finding.rule == rule for finding in self.refused)

    def report(self, commits: int) -> Report:
        """Return all of it."""
        return Report(tuple(self.refused), tuple(self.flagged), commits)


def push_lines(report: Report) -> list[str]:
    """Return the lines for a push: what is refused and why, then what a person will look at."""
    lines = []
    if report.refused:
        lines.append("this push is refused; nothing of it was taken:")
        lines += _grouped(report.refused)
        lines.append("correct it in every commit that brings it (amend or rebase), and push again")
    if report.flagged:
        lines.append("a person will be asked to look at:")
        lines += _grouped(report.flagged)
    return lines


def describe(finding: Finding) -> str:
    """Return a finding on one line of safe text: where, and what in particular."""
    where = safe_text(finding.path, limit=_WIDTH)
    if finding.line is not None:
        where += f":{finding.line}"
    detail = safe_text(finding.detail, limit=_WIDTH)
    text = f"{where} ({detail})" if where and detail else where or detail
    return f"{text} in {finding.commit[:12]}" if finding.commit else text


def _grouped(findings: Iterable[Finding]) -> list[str]:
    by_rule: dict[str, list[Finding]] = {}
    for finding in findings:
        by_rule.setdefault(finding.rule, []).append(finding)
    lines = []
    for rule, found in by_rule.items():
        lines.append(f"  {rule}: {RULES[rule].title}")
        lines += [f"    {describe(finding)}" for finding in found[:_PER_RULE]]
        if len(found) > _PER_RULE:
            lines.append(f"    and {len(found) - _PER_RULE} more")
    return lines


def to_sarif(report: Report, *, version: str) -> dict[str, Any]:
    """Return the document for a report; `version` is this program's."""
    results = [_sarif_result(finding, "refuse") for finding in report.refused]
    results += [_sarif_result(finding, "flag") for finding in report.flagged]
    rules = [{"id": rule.name, "shortDescription": {"text": rule.title}} for rule in RULES.values()]
    driver = {"name": "terok-sandbox gate", "version": version, "rules": rules}
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": results}],
    }


def _sarif_result(finding: Finding, treatment: str) -> dict[str, Any]:
    from urllib.parse import quote  # a review that writes no SARIF starts sooner without

    detail = safe_text(finding.detail, limit=300)
    title = RULES[finding.rule].title if finding.rule in RULES else "a rule of another version"
    text = title + (f" ({detail})" if detail else "")
    result: dict[str, Any] = {"ruleId": finding.rule, "level": _SARIF_LEVEL[treatment], "message": {"text": text}}
    if finding.path:
        where = quote(finding.path.encode("utf-8", "surrogateescape"))
        location: dict[str, Any] = {"artifactLocation": {"uri": where}}
        if finding.line is not None:
            location["region"] = {"startLine": finding.line}
        result["locations"] = [{"physicalLocation": location}]
    if finding.commit:
        result["properties"] = {"commit": finding.commit}
    return result
