"""`terok acp connect`: an editor is answered at once, and works in the project's task for editors."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from acp.schema import ClientCapabilities
from acp.stdio import spawn_agent_process
from product import make_project, remove_containers
from support import Shell
from terok.stub import Script, running_stub
from test_acp_agents import Watcher, prompt


@pytest.fixture(scope="module")
def project(ready: Shell, real_key: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    repository = tmp_path_factory.mktemp("editors") / "repository"
    ready("git", "init", "-q", "-b", "main", str(repository))
    author = ("-c", "user.name=x", "-c", "user.email=x@x")
    ready("git", *author, "-C", str(repository), "commit", "-q", "--allow-empty", "-m", "first")
    name = make_project(ready, repository)
    places = Path(ready.environment["TEROK_ROOT"]) / "config"
    file = places / "projects" / name / "project.yml"
    file.write_text(file.read_text().replace("demo", "claude"))
    (places / "providers").mkdir(exist_ok=True)
    with running_stub(Script(("echo made >>made-here",)), api_key=real_key) as stub:
        (places / "providers/anthropic.yaml").write_text(f"upstream: {stub.url}\ndefault_model: stub-model\n")
        yield name
        with suppress(AssertionError):
            remove_containers(ready, name)


@pytest.mark.timeout(900)
async def test_an_editor_gets_a_task_and_finds_it_again(ready: Shell, project: str) -> None:
    keys, texts = [], []
    for _ in range(2):
        editor = Watcher()
        editor.willing = True
        async with spawn_agent_process(
            editor, "terok", "acp", "connect", project, env=dict(os.environ), use_unstable_protocol=True
        ) as (agent, _process):
            await agent.initialize(1, ClientCapabilities())
            if not keys:
                session = await agent.new_session(cwd="/home/me/project", mcp_servers=[])
                keys.append(session.session_id)
                assert await prompt(agent, session.session_id, "Do it") == "end_turn"
            else:
                listed = (await agent.list_sessions(cwd="/home/me/project")).sessions
                assert [one.session_id for one in listed] == keys
                await agent.load_session("/home/me/project", keys[0], [])
            texts.append(editor.text(keys[0]))
    assert texts[0]
    assert texts[0] == texts[1]
    [task] = ready("terok", "task", "list", f"p:{project}", "--json").json()
    assert task["name"] == "editor"
    [row] = json.loads(ready("terok", "acp", "list", project, "--json").out)
    assert row["status"] == "active"
    assert "made" in ready("podman", "exec", task["container"], "cat", "made-here").out
