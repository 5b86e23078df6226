"""Handlers of `vault audit` and `vault usage`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from terok_util import UsageError
from terok_util.commands.output import show, show_row

from terok_sandbox.audit_chain import ChainReport, select, verify_audit
from terok_sandbox.config import SandboxConfig
from terok_sandbox.errors import AuditError
from terok_sandbox.sidecar import VAULT_AUDIT
from terok_sandbox.vault.usage.journal import read_usage
from terok_sandbox.vault.usage.prices import load_prices
from terok_sandbox.vault.usage.rows import NANO, TOKENS, Totals, billing_of, count, totals_of

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def audit(
    *,
    container: str | None = None,
    check: bool = False,
    provider: str | None = None,
    since: str | None = None,
    tail: int | None = None,
    as_json: bool = False,
) -> int:
    """Show credential audit rows, or check their chain (exit code 1 when one is broken)."""
    logs = _logs(SandboxConfig.load(), container)
    if check:
        return _verify(logs, as_json=as_json)
    start = None if since is None else parse_since(since)
    rows = [row for path in logs.values() for row in select(path, provider=provider, since=start)]
    rows.sort(key=lambda row: str(row.get("time", "")))
    for row in rows if tail is None else rows[-tail:] if tail else []:
        show_row(row, as_json, _line(row))
    return 0


def parse_since(text: str) -> datetime:
    """Return the point in time that `2h`, `3d` ago or an RFC 3339 time names; UsageError for others."""
    try:
        if text[-1:] in _UNITS and text[:-1].isdigit():
            return datetime.now().astimezone() - timedelta(seconds=int(text[:-1]) * _UNITS[text[-1]])
        return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone()
    except (ValueError, OverflowError):
        raise UsageError(f"invalid time {text!r}: use 30m, 2h, 3d or 2026-01-31T12:00Z") from None


def _logs(cfg: SandboxConfig, container: str | None) -> dict[str, Path]:
    if container is not None:
        path = cfg.container_state_dir(container) / VAULT_AUDIT
        if not path.exists():
            raise AuditError(f"there is no credential audit of {container}", hint="see `terok-sandbox list`")
        return {container: path}
    found = sorted((cfg.state_dir / "containers").glob(f"*/{VAULT_AUDIT}"))
    return {path.parent.name: path for path in found}


def _verify(logs: dict[str, Path], *, as_json: bool) -> int:
    reports = {name: verify_audit(path) for name, path in logs.items()}
    show(reports, as_json, (line for name, report in reports.items() for line in _verdict(name, report)))
    return 0 if all(report.ok for report in reports.values()) else 1


def _verdict(name: str, report: ChainReport) -> Iterator[str]:
    notes = [f"{report.rows} rows", f"head {report.head[:16]}"]
    notes += [] if report.complete else ["older rows were rotated away"]
    notes += [f"{report.unchained} rows without a hash"] if report.unchained else []
    notes += [f"{report.torn} torn by a crash"] if report.torn else []
    yield f"{name}: {'intact' if report.ok else 'BROKEN'} ({', '.join(notes)})"
    yield from (f"  {problem}" for problem in report.problems)


def _line(row: dict[str, Any]) -> str:
    shown = {"time", "container", "action", "prev", "hash"}
    rest = " ".join(f"{key}={value}" for key, value in row.items() if key not in shown)
    return f"{row.get('time', '-')} {row.get('container', '-')} {row.get('action', '-')} {rest}".rstrip()


def usage(*, container: str | None = None, as_json: bool = False) -> None:
    """Show what containers used, by project, container, provider and model."""
    cfg = SandboxConfig.load()
    groups: dict[tuple[str, str, str, str, str], dict[str, Any]] = {}
    for path in sorted(cfg.usage_dir.glob("*/*.jsonl")):
        for row in read_usage(path):
            key = (
                path.parent.name,
                path.stem,
                str(row.get("provider", "")),
                str(row.get("model", "")),
                billing_of(row),
            )
            if container in (None, path.stem):
                _add(groups.setdefault(key, {"totals": Totals(), **dict.fromkeys(TOKENS, 0)}), row)
    names = ("project", "container", "provider", "model", "billing")
    rows = [dict(zip(names, key, strict=True)) | _shown(group) for key, group in sorted(groups.items())]
    prices = load_prices(cfg.prices_path, required=cfg.own_prices is not None)
    for row in rows:
        price = prices.find(row["model"])
        row["price"] = None if price is None else {"date": price.date, "source": price.source}
    show({"usage": rows}, as_json, _usage_lines(rows, cfg.prices_path))


def _usage_lines(rows: list[dict[str, Any]], prices_path: Path) -> Iterator[str]:
    yield "CONTAINER  PROVIDER  MODEL  BILLING  REQUESTS  INPUT  OUTPUT  CACHED  BYTES  USD"
    for row in rows:
        cost = f"unknown (budget: {row['budget_usd']:.4f})" if row["cost_usd"] is None else f"{row['cost_usd']:.4f}"
        cells = [row["container"], row["provider"], row["model"] or "-", row["billing"], row["requests"]]
        cells += [row["input"], row["output"], row["cache_read"] + row["cache_write"] + row["cache_write_1h"]]
        cells += [row["bytes"], cost]
        yield "  ".join(map(str, cells)) + (" (estimated)" if row["estimated"] else "")
    dates = sorted({row["price"]["date"] for row in rows if row["price"] and row["price"]["date"]})
    yield f"prices as of {dates[0] if dates else '-'}; your own in {prices_path}"


def _add(group: dict[str, Any], row: dict[str, Any]) -> None:
    group["totals"] += totals_of(row)
    for key in TOKENS:
        group[key] += count(row, key)
    group["estimated"] = group.get("estimated", False) or bool(row.get("estimated"))
    group["unknown"] = group.get("unknown", False) or bool(row.get("price_assumed"))


def _shown(group: dict[str, Any]) -> dict[str, Any]:
    totals = asdict(group.pop("totals"))
    counted = round(totals.pop("cost") / NANO, 6)
    return {**group, **totals, "cost_usd": None if group.pop("unknown") else counted, "budget_usd": counted}
