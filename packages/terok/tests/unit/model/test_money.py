from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terok.model.bars import EIGHTHS, LONGEST, bar, fitting, percent
from terok.model.money import Sum, Used, summarize, total
from terok.model.span import hours_between, parse_time
from terok_util import UsageError


def used(name: str = "web/a", *, plan: bool = False, priced: bool = True, nano: int = 500_000_000, **more: int) -> Used:
    counts = {"requests": 1, "input": 10, "output": 2, "cache_read": 2, "cache_write": 1, **more}
    return Used(name, plan, priced, nano, **counts)


@pytest.mark.parametrize(
    ("rows", "cost", "usd"),
    [
        ([used()], "$0.5000", 0.5),
        ([used(), used(estimated=1)], "$1.0000 or so", 1.0),
        ([used(), used(priced=False)], "at least $0.5000", None),
        ([used(priced=False), used()], "at least $0.5000", None),
        ([used(priced=False)], "?", None),
        ([used(plan=True)], "plan", 0.0),
        ([used(plan=True, priced=False)], "plan", 0.0),
        ([used(), used(plan=True)], "$0.5000 + plan", 0.5),
        ([used(plan=True), used(priced=False)], "? + plan", None),
        ([used(), used(plan=True), used(priced=False)], "at least $0.5000 + plan", None),
    ],
)
def test_an_unknown_price_and_a_plan_are_no_dollars(rows: list[Used], cost: str, usd: float | None) -> None:
    (one,) = summarize(rows)
    assert (one.cost, one.cost_usd) == (cost, usd)
    everything = total(rows)
    assert (everything.cost, everything.cost_usd) == (cost, usd)


@given(
    st.lists(
        st.builds(
            used,
            st.sampled_from("ab"),
            nano=st.integers(0, 10**12),
            priced=st.booleans(),
            plan=st.booleans(),
            failed=st.integers(0, 3),
        )
    ),
    st.sampled_from(["task", "day"]),
)
def test_groups_add_up_to_the_whole(rows: list[Used], by: str) -> None:
    sums, everything = summarize(rows, by), total(rows)  # type: ignore[arg-type]
    for name in ("requests", "tokens", "failed", "plan_requests", "plan_tokens"):
        assert getattr(everything, name) == sum(getattr(one, name) for one in sums)
    metered = [row for row in rows if not row.plan]
    assert everything.plan_requests == len(rows) - len(metered)
    assert everything.at_least_usd == pytest.approx(sum(row.nano for row in metered if row.priced) / 1e9, abs=1e-5)
    assert (everything.cost_usd is None) == any(not row.priced for row in metered)


def test_days_stand_in_order_and_the_dearest_first_otherwise() -> None:
    rows = [used("b"), used("c", nano=10**9), used("a", priced=False)]
    assert [one.name for one in summarize(rows, "day")] == ["a", "b", "c"]
    assert [one.name for one in summarize(rows, "model")] == ["a", "c", "b"], "what is not known may be the dearest"


def test_times() -> None:
    assert parse_time("24h", 90_000.0) == "1970-01-01T01:00:00.000Z"
    assert parse_time("2026-01-31T10:00:00+02:00", 0) == "2026-01-31T08:00:00.000Z"
    for wrong in ("yesterday", "7", "7y", ""):
        with pytest.raises(UsageError, match="not a time"):
            parse_time(wrong, 0)
    assert hours_between(None, None, 0) == ("", "~")
    first, last = hours_between("2026-01-31T10:30+00:00", "2026-01-31T12:00+00:00", 0)
    assert first <= "2026-01-31T10" and "2026-01-31T11" < last <= "2026-01-31T12"
    assert hours_between(None, "2026-01-31T12:01+00:00", 0)[1] > "2026-01-31T12", "an hour that has begun counts"


@given(st.floats(-1, 2), st.integers(0, 40), st.booleans())
def test_a_bar_is_as_long_as_its_share(share: float, cells: int, plain: bool) -> None:
    drawn = bar(share, cells, plain=plain)
    exact = min(max(share, 0), 1) * cells
    assert abs(len(drawn) - exact) <= 1 and set(drawn) <= ({"#"} if plain else set(EIGHTHS))
    assert bool(drawn) or share <= 0 or cells == 0
    assert (percent(0.004), percent(0.0), percent(0.256)) == ("<1%", "0%", "26%")


@pytest.mark.parametrize("width", [None, 200, 40, 24, 5])
def test_a_table_fits_where_it_can(width: int | None) -> None:
    rows = [["a-rather-long-name/of-a-task", "1,000", "22,000", "$1.0000"], ["\x1b[2Jevil", "1", "2", "?"]]
    lines, left = fitting(("TASK", "REQUESTS", "INPUT", "COST"), rows, width, (2, 1))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    used = sum(widths) + 2 * (len(widths) - 1)
    assert "\x1b" not in str(lines) and lines[0][0] == "TASK" and lines[0][-1] == "COST", "name and cost stay"
    assert (used + left == width) if width not in (None, 5) else (left in (0, LONGEST))
    assert Sum("x").cost == "$0.0000"
