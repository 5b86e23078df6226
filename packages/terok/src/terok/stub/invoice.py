"""The stub's own invoice: what it has answered, by model and kind of token, kept apart from whoever meters it."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

from terok.stub.script import Charge, Conversation, Reply, output_size, usage_tokens

KINDS = tuple(field.name for field in fields(Charge))


@dataclass(frozen=True, slots=True)
class Line:
    """The bill of one model: answers, and tokens by kind."""

    answers: int
    charge: Charge


class Invoice:
    """Every answer that was begun is billed in full, whether or not anybody stays to hear it. Several threads may ask.

    A beginning of a prompt that a client marks, or repeats under a name, is written to a cache when it is new and read
    from there afterwards, as with the real providers.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cached: set[str] = set()
        self._sums: dict[str, Counter[str]] = {}

    def bill(self, conversation: Conversation, reply: Reply) -> Charge:
        """Write an answer down and return what it is billed for."""
        charge = charge_for(conversation, reply)
        with self._lock:
            prefix = conversation.prefix
            if prefix is not None:
                charge = _cached(charge, conversation, known=prefix.key in self._cached)
                self._cached.add(prefix.key)
            sums = self._sums.setdefault(conversation.model, Counter())
            sums["answers"] += 1
            for kind in KINDS:
                sums[kind] += getattr(charge, kind)
        return charge

    def lines(self) -> Mapping[str, Line]:
        """Return the invoice so far, by model."""
        with self._lock:
            return {
                model: Line(sums["answers"], Charge(**{kind: sums[kind] for kind in KINDS}))
                for model, sums in self._sums.items()
            }


def charge_for(conversation: Conversation, reply: Reply) -> Charge:
    """Return what an answer is billed for as long as nothing of its prompt is cached."""
    said = usage_tokens(output_size(reply))
    return Charge(usage_tokens(conversation.size), said + conversation.thinking, reasoning=conversation.thinking)


def _cached(charge: Charge, conversation: Conversation, *, known: bool) -> Charge:
    prefix = conversation.prefix
    assert prefix is not None
    size = min(usage_tokens(prefix.size), charge.input)
    left = replace(charge, input=charge.input - size)
    if known:
        return replace(left, cache_read=size)
    if not prefix.written:
        return charge
    return replace(left, cache_write_1h=size) if prefix.hour else replace(left, cache_write=size)
