"""Prices of tokens: a table by model taken from a package (tools/prices.py), overridden by the user's own prices."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from terok_util import read_file

from terok_sandbox.vault.errors import VaultError
from terok_sandbox.vault.usage.answers import Usage
from terok_sandbox.vault.usage.rows import NANO

TABLE: Final = Path(__file__).with_name("prices.json")
_PACKAGED: Final = TABLE.read_bytes()  # with the module, so that all brokers share the fork server's
MAX_FILE: Final = 1024 * 1024
LARGEST_CONTEXT: Final = 1_050_000
"""Tokens that a model of which nothing is known may be given."""
SEARCH_NANO: Final = NANO // 100
"""Price of one web search."""
DEAR_TIERS: Final = frozenset({"priority", "fast"})
DEAR_FACTOR: Final = 6
"""Multiple of the usual price for these tiers if the table does not say it: the highest that a vendor has charged."""
_KINDS: Final = ("input", "output", "cache_read", "cache_write", "cache_write_1h")
_OWN: Final = {*_KINDS, "date", "source"}
# A version of the same model: a date, `latest`, a vendor's build number. Anything else may be priced differently.
_VERSION: Final = re.compile(r"(?:[-@](?:\d{4}-\d{2}-\d{2}|\d{8}|\d{4}|\d{3}|latest|0))?")


@dataclass(frozen=True, slots=True)
class Price:
    """USD per million tokens of each kind; when and where the vendor said so.

    `above` are the prices, as far as they differ, for prompts of more tokens than a number; the longest first.
    """

    kinds: Mapping[str, float]
    above: tuple[tuple[int, Mapping[str, float]], ...] = ()
    tiers: Mapping[str, Price] = field(default_factory=dict)
    context: int = LARGEST_CONTEXT
    date: str = ""
    source: str = ""
    own: bool = False

    def nano(self, usage: Usage) -> int:
        """Return billionths of a USD."""
        price, factor = self.tiers.get(usage.tier), 1
        if price is None:
            price, factor = self, DEAR_FACTOR if usage.tier in DEAR_TIERS else 1
        prompt = usage.tokens - usage.output
        step: Mapping[str, float] = next((dearer for start, dearer in price.above if prompt > start), {})
        # USD per million tokens are thousands of nano-USD per token.
        total: float = sum(getattr(usage, kind) * _kind({**price.kinds, **step}, kind) for kind in _KINDS)
        return round(total * 1000) * factor + usage.searches * SEARCH_NANO


def _kind(kinds: Mapping[str, float], kind: str) -> float:
    """Return the price of a kind; what a cache does costs as much as input where nothing else is said."""
    found = kinds.get(kind)
    if found is None:
        found = kinds["input"] * (2 if kind == "cache_write_1h" else 1)
    return found


class Prices:
    """Prices by model. The packaged table stays text, one line per model: of its many entries few are ever read."""

    def __init__(self, text: bytes, own: Mapping[str, Price]) -> None:
        self._text, self._own = text, own
        self._start = text.index(b'"models"')
        head = json.loads(text[: self._start].rstrip().rstrip(b",") + b"}")
        self._date, self._sources = head["date"], head["sources"]
        self._dearest = {vendor: Price(kinds) for vendor, kinds in head["dearest"].items()}
        self._found: dict[str, Price | None] = {}

    def find(self, model: str) -> Price | None:
        """Return the price of a model, of which a version and a vendor's name before a slash may be given."""
        if model not in self._found:
            if len(self._found) > 1000:  # names come from outside
                self._found.clear()
            self._found[model] = self._search(model)
        return self._found[model]

    def cost(self, usage: Usage, vendor: str = "") -> tuple[int, bool]:
        """Return billionths of a USD, and whether that is known: else they are the dearest of the vendor, or of all."""
        price = self.find(usage.model)
        if price is not None:
            return price.nano(usage), True
        return self._dearest.get(vendor, self._dearest[""]).nano(usage), False

    def version(self, model: str) -> str:
        """Return which prices a model's is of: the date of the packaged table, `own`, or "" without one."""
        price = self.find(model)
        return "" if price is None else "own" if price.own else price.date

    def _search(self, model: str) -> Price | None:
        name = model.rpartition("/")[2]
        for spelled in dict.fromkeys((name, name.replace(".", "-"))):
            for length in range(len(spelled), 0, -1):
                if _VERSION.fullmatch(spelled, length) and (price := self._entry(spelled[:length])) is not None:
                    return price
        return None

    def _entry(self, name: str) -> Price | None:
        if (own := self._own.get(name)) is not None:
            return own
        key = b"\n    %b: " % json.dumps(name).encode()
        at = self._text.find(key, self._start)
        if at < 0:
            return None
        line = self._text[at + len(key) : self._text.index(b"\n", at + 1)]
        entry = json.loads(line.rstrip(b","))
        today = datetime.now(UTC).date().isoformat()
        for day, later in entry.get("later", {}).items():
            if day <= today:
                entry |= later
        return _packaged(entry, self._date, self._sources.get(entry["source"], entry["source"]))


def _packaged(entry: Mapping[str, Any], date: str, source: str) -> Price:
    steps = sorted(((int(start), kinds) for start, kinds in entry.get("above", {}).items()), reverse=True)
    return Price(
        {kind: entry[kind] for kind in _KINDS if kind in entry},
        tuple(steps),
        {name: _packaged({"input": entry["input"], **tier}, date, source)
         for name, tier in entry.get("tiers", {}).items()},
        entry.get("context", LARGEST_CONTEXT),
        date,
        source,
    )  # fmt: skip


def load_prices(override: Path | None = None, *, required: bool = False) -> Prices:
    """Return the packaged table with the entries of the file `override`; raises VaultError.

    Unless it is `required`, the file need not exist.
    """
    own: dict[str, Price] = {}
    if override is not None:
        try:
            own = _models(json.loads(read_file(override, MAX_FILE)), override)
        except FileNotFoundError as error:
            if required:
                hint = "make it, or take `vault.prices` out of the configuration"
                raise VaultError(f"{override}: there is no such file of prices", hint=hint) from error
        except (OSError, ValueError, RecursionError) as error:
            raise VaultError(f"{override}: cannot be read as JSON: {error}", hint=_HINT) from error
    return Prices(_PACKAGED, own)


def _models(document: Any, source: Path) -> dict[str, Price]:
    entries = document.get("models") if isinstance(document, dict) else None
    if not isinstance(entries, dict):
        raise VaultError(f"{source}: needs an object `models`", hint=_HINT)
    return {model: _price(model, entry, source) for model, entry in entries.items()}


def _price(model: str, entry: Any, source: Path) -> Price:
    if not isinstance(entry, dict) or not {"input", "output"} <= set(entry) <= _OWN:
        others = ", ".join(sorted(_OWN - {"input", "output"}))
        raise VaultError(f"{source}: {model}: `input` and `output` are required, others are {others}", hint=_HINT)
    said = [entry.pop(word, "") for word in ("date", "source")]
    if not all(isinstance(word, str) for word in said):
        raise VaultError(f"{source}: {model}: date and source are text", hint=_HINT)
    for value in entry.values():
        if type(value) not in (int, float) or not math.isfinite(value) or value < 0:
            raise VaultError(f"{source}: {model}: a price is a number from 0 on", hint=_HINT)
    return Price(entry, date=said[0], source=said[1], own=True)


_HINT = 'for instance {"models": {"my-model": {"input": 1.5, "output": 6}}}, in USD per million tokens'
