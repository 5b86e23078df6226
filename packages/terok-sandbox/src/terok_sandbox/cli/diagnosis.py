"""The verb doctor: all checks, and the safe repairs."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator

from terok_util import TerokError, show
from terok_util.process import run
from terok_util.text import safe_text

from terok_sandbox.doctor.check import CheckVerdict, Finding, direct_check, doctor_exit_code, examine
from terok_sandbox.doctor.containers import container_checks
from terok_sandbox.doctor.host import host_checks
from terok_sandbox.doctor.state import state_checks

_WORDS = {"ok": "ok", "warn": "note", "error": "FAILED"}
FIX_TIMEOUT = 120.0


def doctor(*, as_json: bool, fix: bool) -> int:
    """Print every check; the exit code is 0, 1 (something to note) or 2 (something does not work)."""
    findings = diagnose()
    if fix and (wanted := [finding for finding in findings if finding.verdict.fixable]):
        for finding in wanted:
            _fix(finding)
        findings = diagnose()
    show({"checks": [finding.as_dict() for finding in findings]}, as_json, _lines(findings))
    return doctor_exit_code(findings)


def _lines(findings: Iterable[Finding]) -> Iterator[str]:
    for finding in findings:
        where = f"{finding.container}: " if finding.container else ""
        yield f"{_WORDS[finding.verdict.severity]:8}{where}{finding.check.label}: {finding.verdict.detail}"
        if finding.verdict.severity != "ok" and finding.verdict.hint:
            yield f"{'':8}hint: {finding.verdict.hint}"


def diagnose() -> list[Finding]:
    """Return the findings of all checks; a question that cannot be answered is a finding too."""
    from terok_sandbox.config import SandboxConfig
    from terok_sandbox.runtime.podman import PodmanRuntime
    from terok_sandbox.sandbox.listing import list_sandboxes

    try:
        config = SandboxConfig.load()
    except TerokError as error:
        return [*examine(host_checks(None, None)), _failed("setup", "configuration", error)]
    runtime = PodmanRuntime(config)
    facts = rows = refusal = None
    try:
        rows = list_sandboxes(config, runtime)
        facts = runtime.host_facts()
    except TerokError as error:
        refusal = error
    findings = examine(host_checks(facts, refusal))
    findings += examine(state_checks(config, rows))
    for row in rows or ():
        if row.state == "running":
            findings += examine(container_checks(config, row), runtime=runtime, container=row.name)
    return findings


def _failed(category: str, label: str, error: TerokError) -> Finding:
    verdict = CheckVerdict("error", error.message, error.hint or "")
    return Finding(direct_check(category, label, verdict), verdict)


def _fix(finding: Finding) -> None:
    """Run the repair and report on standard error, so that `--json` stays JSON."""
    command = finding.check.fix_cmd
    print(f"fix: {' '.join(command)} ({finding.check.fix_description})", file=sys.stderr)
    program = [sys.executable, "-P", "-m", "terok_sandbox"] if command[0] == "terok-sandbox" else [command[0]]
    done = run([*program, *command[1:]], timeout=FIX_TIMEOUT, check=False)
    if done.returncode:
        print(f"fix: ended with {done.returncode}: {safe_text(done.err_text, limit=500)}", file=sys.stderr)
