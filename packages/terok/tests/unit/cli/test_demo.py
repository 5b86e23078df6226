from __future__ import annotations

import json
from dataclasses import replace

import pytest
from terok.cli import main
from terok.demo.observed import DeliveredCommit, KeySearch, Observed, Refusal, SearchedPlace, UpstreamTraffic
from terok.demo.processes import Process
from terok.demo.run import DemoOptions, DemoRun

GOOD = Observed(
    agent="demo",
    exit_code=0,
    seconds=1.0,
    processes=(Process(7, 1001, 1000, 0, 0, b"a\0", b""),),
    key=KeySearch((SearchedPlace("file system", 2, 900, 0, 1),)),
    upstream=UpstreamTraffic(6, 6, 0),
    connection=Refusal("192.0.2.1:443", "not connected", "not connected", {"action": "blocked"}),
    name=Refusal("example.com", "not resolved", "not resolved", {"action": "refused"}),
    delivery=DeliveredCommit("b", "a" * 40, "Demo", "Correct the greeting", "+x"),
    source_before={"main": "b"},
    source_after={"main": "b"},
)


@pytest.fixture
def outcome(monkeypatch: pytest.MonkeyPatch) -> list[Observed]:
    observed = [GOOD]
    asked: list[DemoOptions] = []

    def run(options: DemoOptions, say: object) -> DemoRun:
        asked.append(options)
        return DemoRun(observed[0], "terok-demo-1", "/r", "/m")

    monkeypatch.setattr("terok.cli.demo.run_demo", run)
    return observed


def test_status_and_transcript_say_whether_all_held(
    outcome: list[Observed], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["demo", "--keep"]) == 0
    output = capsys.readouterr().out
    assert "9 of 9 checks held" in output
    assert "kept: container terok-demo-1" in output
    outcome[0] = replace(GOOD, exit_code=3)
    assert main(["demo"]) == 1
    assert "8 of 9 checks held" in capsys.readouterr().out


def test_json_is_all_of_standard_output(outcome: list[Observed], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["held"], len(facts["checks"])) == (True, 9)
