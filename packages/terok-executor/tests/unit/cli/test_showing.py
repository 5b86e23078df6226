"""What `logs` prints: events in words, events as JSON, or the bytes."""

from __future__ import annotations

import io
import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from terok_executor.cli import listing
from terok_executor.cli.showing import event_printer
from terok_executor.launch.task_files import RunRecord, save_record
from terok_executor.paths import task_dir
from terok_executor.runner.agent_runner import AgentRunner
from terok_executor.transcript.event import TranscriptEvent
from terok_sandbox import FakeRuntime
from terok_util.process import PIPE, spawn

OUTPUT = (
    b'>> init complete\n{"event": "tool_call", "id": "1", "name": "bash", "command": "ls \\u001b[2J"}\n\xff\x1b[2J\nend'
)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEROK_ROOT", str(tmp_path / "root"))
    (tmp_path / "output").write_bytes(OUTPUT)
    directory = task_dir("c")
    directory.mkdir(parents=True)
    texts = dict.fromkeys(("provider", "repo", "scope", "branch", "image", "started"), "")
    save_record(directory, RunRecord(container="c", agent="demo", timeout=1, heads={}, **texts))
    process = spawn(["cat", str(tmp_path / "output")], stdout=PIPE)
    container = SimpleNamespace(state="exited", logs_process=lambda **_: process)
    monkeypatch.setattr(listing, "PodmanRuntime", lambda: SimpleNamespace(container=lambda _: container))
    monkeypatch.setattr(FakeRuntime, "container", lambda *_: container)


def logs(*, raw: bool = False, as_json: bool = False) -> int:
    return listing.logs("c", follow=False, tail=None, timestamps=False, raw=raw, as_json=as_json)


@pytest.mark.usefixtures("output")
def test_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert logs() == 0
    assert capsys.readouterr().out == ">> init complete\n[bash] ls \\x1b[2J\n\\xff\\x1b[2J\nend\n"


@pytest.mark.usefixtures("output")
def test_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert logs(as_json=True) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["kind"] for row in rows] == ["message", "tool_call", "message", "message"]
    assert rows[1] == {"kind": "tool_call", "id": "1", "name": "bash", "text": "ls \x1b[2J"}


@pytest.mark.usefixtures("output")
def test_byte_for_byte(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert logs(raw=True) == 0
    assert capfdbinary.readouterr().out == OUTPUT


@pytest.mark.usefixtures("output")
def test_the_library_gives_the_same_events() -> None:
    events = list(AgentRunner(runtime=FakeRuntime()).events("c"))
    assert [event.kind for event in events] == ["message", "tool_call", "message", "message"]
    assert [event.speaker for event in events] == ["output", "agent", "output", "output"]


@pytest.mark.parametrize(
    ("stream", "no_color", "colored"), [(Terminal, "", True), (Terminal, "1", False), (io.StringIO, "", False)]
)
def test_color_is_for_terminals_unless_it_is_not_wanted(
    stream: type[io.StringIO], no_color: str, colored: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", no_color)
    shown = stream()
    event_printer(shown)(TranscriptEvent(kind="tool_call", name="bash", text="ls"))
    assert shown.getvalue() == ("\x1b[36m[bash] ls\x1b[0m\n" if colored else "[bash] ls\n")
