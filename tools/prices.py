"""Write the vault's price table from an installed `genai-prices`, whose data is under the MIT license.

    python -m venv /tmp/prices && /tmp/prices/bin/pip install genai-prices && /tmp/prices/bin/python tools/prices.py

The wheel carries the table as data, so that the broker imports neither the package nor its dependencies. For every
model the table has the facts that a budget needs: USD per million tokens by kind, the price of long prompts,
the vendor's service tiers, a price announced for a later day, and the size of the context. Batches are cheaper and not
told apart. If a model has several kinds of output, all of it has the price of the dearest.
"""

from __future__ import annotations

import datetime as dt
import json
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

TABLE = Path(__file__).resolve().parent.parent / "packages/terok-sandbox/src/terok_sandbox/vault/usage/prices.json"
VENDORS = ("openai", "anthropic", "google", "mistral", "x-ai", "deepseek", "moonshotai", "zai", "minimax", "openrouter")
"""If several vendors have a model of the same name, the first vendor's price counts."""
KINDS = {
    "input_mtok": "input",
    "output_mtok": "output",
    "output_image_mtok": "output",
    "output_audio_mtok": "output",
    "output_video_mtok": "output",
    "cache_read_mtok": "cache_read",
    "cache_write_mtok": "cache_write",
    "cache_write_1h_mtok": "cache_write_1h",
}
TIER_KEYS = {"service_tier", "speed"}


def names(clause: Any) -> list[str]:
    """Return the names that a match clause spells out, ignoring its patterns."""
    if (parts := getattr(clause, "or_", None) or getattr(clause, "and_", None)) is not None:
        return [name for part in parts for name in names(part)]
    name = getattr(clause, "equals", None) or getattr(clause, "starts_with", None)
    return [name.rstrip("-@.")] if name else []


def flat(price: Any) -> dict[str, Any]:
    """Return a price by kind, with `above`: the higher prices of prompts with more tokens than a number."""
    entry: dict[str, Any] = {}
    above: dict[str, dict[str, float]] = {}
    for field, kind in KINDS.items():
        value = getattr(price, field, None)
        if value is None:
            continue
        entry[kind] = max(entry.get(kind, 0), float(getattr(value, "base", value)))
        for tier in getattr(value, "tiers", ()):
            step = above.setdefault(str(tier.start), {})
            step[kind] = max(step.get(kind, 0), float(tier.price))
    return {**entry, **({"above": above} if above else {})}


def dearest(prices: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the highest of several prices that hold at different times of the day."""
    return max(prices, key=lambda price: price.get("output", 0) + price.get("input", 0))


def by_date(prices: Any, today: dt.date) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Return today's price, and the announced prices by their first day."""
    if not isinstance(prices, list):
        return flat(prices), {}
    dated: dict[dt.date, list[dict[str, Any]]] = {}
    for variant in prices:
        start = getattr(variant.constraint, "start_date", None) or dt.date.min
        dated.setdefault(start, []).append(flat(variant.prices))
    current = max(day for day in dated if day <= today)
    later = {day.isoformat(): dearest(variants) for day, variants in sorted(dated.items()) if day > today}
    return dearest(dated[current]), later


def tiers(model: Any, today: dt.date) -> dict[str, dict[str, Any]]:
    """Return the prices of the service tiers that differ from the model's usual price."""
    found: dict[str, tuple[dt.date, dict[str, Any]]] = {}
    for variant in model.price_variants or ():
        start = getattr(variant.constraint, "start_date", None) or dt.date.min
        for key, name in variant.when.items():
            price = flat(variant.prices)
            if key in TIER_KEYS and price and start <= today and found.get(name, (start,))[0] <= start:
                found[name] = (start, price)
    return {name: price for name, (_, price) in sorted(found.items())}


def table(providers: list[Any], today: dt.date) -> dict[str, dict[str, Any]]:
    """Return the entries by model."""
    models: dict[str, dict[str, Any]] = {}
    by_id = {provider.id: provider for provider in providers}
    for vendor in VENDORS:
        known = set(models)
        for model in by_id[vendor].models:
            price, later = by_date(model.prices, today)
            if not {"input", "output"} <= set(price):
                if "input" not in price:
                    continue
                price["output"] = price.get("output", 0)
            extras = {"context": model.context_window, "later": later, "tiers": tiers(model, today), "source": vendor}
            entry = price | {key: value for key, value in extras.items() if value}
            spelled = [one.rpartition("/")[2] for one in (model.id, *names(model.match))]
            if vendor != "openrouter":
                spelled += [one.removesuffix("-latest") for one in spelled]
            for name in set(spelled) - known:
                models[name] = dearest([models.get(name, entry), entry])
    return dict(sorted(models.items()))


def highest(models: dict[str, dict[str, Any]], vendor: str) -> dict[str, Any]:
    """Return the highest price of each kind that any model of a vendor has, in any tier and for any prompt."""
    found: dict[str, float] = {}
    for entry in models.values():
        if vendor in ("", entry["source"]):
            prices = [entry, *entry.get("tiers", {}).values(), *entry.get("later", {}).values()]
            for price in [*prices, *(step for one in prices for step in one.get("above", {}).values())]:
                for kind in set(KINDS.values()) & set(price):
                    found[kind] = max(found.get(kind, 0), price[kind])
    return found


def main() -> None:
    """Write the table."""
    from genai_prices.data import providers

    package, today = distribution("genai-prices"), dt.datetime.now(dt.UTC).date()
    by_id = {provider.id: provider for provider in providers}
    models = table(providers, today)
    head = {
        "unit": "USD per million tokens",
        "note": f"taken from the package genai-prices {package.version} by tools/prices.py; license beside this file",
        "date": today.isoformat(),
        "sources": {name: by_id[name].pricing_urls[0] for name in VENDORS if by_id[name].pricing_urls},
        "dearest": {vendor: highest(models, vendor) for vendor in ("", *VENDORS)},
    }
    lines = [
        f"    {json.dumps(name)}: {json.dumps(entry, separators=(',', ':'))}".replace(".0,", ",").replace(".0}", "}")
        for name, entry in models.items()
    ]
    text = json.dumps(head, indent=2)[:-2] + ',\n  "models": {\n' + ",\n".join(lines) + "\n  }\n}\n"
    json.loads(text)
    TABLE.write_text(text)
    license_file = next(file for file in package.files or () if file.name == "LICENSE")
    TABLE.with_name("prices.LICENSE").write_text(license_file.read_text())


if __name__ == "__main__":
    main()
