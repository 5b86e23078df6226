"""A headless run from request to removal, with containers in memory and a real vault, gate and task directory."""

from __future__ import annotations

import json
from dataclasses import asdict, fields, replace
from pathlib import Path

import pytest
from terok_executor.cli.following import summary
from terok_executor.credentials import CredentialMissingError, store_key
from terok_executor.errors import BuildError, RequestError
from terok_executor.image.builder import ImageBuilder
from terok_executor.image.context import CONTAINER_PROTOCOL
from terok_executor.launch.prepared import write_supervisor_sidecar
from terok_executor.launch.request import AgentRequest, RunOptions
from terok_executor.paths import task_dir
from terok_executor.runner.agent_runner import AgentRunner
from terok_executor.runner.container_care import Outcome
from terok_executor.runner.doctor import agent_doctor_checks
from terok_executor.runner.result import new_commits
from terok_executor.runner.storage import SharedMountStorageInfo, TaskStorageInfo
from terok_sandbox import ExecResult, FakeRuntime, RunSpec, allocate_per_container_resources
from terok_sandbox.doctor.check import examine
from terok_sandbox.errors import GpuConfigError, SandboxError, SpecError, SupervisionError
from terok_sandbox.gate.upstream import Advertised, UpstreamRepository
from terok_sandbox.sidecar import Sidecar
from terok_sandbox.values.limits import Limits
from terok_sandbox.vault.unlock import open_vault
from terok_util.process import Completed

from .conftest import IMAGE, KEY, Host, pushed, tokens


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


def test_an_online_project_is_told_its_upstream_and_let_through_to_it(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = "https://forge.example.org:8443/group/project"
    monkeypatch.setattr(UpstreamRepository, "advertised", lambda *_, **__: Advertised({}, {}, None))
    host.runner.start(host.request(repo=address, security_class="online"))
    env = dict(line.split("=", 1) for line in host.envs[0].splitlines())
    assert env["CODE_REPO"] == address
    assert "@127.0.0.1:9418/" in env["CLONE_FROM"]
    sidecar = Sidecar.load(host.config.sidecar_path("task-1"))
    assert sidecar.gate is not None
    assert sidecar.gate.upstream == address
    assert [line for line in sidecar.shield.tiers.project_allow if line.startswith("+ forge.example.org:8443 ")]

    host.runner.start(host.request(repo=address, name="task-2"))
    assert "CLONE_FROM" not in host.envs[1]
    sidecar = Sidecar.load(host.config.sidecar_path("task-2"))
    assert sidecar.gate is not None
    assert (sidecar.gate.upstream, sidecar.shield.tiers.project_allow) == (None, ())
    with pytest.raises(RequestError, match="cannot see a directory"):
        host.runner.start(host.request(name="task-3", security_class="online"))


def test_nobody_is_asked_about_names_that_an_agent_looks_up_by_itself(host: Host) -> None:
    host.runner.start(host.request())
    store_key(host.config, host.runner.roster.provider("openai"), KEY)
    host.runner.start(host.request(agent="codex", name="task-2"))
    unasked = [Sidecar.load(host.config.sidecar_path(name)).shield.unasked for name in ("task-1", "task-2")]
    assert unasked == [(), ("raw.githubusercontent.com",)]


def test_profiles_are_the_configured_ones_unless_a_run_names_its_own(host: Host) -> None:
    own = host.config.config_dir / "shield/profiles"
    own.mkdir(parents=True)
    (own / "site.policy").write_text("+ mirror.example.org\n")
    (own / "other.policy").write_text("+ other.example.org\n")
    host.config = host.runner.sandbox.config = replace(host.config, shield_profiles=("site",))

    def allowed(name: str, **options: object) -> tuple[str, ...]:
        host.runner.start(host.request(name=name, **options))
        return Sidecar.load(host.config.sidecar_path(name)).shield.tiers.project_allow

    assert allowed("task-a") == ("+ mirror.example.org",)
    assert allowed("task-b", profiles=("other",)) == ("+ other.example.org",)
    assert allowed("task-c", profiles=()) == ()
    with pytest.raises(SandboxError, match="unknown profile 'none'"):
        host.runner.start(host.request(name="task-d", profiles=("none",)))
    assert len(host.envs) == 3


def test_a_policy_file_takes_the_place_of_configured_profiles(host: Host, tmp_path: Path) -> None:
    host.config = host.runner.sandbox.config = replace(host.config, shield_profiles=("site",))
    (host.config.config_dir / "shield/profiles").mkdir(parents=True)
    (host.config.config_dir / "shield/profiles/site.policy").write_text("+ mirror.example.org\n")
    policy = tmp_path / "own.policy"
    override = '+ 10.0.0.7:5432 %reason="the database" %expires=2099-01-01T00:00:00Z'
    policy.write_text(f"+ own.example.org\n[override]\n{override}\n[security_deny]\n- never.example.org\n")
    host.runner.start(host.request(name="task-a", policy=policy, allow=("one.example.org",)))
    tiers = Sidecar.load(host.config.sidecar_path("task-a")).shield.tiers
    assert (tiers.override, tiers.project_allow[0]) == ((override,), "+ own.example.org")
    assert [line.split()[1] for line in tiers.project_allow] == ["own.example.org", "one.example.org:443"]
    assert "- never.example.org" in tiers.security_deny and len(tiers.security_deny) > 1, "with the vaulted endpoints"
    policy.write_text("+ NOT.example.org\n")
    with pytest.raises(SandboxError, match=r"own\.policy:1: "):
        host.runner.start(host.request(name="task-b", policy=policy))
    assert len(host.envs) == 1


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
    host.config.ensure_container_dirs("task-1")
    (state / "gateway/shield-audit.jsonl").write_text((json.dumps(row) + "\n") * 3)
    away = {"action": "response", "status": 502, "provider": "anthropic", "outcome": "upstream_refused"}
    rows = [{"action": "request", "verdict": "released"}, {"action": "response", "status": 200}, away, away]
    (state / "vault-audit.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    made = pushed(host, record, record.branch, "done", by="task-1")
    result = host.runner.result("task-1", outcome, duration=1.5)
    assert [(commit.id, commit.branch, commit.subject) for commit in result.commits] == [(made, record.branch, "done")]
    assert [(blocked.name, blocked.count) for blocked in result.blocked] == [("evil.example", 3)]
    assert (result.vault.requests, result.vault.refused, dict(result.vault.responses)) == (1, 0, {"200": 1, "502": 2})
    assert "provider anthropic was not reached, or broke off: upstream_refused (2x)" in summary(result)
    assert json.loads(json.dumps(asdict(result)))["exit_code"] == 7


def test_parallel_runs_count_their_own_commits(host: Host) -> None:
    """What another container pushes meanwhile is not this one's, also not where this one builds on it."""
    one, two = (host.runner.start(host.request(name=name)) for name in ("task-1", "task-2"))
    theirs = pushed(host, two, two.branch, "theirs", by="task-2")
    pushed(host, two, "shared", "first", by="task-2")
    ours = pushed(host, one, one.branch, "ours", by="task-1")

    def subjects(name: str) -> dict[str, list[str]]:
        host.runtime.finish(name)
        result = host.runner.result(name, Outcome(0, timed_out=False), duration=1.0)
        return {
            one.branch: [other.subject for other in result.commits if other.branch == one.branch]
            for one in result.commits
        }

    assert subjects("task-1") == {one.branch: ["ours"]}
    assert subjects("task-2") == {two.branch: ["theirs"], "shared": ["first"]}
    assert ours != theirs


def test_a_run_may_choose_the_oci_runtime(host: Host) -> None:
    host.runner.start(host.request(runtime="runc"))
    argv = host.runtime.plans[0].argv
    assert argv[argv.index("--runtime") + 1] == "runc"


def test_an_interactive_container_waits_for_a_person_and_has_no_prompt(host: Host) -> None:
    record = host.runner.start(host.request(prompt=None, authorship="human", human_name="Ann", human_email="ann@x"))
    (plan,) = host.runtime.plans
    assert plan.argv[-2:] == ("sleep", "infinity") or list(plan.argv[-2:]) == ["sleep", "infinity"]
    assert not (task_dir(record.container) / "home" / "prompt.txt").exists()
    assert "GIT_AUTHOR_NAME=Ann" in host.envs[0].splitlines()
    words = host.runner.login_command(record.container, agent=True, model="opus")
    assert "; claude --dangerously-skip-permissions --model opus; " in words[-1]
    assert words[-1].endswith("; exec bash -l")
    assert "tmux" in words
    assert host.runner.login_command(record.container)[-1] == "main"


def test_every_agent_is_given_instructions_of_its_own_task_only(host: Host) -> None:
    host.runner.start(host.request(instructions=["_inherit", "and be brief"]))
    text = (task_dir("task-1") / "state" / "claude" / "CLAUDE.md").read_text()
    assert "terok-help" in text
    assert text.endswith("and be brief\n")


def test_without_a_credential_nothing_is_started(host: Host) -> None:
    with pytest.raises(CredentialMissingError) as caught:
        host.runner.start(host.request(provider="openrouter"))
    assert caught.value.exit_code == 3
    assert caught.value.hint == "store one with `terok-executor auth openrouter`"
    assert host.runtime.plans == []


@pytest.mark.parametrize(
    "change",
    [
        {"memory": "lots"},
        {"cpus": -1.0},
        {"gpus": "all"},
        {"gpus": "voodoo"},
        {"sealed": True, "ephemeral": True},
        {"shared_dir": Path("the state of the sandbox")},
        {"dossier_path": Path("/a,b")},
    ],
)
def test_what_the_sandbox_would_refuse_is_refused_before_anything_is_built(
    host: Host, monkeypatch: pytest.MonkeyPatch, change: dict[str, object]
) -> None:
    monkeypatch.setattr(host.runner, "_image", None)
    monkeypatch.setattr(ImageBuilder, "ensure_default_l1", lambda *_: pytest.fail("an image is built"))
    if "shared_dir" in change:
        change = {"shared_dir": host.config.state_dir.parent}
        host.config.state_dir.mkdir(parents=True, exist_ok=True)
    with pytest.raises(SpecError) as caught:
        host.runner.start(host.request(**change))
    assert caught.value.exit_code == 2


def test_one_backend_only(host: Host) -> None:
    with pytest.raises(ValueError, match="different backends"):
        AgentRunner(sandbox=host.runner.sandbox, runtime=FakeRuntime(images={}))


def test_the_engine_s_own_words_reach_the_caller(host: Host) -> None:
    host.runtime.known_images.clear()
    with pytest.raises(SandboxError, match="there is no image"):
        host.runner.start(host.request())
    assert tokens(host) == []


def test_a_tool_has_a_token_of_its_own_and_its_provider_s_credential_is_needed(host: Host) -> None:
    with pytest.raises(CredentialMissingError, match="github"):
        host.runner.start(host.request(tools=("gh",)))
    store_key(host.config, host.runner.roster.provider("github"), "ghp_" + "r" * 36)
    host.runner.start(host.request(tools=("gh",)))
    env = dict(line.split("=", 1) for line in host.envs[0].splitlines())
    with open_vault(host.config) as vault:
        row = vault.lookup(env["GH_TOKEN"])
    assert row is not None
    assert (row.container, row.provider) == ("task-1", "github")
    settings = (task_dir("task-1") / "state" / "gh" / "config.yml").read_text()
    assert "http_unix_socket: /run/terok/vault.sock" in settings
    assert "r" * 36 not in host.envs[0] + settings


def test_a_flood_of_branches_does_not_hold_up_the_result(host: Host) -> None:
    record = host.runner.start(host.request())
    mirror = host.config.gate_base_path / f"{record.scope}.git"
    tip = record.heads["main"]
    flood = {f"b{number:05}": tip for number in range(20_000)}
    asked: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "terok_executor.runner.result.run_git", lambda *_, **__: asked.append("") or Completed((), 0, b"", b"")
        )
        assert new_commits(mirror, record, flood) == ()
    assert len(asked) == 100


def test_a_sidecar_tool_has_the_real_key_its_vendor_s_host_and_no_vault(host: Host) -> None:
    with pytest.raises(CredentialMissingError):
        host.runner.run_tool("coderabbit", str(host.repo), follow=False, name="tool-1")
    store_key(host.config, host.runner.roster.provider("coderabbit"), "cr-" + "r" * 36)
    host.runner.run_tool("coderabbit", str(host.repo), follow=False, name="tool-1", tool_args=["review", "--all"])
    assert "CODERABBIT_API_KEY=cr-" in host.envs[0]
    (plan,) = host.runtime.plans
    assert "r" * 36 not in json.dumps(plan.argv)
    assert plan.argv[-3:] == ("coderabbit", "review", "--all")
    sidecar = json.loads(host.config.sidecar_path("tool-1").read_text())
    assert sidecar["vault"] is None
    assert any("api.coderabbit.ai:443" in line for line in sidecar["shield"]["tiers"]["provider_allow"])


def test_a_sidecar_tool_works_on_the_branch_that_was_asked_for(host: Host) -> None:
    store_key(host.config, host.runner.roster.provider("coderabbit"), "cr-" + "r" * 36)
    host.runner.run_tool("coderabbit", str(host.repo), follow=False, name="tool-1", branch="main", task_id="abc")
    host.runner.run_tool("coderabbit", str(host.repo), follow=False, name="tool-2", task_id="abd")
    assert "TEROK_WORK_BRANCH=main\n" in host.envs[0]
    assert "TEROK_WORK_BRANCH=terok/abd\n" in host.envs[1]


def test_a_limit_the_agent_has_no_option_for_is_said_and_put_into_the_prompt(host: Host) -> None:
    store_key(host.config, host.runner.roster.provider("openai"), KEY)
    notes: list[str] = []
    host.runner._on_line = notes.append
    host.runner.start(host.request(agent="codex", max_turns=4))
    assert any("no option for a turn limit" in note for note in notes)
    assert "within 4 turns" in (task_dir("task-1") / "home" / "prompt.txt").read_text()


def test_sub_agents_lie_where_the_agent_looks(host: Host, tmp_path: Path) -> None:
    (tmp_path / "r.md").write_text("---\nname: reviewer\ndescription: d\n---\nLook.\n")
    host.runner.start(host.request(subagents=(tmp_path / "r.md",)))
    assert (task_dir("task-1") / "state" / "claude" / "agents" / "reviewer.md").read_text().endswith("Look.\n")


def test_what_the_caller_has_put_together_is_launched_with_the_sandbox_s_guarantees(host: Host, tmp_path: Path) -> None:
    prepared = {"env": {"A": "b"}, "volumes": (), "image": IMAGE, "command": ["true"], "task_dir": tmp_path}
    name = host.runner.launch_prepared(name="own-1", project_id="proj", **prepared)
    assert name == "own-1"
    assert json.loads(host.config.sidecar_path("own-1").read_text())["scope"] == "proj"
    own = allocate_per_container_resources(host.config, "own-5")
    assert host.runner.launch_prepared(name="own-5", per_container=own, **prepared) == "own-5"
    with pytest.raises(RequestError, match="not those of container own-2"):
        host.runner.launch_prepared(name="own-2", per_container=own, **prepared)
    with pytest.raises(BuildError, match="GPU"):
        host.runner.launch_prepared(name="own-2", gpu=True, **prepared)
    with pytest.raises(RequestError, match="experimental"):
        host.runner.launch_prepared(name="own-2", runtime="krun", **prepared)
    path = write_supervisor_sidecar(host.runner.sandbox, RunSpec(container_name="own-4", image=IMAGE))
    assert Sidecar.load(path).container_name == "own-4"
    host.supervision.prepared = False
    with pytest.raises(SupervisionError):
        host.runner.launch_prepared(name="own-3", **prepared)


def test_doctor_finds_a_real_key_in_any_mount_and_a_foreign_token(host: Host) -> None:
    host.runner.start(host.request())
    env = dict(line.split("=", 1) for line in host.envs[0].splitlines())
    said = {"sh": env["ANTHROPIC_API_KEY"], "printenv": env["TEROK_BASE_URL"]}
    host.runtime.on_exec = lambda _name, words: ExecResult(0, said[words[0]] + "\n", "")

    def severities() -> dict[str, str]:
        checks = agent_doctor_checks(host.config, host.runner.roster, "task-1")
        found = examine(checks, runtime=host.runtime, container="task-1")
        return {finding.check.label: finding.verdict.severity for finding in found}

    labels = {"home", "state/claude", "token", "provider address"}
    assert severities() == dict.fromkeys(labels, "ok")
    (task_dir("task-1") / "state" / "claude" / "notes").write_text(f"found: {KEY}")
    said |= {"sh": "sk-ant-made-up", "printenv": "https://evil.example"}
    assert severities() == {**dict.fromkeys(labels, "error"), "home": "ok"}
    assert TaskStorageInfo.measure("task-1").agent_state >= len(KEY)
    assert [one.name for one in TaskStorageInfo.measure_all()] == ["task-1"]
    largest, *rest = SharedMountStorageInfo.measure_all(host.runner.roster)
    assert (largest.host_dir, largest.tasks) == ("claude", 1)
    assert largest.bytes >= len(KEY)
    assert {one.bytes for one in rest} == {0}


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        ({"ai.terok.agents": "demo", "ai.terok.protocol": CONTAINER_PROTOCOL}, "does not hold claude"),
        ({"ai.terok.agents": "claude,demo", "ai.terok.protocol": "1"}, "another version"),
        ({"ai.terok.agents": "claude"}, "another version"),
    ],
)
def test_an_image_that_does_not_fit_is_refused_before_anything_is_made(
    host: Host, labels: dict[str, str], reason: str
) -> None:
    host.runtime.known_images[IMAGE] = labels
    with pytest.raises(RequestError, match=reason) as caught:
        host.runner.start(host.request())
    assert caught.value.hint == "build one with `terok-executor build claude`"
    assert not task_dir("task-1").exists()


def test_a_gpu_the_host_has_not_stops_the_run_and_leaves_nothing(host: Host) -> None:
    with pytest.raises(GpuConfigError) as caught:
        host.runner.start(host.request(gpus="all"))
    assert caught.value.hint
    assert tokens(host) == []
    assert not task_dir("task-1").exists()


def test_a_program_gives_a_run_what_the_command_line_gives_it(host: Host) -> None:
    given = (limit for limit in ("tokens=100",))
    host.runner.run_headless("claude", str(host.repo), prompt="x", name="task-1", budget=given, ssh_scope="work")
    vault = json.loads(host.config.sidecar_path("task-1").read_text())["vault"]
    assert (vault["ssh_scope"], vault["usage"]["task_limits"]["tokens"]) == ("work", 100)
    missing = {field.name for field in fields(AgentRequest)} - set(RunOptions.__annotations__)
    named = {"agent", "repo", "prompt", "max_turns", "timeout", "web", "public_url"}
    assert missing == {*named, "provider", "base_image", "family"}, "an option that programs cannot give"
    stand_for_others = {"bound_provider", "gpu", "caps", "allow_debugger"}
    assert set(RunOptions.__annotations__) - {field.name for field in fields(AgentRequest)} == stand_for_others


def test_a_program_may_write_paths_as_text_and_limits_as_the_command_line_does(host: Host, tmp_path: Path) -> None:
    for name in ("work", "shared"):
        (tmp_path / name).mkdir()
    (tmp_path / "about.json").write_text('{"task": "seven"}')
    host.runner.run_headless(
        "claude",
        None,
        prompt="x",
        name="task-1",
        workspace=str(tmp_path / "work"),
        shared_dir=str(tmp_path / "shared"),
        dossier_path=str(tmp_path / "about.json"),
        cpus="1.5",
        memory="4g",
        caps=["perfmon"],
        allow_debugger=True,
    )
    argv = list(host.runtime.plans[0].argv)
    assert (argv[argv.index("--cpus") + 1], argv[argv.index("--memory") + 1]) == ("1.5", "4g")
    assert [word for word in argv if word.startswith(f"{tmp_path / 'work'}:/workspace:")]
    assert [word for word in argv if word.startswith(f"{tmp_path / 'shared'}:/shared:")]
    assert f"dossier.meta_path={tmp_path / 'about.json'}" in argv
    assert [word for word in argv if word.startswith("seccomp=") and "debug" in word and "perf" in word]
    prepared = {"env": {}, "volumes": (), "image": IMAGE, "command": ["true"], "task_dir": tmp_path}
    rules = {
        "project_allow": ["+ one.example.org:443"],
        "override": ['+ 10.0.0.7:5432 %reason="db" %expires=2099-01-01'],
    }
    host.runner.launch_prepared(
        name="own-1", cpus="2.0", dossier_path=str(tmp_path / "about.json"), **rules, **prepared
    )
    assert host.runtime.plans[1].argv[host.runtime.plans[1].argv.index("--cpus") + 1] == "2"
    tiers = Sidecar.load(host.config.sidecar_path("own-1")).shield.tiers
    assert (tiers.project_allow, len(tiers.override)) == (("+ one.example.org:443",), 1)
    with pytest.raises(RequestError, match="capability 'net_admin' cannot be granted"):
        host.runner.run_headless("claude", str(host.repo), prompt="x", caps=["net_admin"])
    with pytest.raises(RequestError, match="invalid number of CPUs 'many'"):
        host.runner.launch_prepared(name="own-2", cpus="many", **prepared)


def test_a_run_takes_limits_and_ssh_keys_from_its_flags_and_the_rest_from_the_configuration(host: Host) -> None:
    configured = replace(
        host.config.budget, task=Limits(tokens=5, requests=7), project=Limits(cost_usd=9.0), day=Limits(cost_usd=20)
    )
    host.runner.sandbox.config = replace(host.config, budget=configured)
    host.runner.start(host.request(budget=("cost=2.5", "tokens=100"), ssh_scope="work"))
    vault = json.loads(host.config.sidecar_path("task-1").read_text())["vault"]
    assert vault["ssh_scope"] == "work"
    (said,) = [line for line in host.said if "SSH key" in line]
    assert "sandbox ssh add work" in said
    limits = vault["usage"]["task_limits"]
    assert (limits["cost_usd"], limits["tokens"], limits["requests"]) == (2.5, 100, 7)
    assert vault["usage"]["project_limits"]["cost_usd"] == 9.0 and vault["usage"]["day_limits"]["cost_usd"] == 20
    host.runner.remove("task-1")
    host.runner.start(host.request())
    vault = json.loads(host.config.sidecar_path("task-1").read_text())["vault"]
    assert vault["usage"]["task_limits"]["tokens"] == 5
    assert not vault.get("ssh_scope")
    for wrong in ("cost", "tokens=many", "apples=3", "requests=-1"):
        with pytest.raises(RequestError):
            host.runner.start(host.request(name="task-2", budget=(wrong,)))
    assert not task_dir("task-2").exists()
