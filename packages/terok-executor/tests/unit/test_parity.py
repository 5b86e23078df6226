"""The forms that published documents promise to programs, each by one test; `docs/developer/parity.md` has the rest."""

from __future__ import annotations

import inspect
import subprocess
from dataclasses import fields
from pathlib import Path

import pytest
import terok_executor
from terok_executor import (
    AgentConfigSpec,
    AgentRunner,
    Authenticator,
    BuildError,
    ImageBuilder,
    ImageSet,
    Preflight,
    RequestError,
    authenticate,
    extract_credential,
    parse_md_agent,
    resolve_instructions,
    resolve_provider_value,
    scan_leaked_credentials,
    store_api_key,
)
from terok_sandbox import FakeRuntime, FakeSupervisor, Sandbox, SandboxConfig, open_vault
from terok_util import TerokError

IMAGE = "localhost/image"
KEY = "sk-ant-api03-a-real-key-of-a-person"


@pytest.fixture
def config(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> SandboxConfig:
    root = tmp_path_factory.mktemp("r")
    monkeypatch.setenv("TEROK_ROOT", str(root))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    (root / "run").mkdir(mode=0o700)
    return SandboxConfig()


@pytest.fixture
def runtime() -> FakeRuntime:
    return FakeRuntime(images={IMAGE: {}})


@pytest.fixture
def runner(config: SandboxConfig, runtime: FakeRuntime) -> AgentRunner:
    store_api_key("anthropic", KEY, config=config)
    sandbox = Sandbox(config, runtime=runtime, supervision=FakeSupervisor())
    return AgentRunner(sandbox=sandbox, image=IMAGE, on_line=lambda line: None)


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    path = tmp_path / "repo"
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@x"]
    subprocess.run([*git, "init", "-q", "-b", "main", str(path)], check=True)
    subprocess.run([*git, "-C", str(path), "commit", "-q", "--allow-empty", "-m", "first"], check=True)
    return path


PARAMETERS = {
    AgentRunner.run_headless: "provider repo prompt max_turns timeout follow hooks",
    AgentRunner.run_interactive: "provider repo hooks",
    AgentRunner.run_web: "repo port public_url hooks",
    AgentRunner.run_tool: "tool repo tool_args follow hooks",
    AgentRunner.launch_prepared: "env volumes image command name task_dir hooks",
    AgentRunner.wait_for_exit: "container_name timeout",
    AgentRunner.logs: "container_name tail timestamps since",
    AgentRunner.capture_logs: "container_name dest timestamps timeout",
    AgentRunner.stream_logs_process: "container_name follow tail timestamps merge_stderr",
    ImageBuilder: "base_image family",
    ImageBuilder.build_base: "agents rebuild full_rebuild build_dir",
    ImageBuilder.build_sidecar: "tool_name",
    ImageBuilder.ensure_default_l1: "agents",
    ImageBuilder.l1_tag: "agents",
    ImageBuilder.render_l1_sidecar: "tool_name",
    Authenticator: "name",
    Preflight: "provider base_image family credential_set",
    authenticate: "project_id provider mounts_dir image",
    store_api_key: "provider key credential_set",
    extract_credential: "provider base_dir",
    scan_leaked_credentials: "mounts_base",
    resolve_instructions: "config provider project_root",
    resolve_provider_value: "key config provider",
    parse_md_agent: "path",
    terok_executor.build_base_images: "base_image family agents rebuild full_rebuild build_dir",
    terok_executor.build_sidecar_image: "base_image family tool_name",
}


@pytest.mark.parametrize("function", PARAMETERS, ids=lambda function: function.__qualname__)
def test_parameters_have_the_published_names(function: object) -> None:
    names = list(inspect.signature(function).parameters)  # type: ignore[arg-type]
    assert set(PARAMETERS[function].split()) <= set(names)  # type: ignore[index]


def test_a_run_takes_limits_and_paths_as_text(
    runner: AgentRunner, runtime: FakeRuntime, repo: Path, tmp_path: Path
) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "about.json").write_text("{}")
    name = runner.run_headless(
        "claude",
        str(repo),
        prompt="do it",
        name="task-1",
        memory="1g",
        cpus="2.0",
        shared_dir=str(tmp_path / "shared"),
        dossier_path=str(tmp_path / "about.json"),
    )
    assert name == "task-1"
    (plan,) = runtime.plans
    words = " ".join(plan.argv)
    assert "--memory" in words and "--cpus" in words and f"{tmp_path / 'shared'}:/shared" in words
    with pytest.raises(RequestError, match="invalid number of CPUs"):
        runner.run_headless("claude", str(repo), prompt="do it", cpus="many")
    same = runner.run_headless("claude", str(repo), prompt="x", name="task-2", shared_dir=tmp_path / "shared")
    assert same == "task-2"


def test_waiting_tells_a_time_out_from_a_failure_and_from_124(
    runner: AgentRunner, runtime: FakeRuntime, repo: Path
) -> None:
    runner.run_headless("claude", str(repo), prompt="x", name="task-1")
    with pytest.raises(TimeoutError):
        runner.wait_for_exit("task-1", timeout=0.01)
    runtime.finish("task-1", exit_code=124)
    assert runner.wait_for_exit(container_name="task-1") == 124
    with pytest.raises(RuntimeError):
        runner.wait_for_exit("nobody", timeout=1)


def test_logs_of_nobody_are_a_runtime_error_and_captured_ones_are_there_whole_or_not(
    runner: AgentRunner, tmp_path: Path
) -> None:
    with pytest.raises(RuntimeError):
        runner.logs("nobody")
    for place in (tmp_path / "log", str(tmp_path / "missing" / "log")):
        assert runner.capture_logs("nobody", place) is False
    assert list(tmp_path.iterdir()) == []


def test_errors_are_those_that_libraries_catch(runner: AgentRunner, runtime: FakeRuntime, tmp_path: Path) -> None:
    assert issubclass(BuildError, RuntimeError)
    prepared = {"env": {}, "volumes": (), "image": IMAGE, "command": ["true"], "task_dir": tmp_path}
    with pytest.raises(BuildError, match="GPU"):
        runner.launch_prepared(name="own-1", gpu=True, **prepared)  # type: ignore[arg-type]
    runner.sandbox.config.sidecar_path("own-2").parent.parent.mkdir(parents=True, exist_ok=True)
    runner.sandbox.config.sidecar_path("own-2").parent.write_text("in the way")
    with pytest.raises(TerokError):
        runner.launch_prepared(name="own-2", **prepared)  # type: ignore[arg-type]
    assert runtime.plans == [], "without its sidecar a container is not launched"


def test_a_set_of_images_is_made_by_position_and_images_are_found_by_name() -> None:
    images = ImageSet("l0", "l1", "sidecar")
    assert (images.l0, images.l1, images.l1_sidecar) == ("l0", "l1", "sidecar")
    builder = ImageBuilder("debian:trixie")
    assert builder.l0_tag() == terok_executor.l0_image_tag("debian:trixie")
    assert builder.l1_tag(["claude"]) == terok_executor.l1_image_tag("debian:trixie", ["claude"])
    assert builder.l1_tag() == terok_executor.l1_image_tag("debian:trixie")
    assert builder.l1_sidecar_tag() == terok_executor.l1_sidecar_image_tag("debian:trixie", "coderabbit")
    assert "coderabbit" in builder.render_l1_sidecar("coderabbit").containerfile
    known = {base: terok_executor.known_family(base) for base in ("fedora:44", "ubuntu:24.04", "alpine:3")}
    assert known == {"fedora:44": "rpm", "ubuntu:24.04": "deb", "alpine:3": None}


def test_a_setting_is_flat_or_by_provider_and_null_falls_back_to_the_default() -> None:
    config = {"model": {"codex": "own", "pi": None, "_default": "usual"}, "timeout": 60}
    values = [resolve_provider_value("model", config, name) for name in ("codex", "pi", "claude")]
    assert values == ["own", "usual", "usual"]
    assert resolve_provider_value("timeout", config, "pi") == 60
    assert terok_executor.resolve_agent_value is resolve_provider_value


def test_a_sub_agent_s_file_is_a_mapping(tmp_path: Path) -> None:
    file = tmp_path / "helper.md"
    assert parse_md_agent(file) == {}
    file.write_text("Only a prompt.\n")
    assert parse_md_agent(str(file)) == {"prompt": "Only a prompt.\n"}
    file.write_text("---\nname: helper\ntools: [a, b]\n---\nHelp.\n")
    assert parse_md_agent(file) == {"name": "helper", "tools": ["a", "b"], "prompt": "Help.\n"}


def test_a_task_s_directory_is_described_by_lists_too(tmp_path: Path) -> None:
    helper = {"name": "helper", "description": "helps", "prompt": "Help."}
    spec = AgentConfigSpec(
        tasks_root=tmp_path,
        task_id="t",
        subagents=[helper],  # type: ignore[arg-type]
        selected_agents=["helper"],  # type: ignore[arg-type]
        prompt="do it",
        provider="claude",
        instructions=None,
        default_agent="helper",
        mounts_base=tmp_path,
    )
    assert (spec.subagents, spec.selected_agents) == ((helper,), ("helper",))
    with pytest.raises(TypeError):
        AgentConfigSpec(tmp_path)  # type: ignore[call-arg, misc]


def test_instructions_are_a_setting_and_a_file_of_the_project(tmp_path: Path) -> None:
    (tmp_path / "instructions.md").write_text("Of the project.\n")
    config = {"instructions": {"claude": "For one.", "_default": "For all."}}
    assert resolve_instructions(config, "claude", tmp_path) == "For one.\n\nOf the project.\n"
    assert resolve_instructions(config, "codex") == "For all.\n"


def test_configuration_is_a_stack_of_scopes() -> None:
    stack = terok_executor.ConfigStack()
    stack.push(terok_executor.ConfigScope("global", None, {"image": {"agents": "all", "family": "deb"}}))
    stack.push(terok_executor.ConfigScope("project", None, {"image": {"agents": "claude"}}))
    assert stack.resolve() == {"image": {"agents": "claude", "family": "deb"}}
    assert stack.resolve_section("image") == {"agents": "claude", "family": "deb"}


def test_a_key_is_stored_without_asking_and_a_sign_in_goes_by_the_provider_s_ways(config: SandboxConfig) -> None:
    store_api_key("claude", KEY, config=config)
    store_api_key(provider="mistral", key="a-key-of-thirty-two-characters-xx", credential_set="second", config=config)
    with open_vault(config) as vault:
        assert vault.load_credential("default", "anthropic") == {"type": "api_key", "key": KEY}
        assert vault.load_credential("second", "mistral") is not None
    assert '"mistral"' in config.routes_path.read_text()
    assert (
        authenticate(None, "mistral", image=IMAGE, read_key=lambda provider: "another-key-of-30-characters-xx") is None
    )
    with pytest.raises(RequestError, match="nobody to ask"):
        authenticate(None, "mistral", image=IMAGE)
    session = authenticate("project", "claude", image=IMAGE)
    assert session is not None and session.state == "new"
    assert authenticate(None, "claude", image=IMAGE, choose=lambda ways: ways[0]) is not None
    modes = {name: one.modes for name, one in terok_executor.AUTH_PROVIDERS.items()}
    assert (modes["anthropic"], modes["mistral"]) == (("oauth", "api_key"), ("api_key",))
    assert [one.name for one in fields(terok_executor.AuthProvider)][:5] == [
        "name", "label", "host_dir_name", "container_mount", "command",
    ]  # fmt: skip


def test_a_sign_in_s_files_are_read_and_leaks_found_below_a_directory(config: SandboxConfig, tmp_path: Path) -> None:
    file = tmp_path / ".credentials.json"
    file.write_text('{"claudeAiOauth": {"accessToken": "a-t", "refreshToken": "r-t", "expiresAt": 1900000000000}}')
    found = extract_credential("anthropic", tmp_path)
    assert (found["type"], found["access_token"]) == ("oauth", "a-t")
    store_api_key("anthropic", KEY, config=config)
    (tmp_path / "left").write_text(f"key={KEY}\n")
    assert scan_leaked_credentials(tmp_path, config=config) == [("anthropic", tmp_path / "left")]


def test_a_preflight_says_whether_a_run_would_start(config: SandboxConfig) -> None:
    preflight = Preflight(provider="claude")
    assert preflight.run() is False, "nothing is set up here"
    for name in ("podman", "git", "sandbox", "images", "credentials", "shield", "ssh_key"):
        assert callable(getattr(preflight, f"check_{name}"))


def test_the_roster_is_there_by_its_published_names(config: SandboxConfig) -> None:
    roster = terok_executor.AgentRoster.shared()
    assert terok_executor.get_roster() is roster is terok_executor.AgentRoster.shared()
    assert terok_executor.load_roster() is not roster
    assert terok_executor.AGENTS is terok_executor.HEADLESS_PROVIDERS is roster.agents
    assert terok_executor.AGENT_NAMES == terok_executor.PROVIDER_NAMES == tuple(roster.agents)
    assert terok_executor.get_agent().name == "claude"
    assert terok_executor.get_agent(default_agent="codex").name == "codex"
    assert terok_executor.get_provider("pi", default_agent="codex").name == "pi"
    assert terok_executor.credential_provider("claude") == "anthropic"
    assert terok_executor.ensure_proxy_routes(config).read_text() == roster.generate_routes_json()
    assert terok_executor.collect_all_auto_approve_env() == roster.collect_all_auto_approve_env()
    assert terok_executor.collect_opencode_provider_env() == roster.collect_opencode_provider_env()
    assert terok_executor.sidecar_specs()["coderabbit"].env_map == {"CODERABBIT_API_KEY": "key"}
    assert terok_executor.providers_config_dir().name == "providers"
    agent = {"speaks": {"openai-chat": {}}, "provider": {"default": "p", "token_env": {"_default": "K"}}}
    checked = terok_executor.RawAgentYaml.model_validate(
        {**agent, "name": "a", "label": "A", "binary": "a", "git_identity": {"name": "A"}, "help": {}}
    )
    assert checked.root.build_headless_command(timeout=9)[-1] == "a"
