"""The whole way of ACP: an editor of the Python SDK, `connect`, the daemon, scripted adapters in a container."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from acp import RequestError, text_block
from acp.schema import AllowedOutcome, ClientCapabilities, RequestPermissionResponse
from acp.stdio import spawn_agent_process
from acp_box import AGENTS, Box

pytestmark = pytest.mark.usefixtures("base_image")


class Editor:
    """An `acp.Client`: remembers what it is told, and answers permissions by `choose`."""

    def __init__(self) -> None:
        self.said: dict[str, list[str]] = {}
        self.choose: Callable[[], Any] = lambda: "go"
        self.asked = asyncio.Event()

    async def session_update(self, session_id: str, update: Any, **_: Any) -> None:
        content = getattr(update, "content", None)
        if update.session_update == "agent_message_chunk":
            self.said.setdefault(session_id, []).append(content.text)

    async def request_permission(self, options: Any, session_id: str, tool_call: Any, **_: Any) -> Any:
        self.asked.set()
        chosen = self.choose()
        chosen = await chosen if asyncio.iscoroutine(chosen) else chosen
        return RequestPermissionResponse(outcome=AllowedOutcome(option_id=chosen, outcome="selected"))

    def on_connect(self, conn: Any) -> None: ...

    def text(self, key: str) -> str:
        return "".join(self.said.get(key, []))


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    one = Box(tmp_path_factory.mktemp("acp"))
    yield one
    with contextlib.suppress(subprocess.CalledProcessError):
        one.remove()


@asynccontextmanager
async def editing(box: Box) -> AsyncIterator[tuple[Editor, Any, Any]]:
    editor = Editor()
    command, *words = box.words("connect")
    async with spawn_agent_process(
        editor, command, *words, env=dict(os.environ), use_unstable_protocol=True, transport_kwargs={"limit": 1 << 26}
    ) as (agent, process):
        assert (await agent.initialize(1, ClientCapabilities())).protocol_version == 1
        yield editor, agent, process


async def new(agent: Any, wished: str | None = None) -> str:
    session = await agent.new_session(cwd="/home/me/project", mcp_servers=[])
    if wished is not None:
        await agent.set_config_option("model", session.session_id, f"{wished}:small")
    return session.session_id


async def prompt(agent: Any, key: str, text: str) -> str:
    return (await agent.prompt(session_id=key, prompt=[text_block(text)])).stop_reason


async def test_four_agents_in_one_connection(box: Box) -> None:
    async with editing(box) as (editor, agent, _):
        keys = [await new(agent, name) for name in AGENTS]
        texts = [f"say {name};ask;say !" for name in AGENTS]
        ends = await asyncio.gather(*(prompt(agent, key, text) for key, text in zip(keys, texts, strict=True)))
        assert ends == ["end_turn"] * 4
        assert [editor.text(key) for key in keys] == [f"{name}go!" for name in AGENTS]


async def test_a_killed_adapter_is_started_anew(box: Box) -> None:
    async with editing(box) as (editor, agent, _):
        key = await new(agent)
        await prompt(agent, key, "say one")
        with pytest.raises(RequestError):
            await prompt(agent, key, "die")
        assert await prompt(agent, key, "memory") == "end_turn"
        assert editor.text(key) == "one1 prompts"


async def test_a_killed_daemon_is_followed_by_another(box: Box) -> None:
    async with editing(box) as (editor, agent, _):
        key = await new(agent)
        await prompt(agent, key, "say one")
        editor.choose = lambda: asyncio.Event().wait()
        hanging = asyncio.ensure_future(prompt(agent, key, "ask"))
        await editor.asked.wait()
        os.kill(daemon_of(box), signal.SIGKILL)
        with pytest.raises(RequestError):
            await asyncio.wait_for(hanging, 10)
        while True:  # what is asked between two daemons is answered with an error
            with contextlib.suppress(RequestError):
                if await prompt(agent, key, "memory") == "end_turn":
                    break
        assert editor.text(key).startswith("one")
        assert "1 prompts" in editor.text(key)
        assert len(box.adapters()) == 1
    async with editing(box) as (later, agent, _):  # what an editor has seen was on the disk before
        await agent.load_session("/home/me/project", key, [])
        assert later.text(key) == editor.text(key)


async def test_an_editor_is_killed_in_a_turn_and_misses_nothing(box: Box) -> None:
    async with editing(box) as (editor, agent, process):
        key = await new(agent)
        editor.choose = lambda: asyncio.Event().wait()
        turn = asyncio.ensure_future(prompt(agent, key, "say a;ask;flood 500"))
        await editor.asked.wait()
        process.kill()
        turn.cancel()
    async with editing(box) as (editor, agent, _):
        [listed] = [one for one in (await agent.list_sessions()).sessions if one.session_id == key]
        assert listed.title == "say a;ask;flood 500"
        await agent.load_session("/home/me/project", key, [])
        await asyncio.wait_for(editor.asked.wait(), 30)
        await prompt(agent, key, "say z")
        pieces = editor.text(key).removeprefix("ago").removesuffix("z").split("." * 100)[:-1]
        assert [int(piece) for piece in pieces] == list(range(500))


async def test_cancel_with_an_open_permission(box: Box) -> None:
    async with editing(box) as (editor, agent, _):
        key = await new(agent)
        editor.choose = lambda: asyncio.Event().wait()
        turn = asyncio.ensure_future(prompt(agent, key, "ask;wait"))
        await editor.asked.wait()
        await agent.cancel(key)
        assert await asyncio.wait_for(turn, 5) == "cancelled"


async def test_the_end_of_the_container_is_said(box: Box) -> None:
    async with editing(box) as (_, agent, _process):
        key = await new(agent)
        turn = asyncio.ensure_future(prompt(agent, key, "wait"))
        daemon = daemon_of(box)
        await asyncio.to_thread(box.remove)
        with pytest.raises(RequestError):
            await asyncio.wait_for(turn, 20)
        await asyncio.to_thread(wait_for_end, daemon)
        assert not box.socket.exists()


def daemon_of(box: Box) -> int:
    return int(Path(f"{box.socket}.lock").read_text())


def wait_for_end(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        descriptor = os.pidfd_open(pid)
        try:
            import select

            assert select.select([descriptor], [], [], 20)[0], "the daemon lives on"
        finally:
            os.close(descriptor)
