"""The handler of `vault usage`."""

from __future__ import annotations

import json as jsonlib
import sys
from dataclasses import asdict
from typing import Any

from terok_util import safe_text

from terok_sandbox.config import SandboxConfig
from terok_sandbox.vault.usage.budget import Totals
from terok_sandbox.vault.usage.journal import TOKENS, read_usage, totals_of
from terok_sandbox.vault.usage.prices import NANO, load_prices


def usage(*, container: str | None = None, json: bool = False) -> int:
    """Show what containers used, by project, container, provider and model."""
    cfg = SandboxConfig.load()
    groups: dict[tuple[str, str, str, str], dict[str, Any]] = {}
    for path in sorted(cfg.usage_dir.glob("*/*.jsonl")):
        for row in read_usage(path):
            key = (path.parent.name, path.stem, str(row.get("provider", "")), str(row.get("model", "")))
            if container in (None, path.stem):
                _add(groups.setdefault(key, {"totals": Totals(), **dict.fromkeys(TOKENS, 0)}), row)
    names = ("project", "container", "provider", "model")
    rows = [dict(zip(names, key, strict=True)) | _shown(group) for key, group in sorted(groups.items())]
    prices = load_prices(cfg.prices_path)
    if json:
        for one in rows:
            price = prices.find(one["model"])
            one["price"] = None if price is None else {"date": price.date, "source": price.source}
        _say(jsonlib.dumps({"usage": rows}, indent=2))
        return 0
    _say("CONTAINER  PROVIDER  MODEL  REQUESTS  INPUT  OUTPUT  CACHED  BYTES  USD")
    for one in rows:
        cells = [one["container"], one["provider"], one["model"] or "-", one["requests"], one["input"], one["output"]]
        cells += [one["cache_read"] + one["cache_write"] + one["cache_write_1h"], one["bytes"], _cost(one)]
        _say("  ".join(safe_text(str(cell)) for cell in cells) + (" (estimated)" if one["estimated"] else ""))
    dates = sorted({price.date for one in rows if (price := prices.find(one["model"])) and price.date})
    _say(f"prices as of {dates[0] if dates else '-'}; your own in {cfg.prices_path}")
    return 0


def _cost(row: dict[str, Any]) -> str:
    return f"unknown (budget: {row['budget_usd']:.4f})" if row["cost_usd"] is None else f"{row['cost_usd']:.4f}"


def _add(group: dict[str, Any], row: dict[str, Any]) -> None:
    group["totals"] += totals_of(row)
    for key in TOKENS:
        group[key] += row.get(key, 0) if isinstance(row.get(key), int) else 0
    group["estimated"] = group.get("estimated", False) or bool(row.get("estimated"))
    group["unknown"] = group.get("unknown", False) or bool(row.get("price_assumed"))


def _shown(group: dict[str, Any]) -> dict[str, Any]:
    totals = asdict(group.pop("totals"))
    counted = round(totals.pop("cost") / NANO, 6)
    return {**group, **totals, "cost_usd": None if group.pop("unknown") else counted, "budget_usd": counted}


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
