"""Conversations that go on: a new prompt in the same container, a message to an agent in its terminal."""

from __future__ import annotations

import pytest
from terok_executor.errors import RequestError
from terok_executor.paths import task_dir
from terok_sandbox import ExecResult

from .conftest import Host


def test_a_conversation_is_taken_up_with_a_new_prompt(host: Host) -> None:
    host.runner.start(host.request(model="opus", sealed=True))
    with pytest.raises(RequestError, match="still runs"):
        host.runner.resume("task-1", prompt="more")
    host.runtime.finish("task-1")
    host.runner.resume("task-1", prompt="more")
    copied = [destination for _, destination in host.runtime.records["task-1"].copied]
    assert copied[-2:] == ["/home/dev/.terok/prompt.txt", "/home/dev/.terok/next-command"]
    assert host.runtime.container("task-1").running
    host.runner.start(host.request(name="task-2"))
    host.runtime.finish("task-2")
    host.runner.resume("task-2", prompt="more")
    home = task_dir("task-2") / "home"
    assert (home / "prompt.txt").read_text() == "more"
    words = (home / "next-command").read_text()
    stream = "--output-format stream-json --verbose"
    assert words == f"timeout --kill-after=10 1800 claude -p --continue {stream} --dangerously-skip-permissions\n"
    with pytest.raises(RequestError, match="no record"):
        host.runner.resume("nobody", prompt="more")


def test_the_conversation_that_was_seen_first_is_taken_up(host: Host) -> None:
    host.runner.start(host.request())
    home = task_dir("task-1") / "home"
    assert host.runner.session("task-1") == ""
    (home / "reports.jsonl").write_text('{"kind": "session", "session": "c-1"}\n')
    assert host.runner.session("task-1") == "c-1"
    (home / "reports.jsonl").write_text('{"kind": "session", "session": "c-2"}\n')
    host.runtime.finish("task-1")
    host.runner.resume("task-1", prompt="more")
    assert "claude -p --resume c-1 --output-format" in (home / "next-command").read_text()


def test_a_message_is_typed_where_an_agent_runs(host: Host) -> None:
    host.runner.start(host.request(prompt=None))
    answers = [ExecResult(0, "", ""), ExecResult(3, "", "")]
    host.runtime.on_exec = lambda *_: answers.pop(0)
    host.runner.send("task-1", "Go on\x1b[2J")
    assert (task_dir("task-1") / "home" / "message.txt").read_text() == "Go on\\x1b[2J"
    with pytest.raises(RequestError, match="takes a message now"):
        host.runner.send("task-1", "Go on")
    host.runtime.finish("task-1")
    with pytest.raises(RequestError, match="does not run"):
        host.runner.send("task-1", "Go on")


def test_a_restricted_agent_asks_in_its_terminal_too(host: Host) -> None:
    host.runner.start(host.request(prompt=None, unrestricted=False))
    host.runner.start(host.request(prompt=None, name="task-2"))
    asking, acting = (" ".join(host.runner.login_command(name, agent=True)) for name in ("task-1", "task-2"))
    assert "claude; tmux" in asking
    assert "claude --dangerously-skip-permissions; tmux" in acting
