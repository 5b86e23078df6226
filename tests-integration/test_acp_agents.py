"""Real agents of one container behind `terok-acp connect`, for an editor of the Python SDK and with a stub provider."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import acp_corpus
import pytest
from acp import RequestError, text_block
from acp.schema import AllowedOutcome, ClientCapabilities, RequestPermissionResponse
from acp.stdio import spawn_agent_process
from support import BASE, Shell
from terok.stub import Script, running_stub
from terok_acp import ACPRoster, AdapterProcess
from terok_acp.paths import socket_path
from terok_executor import AgentRoster, AgentRunner
from terok_sandbox import PodmanRuntime
from test_acp_box import Editor

AGENTS = ("claude", "codex", "copilot", "gemini", "opencode", "pi", "vibe")
PROVIDERS = ("anthropic", "google", "mistral", "openai", "openrouter")
COMMAND = "until [ -e /tmp/go-on ]; do sleep 0.05; done; echo made >>made-here"
"""A command that does not end before the test says so."""
OFFERS_NO_TOOLS = {"codex"}
"""Its listed models get no tools from a provider that is not theirs."""
FALLS_SILENT = {"vibe"}
"""Now and then, on a busy machine, ends by SIGKILL or says no more, without anybody's doing: no test can rely on it."""
NEVER_ASK = {"opencode", "pi"}
"""As they are configured here."""


class Watcher(Editor):
    """An editor that sees when a tool is used, and answers permissions only if it is `willing`."""

    def __init__(self) -> None:
        super().__init__()
        self.at_work = asyncio.Event()
        self.willing = False

    async def request_permission(self, options: Any, session_id: str, tool_call: Any, **_: Any) -> Any:
        self.asked.set()
        if not self.willing:
            await asyncio.Event().wait()
        chosen = next(option for option in options if option.kind == "allow_once")
        return RequestPermissionResponse(outcome=AllowedOutcome(option_id=chosen.option_id, outcome="selected"))

    async def session_update(self, session_id: str, update: Any, **more: Any) -> None:
        await super().session_update(session_id, update, **more)
        if update.session_update == "tool_call":
            self.at_work.set()


@dataclass(frozen=True)
class Workshop:
    """A container with every agent, whose own is the first."""

    sh: Shell
    name: str

    def inside(self, *words: str) -> str:
        return self.sh("podman", "exec", self.name, *words).out

    def adapters(self) -> dict[str, int]:
        return {row["name"]: row["running"] for row in json.loads(self.inside("terok-adapter", "list"))}

    def kill(self, agent: str) -> None:
        """Kill what speaks for an agent, not what attends it."""
        script = f"for p in $(pgrep -f '[t]erok-adapter run {agent} '); do pkill -9 -P $p; done"
        self.inside("sh", "-c", script)


@pytest.fixture(scope="module")
def workshop(ready: Shell, real_key: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    ready("terok-executor", "build", "--base", BASE, timeout=1500)
    repository = tmp_path_factory.mktemp("repository")
    for words in (["init", "-q", "-b", "main"], ["commit", "-q", "--allow-empty", "-m", "first"]):
        ready("git", "-c", "user.name=x", "-c", "user.email=x@x", "-C", str(repository), *words)
    places = Path(ready.environment["TEROK_ROOT"]) / "config/providers"
    places.mkdir(parents=True, exist_ok=True)
    name = "it-acp-agents"
    # A cancelled command counts as done for the stub, and an agent whose adapter is killed may ask for the next itself.
    with running_stub(Script((COMMAND,) * 4), api_key=real_key) as stub:
        for provider in PROVIDERS:
            (places / f"{provider}.yaml").write_text(f"upstream: {stub.url}\ndefault_model: stub-model\n")
            ready("terok-executor", "auth", provider, stdin=real_key + "\n")
        runner = AgentRunner(roster=AgentRoster.load(), base_image=BASE)
        runner.run_interactive(AGENTS[0], str(repository), name=name, beside=AGENTS[1:], unrestricted=False)
        try:
            yield Workshop(ready, name)
        finally:
            ready("terok-executor", "rm", name, "--force", code=None)
            for provider in PROVIDERS:
                (places / f"{provider}.yaml").unlink(missing_ok=True)


@asynccontextmanager
async def editing(workshop: Workshop) -> AsyncIterator[tuple[Watcher, Any]]:
    editor = Watcher()
    async with spawn_agent_process(
        editor,
        "terok-acp",
        *("connect", workshop.name),
        env=dict(os.environ),
        use_unstable_protocol=True,
        transport_kwargs={"limit": 1 << 26},
    ) as (agent, _):
        await agent.initialize(1, ClientCapabilities())
        yield editor, agent


async def prompt(agent: Any, key: str, text: str) -> str:
    try:
        return (await agent.prompt(session_id=key, prompt=[text_block(text)])).stop_reason
    except RequestError as error:
        error.add_note(f"{error.data}")
        raise


async def new(agent: Any, name: str) -> str:
    """Begin a session with an agent, by its first model."""
    session = await agent.new_session(cwd="/home/me/project", mcp_servers=[])
    (select,) = [option for option in session.config_options if option.category == "model"]
    values = [one.value for group in select.options for one in getattr(group, "options", [group])]
    await agent.set_config_option("model", session.session_id, next(v for v in values if v.startswith(f"{name}:")))
    return session.session_id


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", [name for name in AGENTS if name not in OFFERS_NO_TOOLS | FALLS_SILENT])
async def test_a_turn_is_cancelled_killed_and_done(name: str, workshop: Workshop) -> None:
    workshop.inside("rm", "-f", "/tmp/go-on", "/workspace/made-here")
    async with editing(workshop) as (editor, agent):
        held = editor.at_work if name in NEVER_ASK else editor.asked
        key = await new(agent, name)
        turn = asyncio.ensure_future(prompt(agent, key, "Do it"))
        await asyncio.wait_for(held.wait(), 90)
        await agent.cancel(key)
        assert await asyncio.wait_for(turn, 30) == "cancelled", "though the permission was never answered"
        held.clear()
        turn = asyncio.ensure_future(prompt(agent, key, "Do it again"))
        await asyncio.wait_for(held.wait(), 90)
        await asyncio.to_thread(workshop.kill, name)
        with pytest.raises(RequestError):
            await asyncio.wait_for(turn, 30)
        await asyncio.to_thread(workshop.inside, "touch", "/tmp/go-on")
        editor.willing = True
        assert await asyncio.wait_for(prompt(agent, key, "Now do it"), 120) == "end_turn"
        assert workshop.adapters()[name] == 1
    assert "made" in workshop.inside("cat", "/workspace/made-here")


@pytest.mark.timeout(300)
async def test_four_agents_in_one_connection_and_none_left_behind(workshop: Workshop) -> None:
    """Their daemon is killed in the end; what it had started ends by itself."""
    names = ("claude", "codex", "copilot", "pi")
    workshop.inside("touch", "/tmp/go-on")
    async with editing(workshop) as (editor, agent):
        editor.willing = True
        keys = [await new(agent, name) for name in names]
        ends = await asyncio.gather(*(prompt(agent, key, "Do it") for key in keys))
        assert ends == ["end_turn"] * len(names)
        assert all(editor.text(key) for key in keys)
        running = workshop.adapters()
        assert all(running[name] == 1 for name in names)
        daemon = int(Path(f"{socket_path(workshop.name)}.lock").read_text())
    os.kill(daemon, signal.SIGKILL)
    while any(workshop.adapters().values()):
        await asyncio.sleep(0.1)
    assert not workshop.inside("sh", "-c", "pgrep -af '[n]ode|[o]pencode|[v]ibe|[g]emini' || true").strip()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", [name for name in AGENTS if name not in FALLS_SILENT])
def test_adapters_say_what_is_recorded(name: str, workshop: Workshop) -> None:
    """What an adapter begins with, and the kinds of all else it says, are those that other tests take as given."""
    workshop.inside("touch", "/tmp/go-on")
    roster = ACPRoster(workshop.name)
    roster.equip(name)
    (spec,) = [spec for spec in roster.agents() if spec.agent == name]
    process = AdapterProcess(spec, workshop.name, PodmanRuntime())
    kept = acp_corpus.redacted(acp_corpus.converse(process, spec.quirks.default_mode))
    if os.environ.get("TEROK_RECORD_ACP"):
        acp_corpus.store(name, kept)
    said, recorded = acp_corpus.shapes(kept), acp_corpus.shapes(acp_corpus.load(name))
    for kind in ("answer to initialize", "answer to session/new"):
        assert said[kind] == recorded[kind], kind
    assert set(said) <= set(recorded) | {"update usage_update", "update session_info_update"}
    answers = [line["frame"] for line in kept if line["from"] == "agent" and "method" not in line["frame"]]
    assert answers[-1]["result"]["stopReason"] in ("cancelled", "end_turn")
