"""The timeline of a task from the files that walls, broker and Podman's monitor write."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from outputs import document
from shapes import problem
from terok.cli import main
from terok.model.task import Task
from terok.services import Tasks
from terok_sandbox import AuditLog, SandboxConfig, audit_logs

from .test_tasks import run

FOUND = {"rule": "secret", "path": "a.py", "line": 3, "detail": "a key", "commit": "1" * 40}
CALL = {"type": "assistant", "message": {"content": [{"type": "tool_use", "id": "t", "name": "Bash", "input": {}}]}}


@pytest.fixture
def timeline(capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Type `task timeline … --json` and return the document, which its published schema describes."""

    def typed(*words: str) -> Any:
        capsys.readouterr()
        assert main(["task", "timeline", *words]) == 0
        read = json.loads(capsys.readouterr().out)
        assert problem(read, document("task timeline")) is None
        return read

    return typed


@pytest.fixture
def task(tasks: Tasks) -> Task:
    """Give a task that has met every wall."""
    task = run(tasks, "Fix it")
    with tasks.store.write() as writer:
        writer.change(task.id, "agent", agent="claude")
    config = SandboxConfig.load()
    logs = audit_logs(config, task.container)
    for place in logs.values():
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    vault = AuditLog(logs["vault"], container=task.container)
    vault.append("request", request="r-1", provider="demo", method="POST", path="/v1", verdict="released")
    vault.append("response", request="r-1", status=200, duration_ms=3.5)
    shield = AuditLog(logs["shield"], container=task.container)
    for number in range(4):
        shield.append("refused", name=f"no{number}.example\x1b[2J", port=443, reason="by default")
    AuditLog(logs["gate"]).append("push", ref="refs/heads/x", verdict="refused", commit="", findings=1, found=[FOUND])
    journal = config.usage_dir / "web" / f"{task.container}.jsonl"
    journal.parent.mkdir(parents=True)
    row = {"time": "2026-01-31T12:00:00Z", "task": "", "provider": "demo", "model": "m", "input": 4, "cost_nano": 10**6}
    journal.write_text(json.dumps(row) + "\n")
    said = f"2026-01-31T12:00:01.123456789+00:00 stdout F {json.dumps(CALL)}\n"
    (config.container_state_dir(task.container) / "output.log").write_text(said)
    return task


def test_a_timeline_has_every_source(task: Task, timeline: Callable[..., Any]) -> None:
    read = timeline(task.id, "--json")
    kinds = {one["kind"] for one in read["entries"]}
    assert kinds >= {"task", "run", "credential", "name", "push", "model", "tool"} and not read["left_out"]
    assert [(chain["log"], chain["ok"], chain["whole"]) for chain in read["chains"]] == [
        ("shield", True, True),
        ("vault", True, True),
        ("gate", True, True),
    ]
    assert [one["text"] for one in timeline(task.id, "--kind", "tool,model", "--json")["entries"]] == [
        "demo m: 4 tokens in, 0 out, $0.0010",
        "Bash:",
    ]
    last = timeline(task.id, "--tail", "2", "--json")
    assert last["left_out"] and last["entries"] == read["entries"][-2:]
    assert timeline(task.id, "--since", "1h", "--kind", "model", "--json")["entries"] == []
    assert "\x1b" not in json.dumps(read, ensure_ascii=False)


def test_a_broken_chain_is_said_and_not_hidden(
    task: Task, timeline: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    place = audit_logs(SandboxConfig.load(), task.container)["shield"]
    place.write_bytes(place.read_bytes().replace(b"no2.example", b"ok2.example"))
    read = timeline(task.id, "--json")
    (broken,) = [chain for chain in read["chains"] if not chain["ok"]]
    assert broken["log"] == "shield" and "was changed" in broken["problems"][0]
    assert "ok2.example" in json.dumps(read), "what is there is shown"
    assert [one["kind"] for one in timeline(task.id, "--kind", "model", "--kind", "name", "--json")["entries"]].count(
        "record"
    ) == 1
    assert main(["task", "timeline", task.id]) == 0
    printed = capsys.readouterr()
    assert "the shield audit log is broken" in printed.err and "was changed after" in printed.out


def test_exports(task: Task, timeline: Callable[..., Any], capsys: pytest.CaptureFixture[str]) -> None:
    spans = timeline(task.id, "--export", "otlp")["resourceSpans"][0]["scopeSpans"][0]["spans"]
    assert [one["name"] for one in spans[:2]] == [f"task web/{task.name}", "invoke_agent claude"]
    assert {"chat m", "execute_tool Bash"} <= {one["name"] for one in spans}
    (log,) = timeline(task.id, "--export", "sarif")["runs"]
    (result,) = log["results"]
    assert (result["ruleId"], result["level"], result["properties"]) == ("secret", "error", {"commit": "1" * 40})
    place = result["locations"][0]["physicalLocation"]
    assert place == {"artifactLocation": {"uri": "a.py"}, "region": {"startLine": 3}}
    assert log["tool"]["driver"]["rules"][0].keys() == {"id", "shortDescription"}
    assert main(["task", "timeline", task.id, "--export", "otlp", "--tail", "3"]) == 2
    assert main(["task", "timeline", task.id, "--kind", "nmae"]) == 2
    assert "there is no kind 'nmae'" in capsys.readouterr().err


def test_what_was_kept_of_a_removed_container_has_no_times(
    root: Path, tasks: Tasks, timeline: Callable[..., Any]
) -> None:
    task = run(tasks, "Fix it")
    with tasks.store.write() as writer:
        writer.change(task.id, "agent", agent="claude")
        writer.end(task.id, 0)
    (tasks.directory(task) / "output.log").write_text(json.dumps(CALL) + "\n")
    (tool,) = timeline(task.id, "--kind", "tool", "--json")["entries"]
    assert tool["at"] == tasks.store.task(task.id).ended
