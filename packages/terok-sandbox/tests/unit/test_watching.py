"""The host's own knowledge of a container: what Podman says when no supervisor does, and the verbs that show it."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from terok_sandbox import FakeRuntime, Sandbox
from terok_sandbox.activity.feed import Feed, serve_feed
from terok_sandbox.cli import activity as verbs
from terok_sandbox.config import SandboxConfig
from terok_sandbox.runtime.fake import FakeRecord
from terok_sandbox.unix_sockets import listen
from terok_sandbox.values.facts import BudgetFact, Inside, Question, fact_to_json
from terok_sandbox.values.host import ContainerState
from terok_sandbox.vault.errors import BudgetError

STATES = [
    (ContainerState.RUNNING, "unsupervised", None),
    (ContainerState.PAUSED, "unsupervised", None),
    (ContainerState.EXITED, "ended", 3),
    (ContainerState.CREATED, "created", None),
]


@pytest.fixture
def sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    monkeypatch.setenv("TEROK_ROOT", str(tmp_path))
    monkeypatch.setenv("TEROK_SANDBOX_RUNTIME_DIR", str(tmp_path / "r"))
    return Sandbox(SandboxConfig(), runtime=FakeRuntime())


@pytest.mark.parametrize(("state", "life", "code"), STATES, ids=[row[0] for row in STATES])
def test_without_a_supervisor_podman_is_asked(
    sandbox: Sandbox, state: ContainerState, life: str, code: int | None
) -> None:
    sandbox.runtime.records["box"] = FakeRecord("image", state, exit_code=3)  # type: ignore[attr-defined]
    now = sandbox.activity("box").read()
    assert now.life is not None and (now.life.state, now.life.exit_code) == (life, code)
    assert now.unheard == {"gateway"}


def test_no_answer_says_nothing_and_missing_is_podman_s_word(sandbox: Sandbox) -> None:
    now = sandbox.activity("box").read()
    assert now.life is not None and now.life.state == "missing" and now.life.over
    sandbox.runtime.failures["inspect"] = "Podman does not answer"  # type: ignore[attr-defined]
    now = sandbox.activity("box").read()
    assert now.life is not None and now.life.state == "unknown" and not now.life.over
    with pytest.raises(BudgetError, match="no vault runs"):
        sandbox.budget("box")


@contextmanager
def told(sandbox: Sandbox, feed: Feed) -> Iterator[None]:
    """Serve a feed as the gateway of `box` does."""
    path = sandbox.config.activity_socket("box", "gateway")
    path.parent.mkdir(parents=True)
    ended = asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []
    ready = threading.Event()

    async def serve(listener: socket.socket) -> None:
        loops.append(asyncio.get_running_loop())
        serving = asyncio.create_task(serve_feed(feed, listener))
        ready.set()
        await ended.wait()
        serving.cancel()

    with listen(path, kind=socket.SOCK_STREAM) as listener:
        thread = threading.Thread(target=lambda: asyncio.run(serve(listener)))
        thread.start()
        ready.wait(10)
        try:
            yield
        finally:
            loops[0].call_soon_threadsafe(ended.set)
            thread.join(10)


def test_the_verb_shows_facts(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(verbs, "Sandbox", lambda: sandbox)
    sandbox.runtime.records["box"] = FakeRecord("image", ContainerState.EXITED)  # type: ignore[attr-defined]
    feed = Feed()
    question = Question(at=1.0, id="a", state="open", since=1.0, target=Inside("x\x1b[2J:443/tcp"))
    feed.tell(question)
    with told(sandbox, feed):
        assert verbs.activity(name="box", as_json=True) == 0
        assert fact_to_json(question) in json.loads(capsys.readouterr().out)["facts"]
        assert verbs.activity(name="box") == 0
    shown = capsys.readouterr().out
    assert "question id=a state=open" in shown and "\x1b" not in shown and "x\\x1b[2J" in shown
    assert verbs.activity(name="box", follow=True, as_json=True) == 0
    assert json.loads(capsys.readouterr().out)["state"] == "ended", "a feed ends with its container"
    assert "does not answer" not in shown
    verbs.activity(name="box")
    assert "the gateway does not answer" in capsys.readouterr().out


def test_the_verb_of_budgets(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[dict[str, object]] = []
    held = BudgetFact(at=1, whose="task", limit="cost_usd", used=2, most=2, state="holds", held=3)

    class Asked:
        def budget(self, name: str) -> dict[str, object]:
            asked.append({})
            return {"on_limit": "hold", "limits": [fact_to_json(held)] if len(asked) > 1 else []}

        def decide_budget(self, name: str, answer: str, **words: object) -> dict[str, object]:
            asked.append({"answer": answer, **words})
            return {"on_limit": "hold", "limits": [fact_to_json(held)]}

    monkeypatch.setattr(verbs, "Sandbox", Asked)
    verbs.budget(name="box")
    assert "nothing is limited" in capsys.readouterr().out
    verbs.budget(name="box")
    assert "3 calls wait" in capsys.readouterr().out
    verbs.budget(name="box", higher="cost=5", project=True)
    verbs.budget(name="box", finish=True)
    verbs.budget(name="box", stop=True)
    assert asked[2:] == [
        {"answer": "raise", "limit": "cost_usd", "most": 5.0, "whose": "project"},
        {"answer": "finish"},
        {"answer": "stop"},
    ]
    for text in ("cost", "cost=many", ""):
        with pytest.raises(Exception, match="invalid limit"):
            verbs.budget(name="box", higher=text)
