"""A headless run from request to removal, with containers in memory and a real vault, gate and task directory."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from terok_executor.agent_runner import AgentRunner
from terok_executor.credentials import CredentialMissingError, store_api_key
from terok_executor.errors import RequestError
from terok_executor.follow import Outcome
from terok_executor.launch.request import HeadlessRequest
from terok_executor.paths import task_dir
from terok_executor.roster.loader import load_agents, load_providers
from terok_executor.roster.roster import AgentRoster
from terok_sandbox import FakeRuntime, LifecycleHooks, Sandbox, SandboxConfig
from terok_sandbox.errors import EngineError, SandboxError, SupervisionError
from terok_sandbox.runtime.fake import FakeSupervision
from terok_sandbox.vault.unlock import open_vault
from terok_sandbox.vault.usage.budget import Limits

KEY = "sk-ant-api03-real-key-of-the-person"
IMAGE = "localhost/image"


@dataclass
class Host:
    runner: AgentRunner
    runtime: FakeRuntime
    supervision: FakeSupervision
    config: SandboxConfig
    repo: Path
    envs: list[str]

    def request(self, **change: object) -> HeadlessRequest:
        base = {"agent": "claude", "repo": str(self.repo), "prompt": "do it", "name": "task-1"}
        return HeadlessRequest(**{**base, **change})  # type: ignore[arg-type]


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
    supervision = FakeSupervision()
    none = Path("/nonexistent")
    runner = AgentRunner(
        sandbox=Sandbox(config, runtime=runtime, supervision=supervision),
        roster=AgentRoster(load_agents(none), load_providers(none)),
        image=IMAGE,
        on_line=lambda _line: None,
    )
    store_api_key(config, runner.roster.provider("anthropic"), KEY)
    return Host(runner, runtime, supervision, config, repo, envs)


def tokens(host: Host) -> list[str]:
    with open_vault(host.config) as vault:
        return [row.container for row in vault.list_tokens()]


def test_a_run_gives_the_container_a_phantom_and_keeps_the_key_and_the_prompt_off_the_command_line(host: Host) -> None:
    record = host.runner.start(host.request())
    (plan,) = host.runtime.plans
    everything = json.dumps(plan.argv) + host.envs[0]
    assert KEY not in everything
    assert "do it" not in everything
    env = dict(line.split("=", 1) for line in host.envs[0].splitlines())
    with open_vault(host.config) as vault:
        row = vault.lookup(env["ANTHROPIC_API_KEY"])
    assert row is not None
    assert (row.container, row.provider) == ("task-1", "anthropic")
    assert len(env["ANTHROPIC_API_KEY"]) == 108
    assert env["CODE_REPO"].endswith(f"@127.0.0.1:9418/{record.scope}.git")
    prompt = task_dir("task-1") / "home" / "prompt.txt"
    assert prompt.read_text() == "do it"
    assert prompt.stat().st_mode & 0o777 == 0o600
    assert json.loads(host.config.routes_path.read_text())["anthropic"]["header"] == "x-api-key"
    sidecar = json.loads(host.config.sidecar_path("task-1").read_text())
    assert sidecar["gate"]["name"] == record.scope
    assert any("api.anthropic.com" in line for line in sidecar["shield"]["tiers"]["security_deny"])
    assert record.heads.keys() == {"main"}


def test_follow_returns_the_agent_s_code_and_the_result_tells_what_came_of_it(host: Host) -> None:
    record = host.runner.start(host.request())
    host.runtime.finish("task-1", exit_code=7, output="line \x1b[31mred\n")
    lines: list[str] = []
    outcome = host.runner.follow("task-1", lines.append)
    assert outcome == Outcome(7, timed_out=False)
    assert "\x1b" not in "".join(lines)
    assert host.runner.wait_for_exit("task-1") == 7
    state = host.config.container_state_dir("task-1")
    row = {"time": "2030-01-01T00:00:00.000Z", "action": "refused", "dest": "", "name": "evil.example", "proto": "udp"}
    (state / "shield-audit.jsonl").write_text((json.dumps(row) + "\n") * 3)
    rows = [{"action": "request", "verdict": "released"}, {"action": "response", "status": 200}]
    (state / "vault-audit.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    tree = ["git", "-C", str(host.config.gate_base_path / f"{record.scope}.git")]
    made = subprocess.run(
        [*tree, "-c", "user.name=x", "-c", "user.email=x@x", "commit-tree", "main^{tree}", "-p", "main", "-m", "done"],
        check=True, capture_output=True, text=True,
    ).stdout.strip()  # fmt: skip
    subprocess.run([*tree, "update-ref", f"refs/heads/{record.branch}", made], check=True)
    result = host.runner.result("task-1", outcome, duration=1.5)
    assert [(commit.id, commit.branch, commit.subject) for commit in result.commits] == [(made, record.branch, "done")]
    assert [(blocked.name, blocked.count) for blocked in result.blocked] == [("evil.example", 3)]
    assert (result.vault.requests, result.vault.refused, dict(result.vault.responses)) == (1, 0, {"200": 1})
    assert json.loads(json.dumps(result.as_json()))["exit_code"] == 7


def test_an_interactive_container_waits_for_a_person_and_has_no_prompt(host: Host) -> None:
    record = host.runner.start(host.request(prompt=None, authorship="human", human_name="Ann", human_email="ann@x"))
    (plan,) = host.runtime.plans
    assert plan.argv[-2:] == ("sleep", "infinity") or list(plan.argv[-2:]) == ["sleep", "infinity"]
    assert not (task_dir(record.container) / "home" / "prompt.txt").exists()
    assert "GIT_AUTHOR_NAME=Ann" in host.envs[0].splitlines()
    words = host.runner.login_command(record.container, agent=True, model="opus")
    assert words[-1] == "claude --dangerously-skip-permissions --model opus; exec bash -l"
    assert "tmux" in words
    assert host.runner.login_command(record.container)[-1] == "main"


def test_every_agent_is_given_instructions_of_its_own_task_only(host: Host) -> None:
    host.runner.start(host.request(instructions=["_inherit", "and be brief"]))
    text = (task_dir("task-1") / "state" / "claude" / "CLAUDE.md").read_text()
    assert "hilfe" in text
    assert text.endswith("and be brief\n")


def test_removal_leaves_nothing(host: Host) -> None:
    host.runner.start(host.request())
    host.runner.remove("task-1")
    assert tokens(host) == []
    assert not task_dir("task-1").exists()
    assert not host.config.sidecar_path("task-1").exists()
    host.runner.remove("task-1")


def test_a_launch_that_fails_leaves_nothing(host: Host) -> None:
    host.supervision.prepared = False
    with pytest.raises(SupervisionError):
        host.runner.start(host.request())
    assert tokens(host) == []
    assert not task_dir("task-1").exists()
    assert host.runtime.records == {}
    host.supervision.prepared = True

    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        host.runner.start(host.request(), hooks=LifecycleHooks(pre_start=interrupted))
    assert tokens(host) == []
    assert not task_dir("task-1").exists()


def test_a_name_in_use_is_refused_and_its_container_keeps_token_and_files(host: Host) -> None:
    host.runner.start(host.request())
    with pytest.raises(RequestError, match="exists already"):
        host.runner.start(host.request(prompt="other"))
    assert tokens(host) == ["task-1"]
    assert (task_dir("task-1") / "home" / "prompt.txt").read_text() == "do it"


def test_what_a_container_removed_by_hand_has_left_is_cleared_before_the_name_is_used_again(host: Host) -> None:
    host.runner.start(host.request())
    host.runtime.records.clear()
    host.runner.start(host.request())
    assert tokens(host) == ["task-1"]


def test_without_a_credential_nothing_is_started(host: Host) -> None:
    with pytest.raises(CredentialMissingError) as caught:
        host.runner.start(host.request(provider="openrouter"))
    assert caught.value.exit_code == 3
    assert caught.value.hint == "store one with `terok-executor auth openrouter`"
    assert host.runtime.plans == []


def test_an_agent_that_does_not_end_is_stopped_and_counts_as_timed_out(host: Host) -> None:
    host.runner.start(host.request())
    assert host.runner.follow("task-1", lambda _line: None) == Outcome(124, timed_out=True)
    assert not host.runtime.container("task-1").running
    with pytest.raises(TimeoutError):
        host.runtime.container("task-1").start()
        host.runner.wait_for_exit("task-1", timeout=0.1)


def test_ctrl_c_stops_the_container(host: Host) -> None:
    host.runner.start(host.request())
    host.runtime.records["task-1"].output = "x\n"

    def interrupt(_line: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        host.runner.follow("task-1", interrupt)
    assert not host.runtime.container("task-1").running


def test_a_stop_that_podman_calls_failed_is_judged_by_whether_the_container_runs(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.runner.start(host.request())
    kind = type(host.runtime.container("task-1"))
    stop = kind.stop

    def stop_and_complain(self: object, timeout: int = 10) -> None:
        stop(self, timeout)
        raise EngineError("timed out waiting for file")

    monkeypatch.setattr(kind, "stop", stop_and_complain)
    host.runner.stop("task-1")

    def only_complain(self: object, timeout: int = 10) -> None:
        raise EngineError("it does not answer")

    host.runtime.container("task-1").start()
    monkeypatch.setattr(kind, "stop", only_complain)
    with pytest.raises(EngineError):
        host.runner.stop("task-1")


def test_podman_s_own_failure_is_not_an_exit_code(host: Host) -> None:
    with pytest.raises(RuntimeError):
        host.runner.wait_for_exit("nobody")


def test_one_backend_only(host: Host) -> None:
    with pytest.raises(ValueError, match="different backends"):
        AgentRunner(sandbox=host.runner.sandbox, runtime=FakeRuntime(images={}))


def test_the_engine_s_own_words_reach_the_caller(host: Host) -> None:
    host.runtime.known_images.clear()
    with pytest.raises(SandboxError, match="there is no image"):
        host.runner.start(host.request())
    assert tokens(host) == []


def test_a_run_takes_limits_and_ssh_keys_from_its_flags_and_the_rest_from_the_configuration(host: Host) -> None:
    configured = replace(host.config.budget, task=Limits(tokens=5, requests=7), project=Limits(cost_usd=9.0))
    host.runner.sandbox.config = replace(host.config, budget=configured)
    host.runner.start(host.request(budget=("cost=2.5", "tokens=100"), ssh_scope="work"))
    vault = json.loads(host.config.sidecar_path("task-1").read_text())["vault"]
    assert vault["ssh_scope"] == "work"
    limits = vault["usage"]["task_limits"]
    assert (limits["cost_usd"], limits["tokens"], limits["requests"]) == (2.5, 100, 7)
    assert vault["usage"]["project_limits"]["cost_usd"] == 9.0
    host.runner.remove("task-1")
    host.runner.start(host.request())
    vault = json.loads(host.config.sidecar_path("task-1").read_text())["vault"]
    assert vault["usage"]["task_limits"]["tokens"] == 5
    assert not vault.get("ssh_scope")
    for wrong in ("cost", "tokens=many", "apples=3", "requests=-1"):
        with pytest.raises(RequestError):
            host.runner.start(host.request(name="task-2", budget=(wrong,)))
    assert not task_dir("task-2").exists()
