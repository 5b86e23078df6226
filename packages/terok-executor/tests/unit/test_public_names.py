"""The names that programs and the layers above rely on."""

from __future__ import annotations

from pathlib import Path

import pytest
import terok_executor
from terok_executor import (
    Agent,
    AgentConfigSpec,
    AgentRoster,
    HelpSpec,
    ImageBuilder,
    SubAgent,
    prepare_agent_config_dir,
)
from terok_executor.errors import RequestError, RosterError
from terok_executor.launch.instructions import read_subagent
from terok_executor.roster.loader import load_agents, load_providers, load_tools

PROMISED = """
AgentRunner ImageBuilder ImageSet BuildError DEFAULT_BASE_IMAGE AgentRoster AgentProvider AuthProvider InstallSpec
HelpSpec RawAgentYaml
SidecarSpec MountDef VaultRoute ProviderConfig CLIOverrides AGENT_PROVIDERS resolve_provider_value resolve_instructions
AgentConfigSpec prepare_agent_config_dir parse_md_agent Authenticator AuthSession authenticate store_api_key
extract_credential scan_leaked_credentials ConfigPatchError VaultLocation ContainerEnvSpec ContainerEnvResult
assemble_container_env seed_workspace_from_clone_cache mounts_dir
write_supervisor_sidecar inject_prompt Preflight CheckResult
ensure_sandbox_ready KrunHost KrunHostKeypair TaskStorageInfo SharedMountStorageInfo agent_doctor_checks
ExecutorConfigView RawImageSection COMMANDS VAULT_COMMANDS
"""
METHODS = {
    terok_executor.AgentRunner: """sandbox runtime roster run_headless run_interactive run_web run_tool launch_prepared
        wait_for_exit logs capture_logs stream_logs_process""",
    ImageBuilder: """build_base build_sidecar ensure_default_l1 l0_tag l1_tag l1_sidecar_tag render_l0 render_l1
        detect_family image_agents stage_scripts stage_tmux_config stage_toad_agents""",
    AgentRoster: """shared agents providers auth_providers vault_routes sidecars installs helps mounts
        generate_routes_json ensure_vault_routes doctor_checks
        collect_all_auto_approve_env collect_opencode_provider_env""",
    Agent: "apply_config build_headless_command",
}


def test_every_promised_name_is_exported_and_there() -> None:
    assert set(PROMISED.split()) <= set(terok_executor.__all__)
    for name in terok_executor.__all__:
        assert getattr(terok_executor, name) is not None, name
    missing = [(owner.__name__, name) for owner, names in METHODS.items() for name in names.split()
               if not hasattr(owner, name) and name not in getattr(owner, "__dataclass_fields__", {})]  # fmt: skip
    assert missing == []
    source = Path(terok_executor.__file__).read_text()
    namespace = {"__name__": "terok_executor", "__package__": "terok_executor"}
    exec(source.replace("with lazy_imports(globals()):", "if True:"), namespace)
    assert [name for name in terok_executor.__all__ if namespace.get(name) is not getattr(terok_executor, name)] == []


def test_what_a_roster_says_of_all_it_knows(tmp_path: Path) -> None:
    nowhere = tmp_path / "none"
    roster = AgentRoster(load_agents(nowhere), load_providers(nowhere), load_tools(nowhere))
    assert roster.agent("claude").build_headless_command(timeout=60, model="opus")[:2] == (
        "/usr/local/bin/terok-init",
        "timeout",
    )
    assert "demo" not in roster.auth_providers  # it has no upstream
    assert "coderabbit" in roster.sidecars
    assert roster.helps["claude"] == HelpSpec("Anthropic's coding agent", "agent")
    assert {roster.helps[name].section for name in ("gh", "sonar", "coderabbit")} == {"dev_tool"}
    assert [one.name for one in roster.select("all,-pi")] == sorted(set(roster.agents) - {"pi"})
    assert len({mount.host_dir for mount in roster.mounts}) == len(roster.mounts) > 7
    assert roster.vault_routes["anthropic"].placement_for("oauth").prefix == "Bearer "
    assert '"anthropic": {' in roster.generate_routes_json()
    env = roster.collect_opencode_provider_env()
    assert env["TEROK_OC_OPENROUTER_BASE_URL"] == "https://openrouter.ai/api/v1"
    assert not any("ANTHROPIC" in name for name in env)
    assert roster.collect_all_auto_approve_env()["COPILOT_ALLOW_ALL"] == "true"
    (tmp_path / "other.yaml").write_text(
        "speaks: {openai-chat: {}}\nprovider: {default: mistral, token_env: {_default: X}}\n"
        "auto_approve: {env: {COPILOT_ALLOW_ALL: 'false'}}\n"
    )
    with pytest.raises(RosterError, match="COPILOT_ALLOW_ALL"):
        AgentRoster(load_agents(tmp_path), roster.providers).collect_all_auto_approve_env()


def test_a_task_s_directory_has_prompt_instructions_and_sub_agents(tmp_path: Path) -> None:
    helper = SubAgent("helper", "helps", "---\ndescription: helps\n---\n")
    spec = AgentConfigSpec(tasks_root=tmp_path, task_id="t1", prompt="do", instructions="be kind", subagents=(helper,))
    directory = prepare_agent_config_dir(spec)
    assert directory == tmp_path / "t1" / "home"
    found = {str(path.relative_to(directory)): path.read_text() for path in directory.rglob("*") if path.is_file()}
    assert found == {"prompt.txt": "do", "instructions.md": "be kind", "agents/helper.md": helper.text}
    plain = {"name": "plain", "description": "as a mapping", "prompt": "Look.\n"}
    narrowed = AgentConfigSpec(tasks_root=tmp_path, task_id="t2", subagents=[helper, plain], selected_agents=["plain"])
    (file,) = (prepare_agent_config_dir(narrowed) / "agents").iterdir()
    assert read_subagent(file) == SubAgent("plain", "as a mapping", file.read_text())
    assert file.read_text().endswith("---\nLook.\n")
    with pytest.raises(RequestError, match="empty"):
        prepare_agent_config_dir(AgentConfigSpec(tasks_root=tmp_path, task_id="t1", prompt=" "))
