"""Checks of reviews as a run of SARIF: each is an invocation, and one that did not pass a result. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from terok.model.review import CheckRun

_LINES: Final = 20
_RULE: Final = {"id": "check", "shortDescription": {"text": "a command that was run on a reviewed commit"}}


def checks_as_run(runs: Iterable[CheckRun], *, version: str) -> dict[str, Any]:
    """Return the run of SARIF that tells of checks; `version` is this program's."""
    over = [run for run in runs if run.state != "running"]
    driver = {"name": "terok review", "version": version, "rules": [_RULE]}
    results = [_result(run) for run in over if run.state != "passed"]
    return {"tool": {"driver": driver}, "invocations": [_invocation(run) for run in over], "results": results}


def _invocation(run: CheckRun) -> dict[str, Any]:
    return {
        "commandLine": run.command,
        "executionSuccessful": run.state == "passed",
        "startTimeUtc": _time(run.started),
        **({"endTimeUtc": _time(run.ended)} if run.ended is not None else {}),
        **({"exitCode": run.exit_code} if run.exit_code is not None else {}),
        "properties": {"commit": run.tip},
    }


def _result(run: CheckRun) -> dict[str, Any]:
    said = "\n".join(run.output.splitlines()[-_LINES:])
    text = f"{run.command}: {run.state}" + (f"\n{said}" if said else "")
    return {"ruleId": "check", "level": "error", "message": {"text": text}, "properties": {"commit": run.tip}}


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
