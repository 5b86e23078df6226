"""Tell an agent, in the output of its push, what was found."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from terok_util.text import safe_text

from terok_sandbox.gate.inspect.inspection import Report
from terok_sandbox.gate.inspect.rules import RULES, Finding

_PER_RULE: Final = 5
_WIDTH: Final = 300


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
