"""The handler of `vault audit`."""

from __future__ import annotations

import json as jsonlib
import sys
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from terok_util import UsageError, safe_text

from terok_sandbox.audit_chain import select, verify
from terok_sandbox.config import SandboxConfig
from terok_sandbox.errors import AuditError

if TYPE_CHECKING:
    from pathlib import Path

AUDIT_NAME = "vault-audit.jsonl"
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def audit(
    *,
    container: str | None = None,
    check: bool = False,
    provider: str | None = None,
    since: str | None = None,
    tail: int | None = None,
    json: bool = False,
) -> int:
    """Show credential audit rows, or check their chain (exit code 1 when one is broken)."""
    logs = _logs(SandboxConfig.load(), container)
    if check:
        return _verify(logs, json=json)
    start = None if since is None else parse_since(since)
    rows = [row for path in logs.values() for row in select(path, provider=provider, since=start)]
    rows.sort(key=lambda row: str(row.get("time", "")))
    for row in rows if tail is None else rows[-tail:] if tail > 0 else []:
        _say(jsonlib.dumps(row) if json else _line(row))
    return 0


def parse_since(text: str) -> datetime:
    """Return the point in time that `2h`, `3d` ago or an RFC 3339 time names; UsageError for others."""
    try:
        if text[-1:] in _UNITS and text[:-1].isdigit():
            return datetime.now().astimezone() - timedelta(seconds=int(text[:-1]) * _UNITS[text[-1]])
        return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone()
    except (ValueError, OverflowError):
        raise UsageError(f"invalid time {text!r}", hint="such as 30m, 2h, 3d or 2026-01-31T12:00Z") from None


def _logs(cfg: SandboxConfig, container: str | None) -> dict[str, Path]:
    if container is not None:
        path = cfg.container_state_dir(container) / AUDIT_NAME
        if not path.exists():
            raise AuditError(f"there is no credential audit of {container}", hint="see `terok-sandbox list`")
        return {container: path}
    found = sorted((cfg.state_dir / "containers").glob(f"*/{AUDIT_NAME}"))
    return {path.parent.name: path for path in found}


def _verify(logs: dict[str, Path], *, json: bool) -> int:
    reports = {name: verify(path) for name, path in logs.items()}
    if json:
        _say(jsonlib.dumps({name: asdict(report) for name, report in reports.items()}, indent=2))
    else:
        for name, report in reports.items():
            notes = [f"{report.rows} rows", f"head {report.head[:16]}"]
            notes += [] if report.complete else ["older rows were rotated away"]
            notes += [f"{report.unchained} rows without a hash"] if report.unchained else []
            notes += [f"{report.torn} torn by a crash"] if report.torn else []
            _say(f"{name}: {'intact' if report.ok else 'BROKEN'} ({', '.join(notes)})")
            for problem in report.problems:
                _say(f"  {safe_text(problem)}")
    return 0 if all(report.ok for report in reports.values()) else 1


def _line(row: dict[str, Any]) -> str:
    shown = {"time", "container", "action", "prev", "hash"}
    rest = " ".join(f"{key}={value}" for key, value in row.items() if key not in shown)
    return safe_text(f"{row.get('time', '-')} {row.get('container', '-')} {row.get('action', '-')} {rest}".rstrip())


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
