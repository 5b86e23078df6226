"""What tokens cost: a table by model, each row with date and source, with the user's own prices over it."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from terok_util import read_file

from terok_sandbox.vault.errors import VaultError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from terok_sandbox.vault.usage.counts import Usage

TABLE: Final = Path(__file__).with_name("prices.json")
MAX_FILE: Final = 1024 * 1024
NANO: Final = 1_000_000_000
_KINDS: Final = ("input", "output", "cache_read", "cache_write")
_WORDS: Final = ("date", "source")
# A version of the same model: a date, `latest`, a vendor's build number. Anything else may be priced differently.
_VERSION: Final = re.compile(r"(?:[-@](?:\d{4}-\d{2}-\d{2}|\d{8}|\d{4}|\d{3}|latest|0))?")


@dataclass(frozen=True, slots=True)
class Price:
    """USD per million tokens of each kind; when and where the vendor said so."""

    input: float
    output: float
    cache_read: float
    cache_write: float
    date: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class Prices:
    """Prices by model."""

    models: Mapping[str, Price]

    def find(self, model: str) -> Price | None:
        """Return the price of a model, of which a version and a vendor's name before a slash may be given."""
        name = model.rpartition("/")[2]
        for spelled in dict.fromkeys((name, name.replace(".", "-"))):
            for length in range(len(spelled), 0, -1):
                price = self.models.get(spelled[:length])
                if price is not None and _VERSION.fullmatch(spelled, length):
                    return price
        return None

    def cost(self, usage: Usage) -> tuple[int, bool]:
        """Return billionths of a USD, and whether that is known: a budget takes an unknown model for the dearest."""
        price = self.find(usage.model)
        asked = [price] if price is not None else list(self.models.values())
        # USD per million tokens are thousands of nano-USD per token.
        total = sum(getattr(usage, kind) * max((getattr(one, kind) for one in asked), default=0.0) for kind in _KINDS)
        return round(total * 1000), price is not None


def load_prices(override: Path | None = None) -> Prices:
    """Return the packaged table with the entries of `override` (same form, if the file exists) in place of its own.

    Raises:
        VaultError: the file cannot be read, or an entry is no price.

    """
    document = json.loads(TABLE.read_bytes())
    models = _models(document, TABLE)
    if override is not None:
        try:
            models |= _models(json.loads(read_file(override, MAX_FILE)), override)
        except FileNotFoundError:
            pass
        except (OSError, ValueError, RecursionError) as exc:
            raise VaultError(f"{override}: cannot be read as JSON: {exc}", hint=_HINT) from exc
    return Prices(models)


def _models(document: Any, source: Path) -> dict[str, Price]:
    entries = document.get("models") if isinstance(document, dict) else None
    if not isinstance(entries, dict):
        raise VaultError(f"{source}: needs an object `models`", hint=_HINT)
    named = document.get("sources", {})
    if not isinstance(named, dict):
        raise VaultError(f"{source}: `sources` is an object of names and addresses", hint=_HINT)
    return {model: _price(model, entry, named, source) for model, entry in entries.items()}


def _price(model: str, entry: Any, named: Mapping[str, str], source: Path) -> Price:
    if not isinstance(entry, dict) or not {"input", "output"} <= set(entry) <= {*_KINDS, *_WORDS}:
        others = ", ".join(_KINDS[2:] + _WORDS)
        raise VaultError(f"{source}: {model}: `input` and `output` are required, others are {others}", hint=_HINT)
    said = [entry.pop(word, "") for word in _WORDS]
    if not all(isinstance(word, str) for word in said):
        raise VaultError(f"{source}: {model}: date and source are text", hint=_HINT)
    for value in entry.values():
        if type(value) not in (int, float) or not math.isfinite(value) or value < 0:
            raise VaultError(f"{source}: {model}: a price is a number from 0 on", hint=_HINT)
    base = float(entry["input"])
    return Price(
        base,
        float(entry["output"]),
        entry.get("cache_read", base),
        entry.get("cache_write", base),
        said[0],
        named.get(said[1], said[1]),
    )


_HINT = 'for instance {"models": {"my-model": {"input": 1.5, "output": 6}}}, in USD per million tokens'
