"""The endpoint as an object of the protocol's SDK, over a real daemon."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from acp import RequestError, text_block
from acp.core import AgentSideConnection, ClientSideConnection
from acp.schema import AllowedOutcome, RequestPermissionResponse
from terok_acp import ACPProxy, EndpointError
from test_daemon import Served


class Person:
    """A client of the SDK that says yes and writes down what it is shown."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []

    def on_connect(self, conn: Any) -> None: ...

    async def session_update(self, session_id: str, update: Any, **meta: Any) -> None:
        if update.session_update == "agent_message_chunk":
            self.seen.append((session_id, update.content.text))

    async def request_permission(
        self, session_id: str, tool_call: Any, options: list[Any], **meta: Any
    ) -> RequestPermissionResponse:
        chosen = next(option.option_id for option in options if option.kind == "allow_once")
        return RequestPermissionResponse(outcome=AllowedOutcome(option_id=chosen, outcome="selected"))


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    daemon = Served(tmp_path, "alpha", "beta")
    yield daemon
    daemon.end()


async def walk(agent: Any, person: Person, cwd: str) -> str:
    """Do what an editor does, with two agents, and return the first session."""
    started = await agent.initialize(protocol_version=1)
    assert started.protocol_version == 1 and [method.id for method in started.auth_methods] == ["terok"]
    await agent.authenticate("terok")
    keys = [(await agent.new_session(cwd=cwd, mcp_servers=[])).session_id for _ in range(2)]
    answer = await agent.set_config_option(config_id="model", session_id=keys[1], value="beta:small")
    assert next(one for one in answer.config_options if one.id == "model").current_value == "beta:small"
    for key in keys:
        done = await agent.prompt(session_id=key, prompt=[text_block(f"say to {key}; ask")])
        assert done.stop_reason == "end_turn"
    assert person.seen == [pair for key in keys for pair in ((key, f"to {key}"), (key, "go"))]
    assert {one.session_id for one in (await agent.list_sessions(cwd=cwd)).sessions} == set(keys)
    return keys[0]


async def test_a_program_uses_all_agents_by_typed_calls(served: Served) -> None:
    person = Person()
    async with ACPProxy(served.path, person) as proxy:
        key = await walk(proxy, person, "/home/me/p")
        with pytest.raises(RequestError):
            await proxy.prompt(session_id="another", prompt=[text_block("say x")])
    again = Person()
    async with ACPProxy(served.path, again) as proxy:  # another program, and what was said is there once
        await proxy.initialize(protocol_version=1)
        await proxy.load_session(cwd="/home/me/p", session_id=key, mcp_servers=[])
        await proxy.prompt(session_id=key, prompt=[text_block("say end")])
    assert [text for _, text in again.seen] == [f"to {key}", "go", "end"]


async def test_it_is_the_agent_of_an_sdk_connection(served: Served) -> None:
    ends = socket.socketpair()
    (up_in, up_out), (down_in, down_out) = [await asyncio.open_connection(sock=end) for end in ends]
    proxy, person = ACPProxy(served.path), Person()
    above = AgentSideConnection(proxy, up_out, up_in, use_unstable_protocol=True)
    editor = ClientSideConnection(person, down_out, down_in, use_unstable_protocol=True)
    try:
        await walk(editor, person, "/home/me/p")
    finally:
        for part in (editor, above, proxy):
            await part.close()
        for writer in (up_out, down_out):
            writer.close()


async def test_without_a_daemon_or_a_client_it_says_so(tmp_path: Path, served: Served) -> None:
    with pytest.raises(EndpointError, match="nobody answers"):
        await ACPProxy(tmp_path / "none.sock").initialize(protocol_version=1)
    with pytest.raises(EndpointError, match="not connected"):
        await ACPProxy(served.path).prompt(session_id="x", prompt=[])
    proxy = ACPProxy(served.path)
    for refused in (proxy.create_terminal, proxy.read_text_file, proxy.write_text_file):
        with pytest.raises(RequestError):
            await refused(session_id="x", path="/etc/passwd", command="sh")


def test_nothing_on_the_relaying_path_loads_the_sdk() -> None:
    code = "import sys, terok_acp, terok_acp.daemon.server, terok_acp.connect.connect; print('acp' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "False"
