from __future__ import annotations

from pathlib import Path

import pytest
from terok_executor.credentials import store_key
from terok_executor.errors import RosterError
from terok_executor.roster.loader import load_agents, load_providers
from terok_executor.roster.roster import AgentRoster
from terok_executor.runner.preflight import Preflight
from terok_sandbox import SandboxConfig
from terok_util.process import ToolNotFound

NONE = Path("/nonexistent")
ROSTER = AgentRoster(load_agents(NONE), load_providers(NONE))


@pytest.fixture
def preflight(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Preflight:
    root = tmp_path_factory.mktemp("r")
    monkeypatch.setenv("TEROK_ROOT", str(root))
    (root / "run").mkdir(mode=0o700)
    tool = tmp_path / "podman"
    tool.write_text("#!/bin/sh\nexit 1\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return Preflight("claude", roster=ROSTER)


def test_a_bare_host_is_told_every_command_it_needs(preflight: Preflight) -> None:
    checks = {check.name: check for check in preflight.results()}
    assert [name for name, check in checks.items() if check.ok] == ["podman", "git", "shield"]
    assert checks["sandbox"].fix == "terok-executor setup"
    assert checks["credential"].fix == "terok-executor auth anthropic"
    assert checks["image"].fix == "terok-executor build claude"
    assert not checks["image"].needed


def test_a_stored_credential_is_found(preflight: Preflight) -> None:
    store_key(SandboxConfig(), ROSTER.provider("anthropic"), "sk-ant-api03-key")
    check = preflight.check_credentials()
    assert check.ok
    assert check.message == "Anthropic: api key in set default"


def test_an_ssh_key_is_looked_for_and_not_needed(preflight: Preflight) -> None:
    store_key(SandboxConfig(), ROSTER.provider("anthropic"), "sk-ant-api03-key")
    check = preflight.check_ssh_key()
    assert (check.ok, check.needed, check.fix) == (False, False, "terok-executor sandbox ssh add standalone")
    assert not preflight.run(), "the sandbox is not set up"


def test_without_podman_nothing_else_is_asked(preflight: Preflight, monkeypatch: pytest.MonkeyPatch) -> None:
    def not_found(name: str) -> str:
        raise ToolNotFound(name)

    monkeypatch.setattr("terok_executor.image.podman.find_tool", not_found)
    (check,) = preflight.results()
    assert not check.ok
    assert check.needed


def test_an_agent_and_a_provider_that_do_not_fit_are_an_error() -> None:
    with pytest.raises(RosterError):
        Preflight("claude", bound_provider="openai", roster=ROSTER)
