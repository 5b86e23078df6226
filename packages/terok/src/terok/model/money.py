"""Use and cost added up: what a plan pays for has no price, and a price that is not known is never zero. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from terok_util import LeanTuple, lean_dataclass

from terok.model.bars import percent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

By = Literal["task", "project", "day", "model", "agent", "credential"]
NEARLY: Final = "budget_near"
"""The kind of event that says that four fifths of a limit are used."""
NANO: Final = 1_000_000_000
COUNTS: Final = (
    *("requests", "input", "output", "cache_read", "cache_write", "reasoning"),
    *("retries", "aborted", "failed", "estimated"),
)
"""Numbers of which a sum has the sum."""


class Used(LeanTuple):
    """Use of one group that is paid for in one way: `nano` billionths of a dollar, if it is `priced` and no `plan`.

    `estimated` counts the requests of which something had to be assumed.
    """

    name: str
    plan: bool
    priced: bool
    nano: int
    requests: int = 0
    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0
    reasoning: int = 0
    retries: int = 0
    aborted: int = 0
    failed: int = 0
    estimated: int = 0

    @property
    def tokens(self) -> int:
        """All tokens together."""
        return self.input + self.output + self.cache_read + self.cache_write


@lean_dataclass(frozen=True, slots=True)
class Sum:
    """The use of one group.

    `cost_usd` is None if a price is not known, and then it is `at_least_usd`; what a plan pays for is in neither, but
    in `plan_requests` and `plan_tokens`. `output` includes `reasoning`, as far as a provider tells it.
    """

    name: str
    requests: int = 0
    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0
    reasoning: int = 0
    retries: int = 0
    aborted: int = 0
    failed: int = 0
    estimated: int = 0
    tokens: int = 0
    cost_usd: float | None = 0.0
    at_least_usd: float = 0.0
    plan_requests: int = 0
    plan_tokens: int = 0

    @property
    def cached(self) -> int:
        """Tokens that a cache has to do with."""
        return self.cache_read + self.cache_write

    @property
    def cost(self) -> str:
        """The cost for a person: `?` where a price is not known, `plan` where a plan pays."""
        if self.cost_usd is None:
            metered = f"at least ${self.at_least_usd:.4f}" if self.at_least_usd else "?"
        else:
            metered = f"${self.cost_usd:.4f}" + (" or so" if self.estimated and self.cost_usd else "")
        if not self.plan_requests:
            return metered
        return "plan" if self.cost_usd == 0 else f"{metered} + plan"


def summarize(rows: Iterable[Used], by: By = "task") -> list[Sum]:
    """Return a sum for each name, the dearest first, days in their order."""
    groups: dict[str, list[Used]] = {}
    for row in rows:
        groups.setdefault(row.name, []).append(row)
    order: Callable[[Sum], Any] = (lambda one: one.name) if by == "day" else _dearest
    return sorted((_sum(name, group) for name, group in groups.items()), key=order)


def _sum(name: str, rows: list[Used]) -> Sum:
    plan, metered = [row for row in rows if row.plan], [row for row in rows if not row.plan]
    known = round(sum(row.nano for row in metered if row.priced) / NANO, 6)
    return Sum(
        name=name,
        **{kind: sum(getattr(row, kind) for row in rows) for kind in COUNTS},
        tokens=sum(row.tokens for row in rows),
        cost_usd=known if all(row.priced for row in metered) else None,
        at_least_usd=known,
        plan_requests=sum(row.requests for row in plan),
        plan_tokens=sum(row.tokens for row in plan),
    )


def total(rows: Iterable[Used]) -> Sum:
    """Return all together; a price that is not known makes the whole unknown."""
    found = summarize(row._replace(name="total") for row in rows)
    return found[0] if found else Sum("total")


def share_of(one: Sum, everything: Sum) -> float | str:
    """Return the part of the known cost, or of the tokens where no cost is known at all, or what a plan pays for."""
    if one.plan_requests and not one.at_least_usd:
        return f"{percent(one.plan_tokens / max(1, everything.tokens))} of tokens"
    if everything.at_least_usd:
        return one.at_least_usd / everything.at_least_usd if one.at_least_usd or one.cost_usd is not None else ""
    return one.tokens / everything.tokens if everything.tokens else ""


def amount(limit: str, used: float, most: float) -> str:
    """Return how much of a limit is used, in the words of a person."""
    if limit == "cost_usd":
        return f"${used:.2f} of ${most:.2f}"
    return f"{used:,.0f} of {most:,.0f} {'seconds' if limit == 'wall_seconds' else limit}"


def _dearest(one: Sum) -> tuple[bool, float, int, str]:
    """Order sums: what is not known may be the dearest."""
    return one.cost_usd is not None, -one.at_least_usd, -one.tokens, one.name
