"""What tokens cost: a dated table by model prefix, with the user's own prices over it."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from terok_sandbox.vault.errors import VaultError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from terok_sandbox.vault.usage.counts import Usage

TABLE: Final = Path(__file__).with_name("prices.json")
MAX_FILE: Final = 1024 * 1024
NANO: Final = 1_000_000_000
_KINDS: Final = ("input", "output", "cache_read", "cache_write")


@dataclass(frozen=True, slots=True)
class Price:
    """USD per million tokens of each kind."""

    input: float
    output: float
    cache_read: float
    cache_write: float


@dataclass(frozen=True, slots=True)
class Prices:
    """Prices by model prefix; `date` is when the packaged table was made."""

    date: str
    models: Mapping[str, Price]

    def find(self, model: str) -> Price | None:
        """Return the price of the longest prefix of `model`, which may carry a vendor's name before a slash."""
        name = model.rpartition("/")[2]
        for length in range(len(name), 0, -1):
            if (price := self.models.get(name[:length])) is not None:
                return price
        return None

    def cost(self, usage: Usage) -> tuple[int, bool]:
        """Return billionths of a USD, and whether the model is known; one that is not costs as the dearest one does."""
        price = self.find(usage.model)
        known = price is not None
        if price is None:
            every = self.models.values()
            price = Price(*(max((getattr(one, kind) for one in every), default=0.0) for kind in _KINDS))
        # USD per million tokens are thousands of nano-USD per token.
        total = sum(getattr(usage, kind) * getattr(price, kind) for kind in _KINDS)
        return round(total * 1000), known


def load_prices(override: Path | None = None) -> Prices:
    """Return the packaged table with the entries of `override` (same form, if the file exists) in place of its own.

    Raises:
        VaultError: the file cannot be read, or an entry is no price.

    """
    document = json.loads(TABLE.read_bytes())
    models = _models(document, TABLE)
    if override is not None:
        try:
            with override.open("rb") as file:
                models |= _models(json.loads(file.read(MAX_FILE)), override)
        except FileNotFoundError:
            pass
        except (OSError, ValueError, RecursionError) as exc:
            raise VaultError(f"{override}: cannot be read as JSON: {exc}", hint=_HINT) from exc
    return Prices(document["date"], models)


def _models(document: Any, source: Path) -> dict[str, Price]:
    entries = document.get("models") if isinstance(document, dict) else None
    if not isinstance(entries, dict):
        raise VaultError(f"{source}: needs an object `models`", hint=_HINT)
    return {model: _price(model, entry, source) for model, entry in entries.items()}


def _price(model: str, entry: Any, source: Path) -> Price:
    if not isinstance(entry, dict) or not {"input", "output"} <= set(entry) <= set(_KINDS):
        raise VaultError(f"{source}: {model}: `input` and `output` are required, others are {_KINDS[2:]}", hint=_HINT)
    for value in entry.values():
        if type(value) not in (int, float) or not math.isfinite(value) or value < 0:
            raise VaultError(f"{source}: {model}: a price is a number from 0 on", hint=_HINT)
    base = float(entry["input"])
    return Price(base, float(entry["output"]), entry.get("cache_read", base), entry.get("cache_write", base))


_HINT = 'for instance {"models": {"my-model": {"input": 1.5, "output": 6}}}, in USD per million tokens'
