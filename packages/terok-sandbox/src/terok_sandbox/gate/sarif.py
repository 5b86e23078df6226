"""Findings as SARIF 2.1.0, which code review tools read."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote

from terok_util.text import safe_text

from terok_sandbox.gate.inspect.inspection import Report
from terok_sandbox.gate.inspect.rules import RULES, Finding

_LEVEL: Final = {"refuse": "error", "flag": "warning"}


def to_sarif(report: Report, *, version: str) -> dict[str, Any]:
    """Return the document for a report; `version` is this program's."""
    results = [_result(finding, "refuse") for finding in report.refused]
    results += [_result(finding, "flag") for finding in report.flagged]
    rules = [{"id": rule.name, "shortDescription": {"text": rule.title}} for rule in RULES.values()]
    driver = {"name": "terok-sandbox gate", "version": version, "rules": rules}
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": results}],
    }


def _result(finding: Finding, verdict: str) -> dict[str, Any]:
    detail = safe_text(finding.detail, limit=300)
    text = RULES[finding.rule].title + (f" ({detail})" if detail else "")
    result: dict[str, Any] = {"ruleId": finding.rule, "level": _LEVEL[verdict], "message": {"text": text}}
    if finding.path:
        where = quote(finding.path.encode("utf-8", "surrogateescape"))
        location: dict[str, Any] = {"artifactLocation": {"uri": where}}
        if finding.line is not None:
            location["region"] = {"startLine": finding.line}
        result["locations"] = [{"physicalLocation": location}]
    if finding.commit:
        result["properties"] = {"commit": finding.commit}
    return result
