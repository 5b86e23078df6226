from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terok.cli import main
from terok.services import Tasks
from terok.services.usage import Sum, Used, parse_since, summarize, total
from terok_sandbox import SandboxConfig
from terok_util import UsageError

from .test_tasks import finished


def used(**fields: object) -> Used:
    plain = {"task": "web/a", "project": "web", "agent": "demo", "model": "m", "time": "2026-01-02T03:04:05.000Z"}
    counts = {"requests": 1, "input": 10, "output": 2, "cached": 3, "nano": 500_000_000}
    return Used(**{**plain, **counts, **fields})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("rows", "cost", "usd"),
    [
        ([used()], "$0.5000", 0.5),
        ([used(), used(priced=False)], "?", None),
        ([used(priced=False), used()], "?", None),
        ([used(plan=True)], "plan", 0.0),
        ([used(plan=True, priced=False)], "plan", 0.0),
        ([used(), used(plan=True)], "$0.5000 + plan", 0.5),
        ([used(plan=True), used(priced=False)], "? + plan", None),
    ],
)
def test_an_unknown_price_and_a_plan_are_no_dollars(rows: list[Used], cost: str, usd: float | None) -> None:
    (one,) = summarize(rows, "project")
    assert (one.cost, one.cost_usd) == (cost, usd)


@given(
    st.lists(
        st.builds(
            used,
            task=st.sampled_from("ab"),
            model=st.sampled_from("xy"),
            nano=st.integers(0, 10**12),
            priced=st.booleans(),
            plan=st.booleans(),
        )
    ),
    st.sampled_from(["task", "model", "day", "agent", "project"]),
)
def test_groups_add_up_to_the_whole(rows: list[Used], by: str) -> None:
    everything = total(summarize(rows, by))  # type: ignore[arg-type]
    metered = [row for row in rows if not row.plan]
    known = all(row.priced for row in metered)
    assert everything.requests == len(rows)
    assert everything.plan_requests == len(rows) - len(metered)
    if known:
        assert everything.cost_usd == pytest.approx(sum(row.nano for row in metered) / 1e9, abs=1e-5)
    else:
        assert everything.cost_usd is None


def test_days_stand_in_order_and_the_dearest_first_otherwise() -> None:
    rows = [used(time="2026-01-03T00:00:00Z", model="b"), used(nano=10**9, model="c"), used(model="a", priced=False)]
    assert [one.name for one in summarize(rows, "day")] == ["2026-01-02", "2026-01-03"]
    assert [one.name for one in summarize(rows, "model")] == ["a", "c", "b"], "what is not known may be the dearest"


def test_since() -> None:
    assert parse_since("24h", 90_000.0) == "1970-01-01T01:00:00.000Z"
    assert parse_since("2026-01-31T10:00:00+02:00", 0) == "2026-01-31T08:00:00.000Z"
    for wrong in ("yesterday", "7", "7y", ""):
        with pytest.raises(UsageError, match="not a time"):
            parse_since(wrong, 0)


def test_the_journals_are_read_by_name_of_task(tasks: Tasks, capsys: pytest.CaptureFixture[str]) -> None:
    task = finished(tasks)
    directory = SandboxConfig.load().usage_dir / "web"
    directory.mkdir(parents=True)
    row = {"task": "x", "time": "2026-01-02T03:04:05.000Z", "provider": "p", "input": 5, "cost_nano": 10**9}
    open_row = {**row, "run": "r", "id": 1, "pending_tokens": 7, "pending_nano": 2 * 10**9}
    (directory / f"{task.container}.jsonl").write_text(json.dumps(row) + "\ntorn\n" + json.dumps(open_row) + "\n")
    evil = {**row, "model": '=HYPERLINK("x")\x1b[2J'}
    (directory / "it-alone.jsonl").write_text(json.dumps(evil) + "\n")
    assert main(["usage", "--json"]) == 0
    rows = {one["name"]: one for one in json.loads(capsys.readouterr().out)["rows"]}
    mine = rows[f"web/{task.name}"]
    assert (mine["requests"], mine["cost_usd"], mine["estimated"]) == (2, 3.0, True), "the most it may have cost"
    assert rows["it-alone"]["requests"] == 1
    assert main(["usage", "--by", "model", "--csv"]) == 0
    output = capsys.readouterr().out
    assert "\x1b" not in output
    assert {line[0][:2] for line in csv.reader(io.StringIO(output))} == {"mo", "-", "'="}
    assert main(["usage", "--since", "1d"]) == 0
    assert capsys.readouterr().out == "nothing was used\n"


def test_nothing_is_made_by_looking(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["usage"]) == 0
    assert not (root / "state").exists()
    assert Sum("x").cost == "$0.0000"
