"""A host with containers in memory and a real vault, gate and task directory."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from terok_executor.credentials import store_key
from terok_executor.launch.request import AgentRequest
from terok_executor.launch.task_files import RunRecord
from terok_executor.roster.loader import load_agents, load_providers, load_tools
from terok_executor.roster.roster import AgentRoster
from terok_executor.runner.agent_runner import AgentRunner
from terok_sandbox import FakeRuntime, Sandbox, SandboxConfig
from terok_sandbox.gate.invoke import pusher
from terok_sandbox.launch.supervision import FakeSupervisor
from terok_sandbox.vault.unlock import open_vault

KEY = "sk-ant-api03-real-key-of-the-person"
IMAGE = "localhost/image"


@dataclass
class Host:
    runner: AgentRunner
    runtime: FakeRuntime
    supervision: FakeSupervisor
    config: SandboxConfig
    repo: Path
    envs: list[str]
    said: list[str]

    def request(self, **change: object) -> AgentRequest:
        base = {"agent": "claude", "repo": str(self.repo), "prompt": "do it", "name": "task-1"}
        return AgentRequest(**{**base, **change})  # type: ignore[arg-type]


@pytest.fixture
def host(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Host:
    root = tmp_path_factory.mktemp("r")
    monkeypatch.setenv("TEROK_ROOT", str(root))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    (root / "run").mkdir(mode=0o700)
    repo = tmp_path / "repo"
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@x"]
    subprocess.run([*git, "init", "-q", "-b", "main", str(repo)], check=True)
    subprocess.run([*git, "-C", str(repo), "commit", "-q", "--allow-empty", "-m", "first"], check=True)
    config = SandboxConfig()
    runtime = FakeRuntime(images={IMAGE: {}})
    envs: list[str] = []
    launch = runtime.launch

    def launching(plan):  # type: ignore[no-untyped-def]
        envs.append(plan.env_file)
        return launch(plan)

    monkeypatch.setattr(runtime, "launch", launching)
    supervision = FakeSupervisor()
    none = Path("/nonexistent")
    said: list[str] = []
    runner = AgentRunner(
        sandbox=Sandbox(config, runtime=runtime, supervision=supervision),
        roster=AgentRoster(load_agents(none), load_providers(none), load_tools(none)),
        image=IMAGE,
        on_line=said.append,
    )
    store_key(config, runner.roster.provider("anthropic"), KEY)
    return Host(runner, runtime, supervision, config, repo, envs, said)


def tokens(host: Host) -> list[str]:
    with open_vault(host.config) as vault:
        return [row.container for row in vault.list_tokens()]


def pushed(host: Host, record: RunRecord, branch: str, subject: str, *, by: str, onto: str = "") -> str:
    """Move a branch of the mirror as a push of a container does; returns the new commit."""
    onto = onto or record.heads["main"]
    git = ["git", "-C", str(host.config.gate_base_path / f"{record.scope}.git"), "-c", "user.name=x"]
    git += ["-c", f"user.email={pusher(by)}"]
    words = ["commit-tree", f"{onto}^{{tree}}", "-p", onto, "-m", subject]
    made = subprocess.run([*git, *words], check=True, capture_output=True, text=True).stdout.strip()
    subprocess.run([*git, "update-ref", "-m", "push", f"refs/heads/{branch}", made], check=True)
    return made
