"""Which agents there are and what they offer: with a real vault, and adapters of this host."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from local_container import LocalContainer
from terok_acp.errors import AgentBindError, ProbeError
from terok_acp.roster.acp_roster import ACPRoster, quirks_of
from terok_acp.roster.cache import FAILURE_SECONDS, AgentRosterCache, CacheKey
from terok_acp.roster.offer import Offer
from terok_acp.roster.signed_in import list_authenticated_agents
from terok_executor import AgentRoster, store_api_key
from terok_sandbox import FakeSupervisor, Sandbox, SandboxConfig

ADAPTER = """
import json, sys
def say(**frame): print(json.dumps({"jsonrpc": "2.0", **frame}), flush=True)
for line in sys.stdin:
    frame = json.loads(line)
    method = frame.get("method")
    if method == "initialize":
        can = {"sessionCapabilities": {"close": {}}}
        say(id=frame["id"], result={"protocolVersion": VERSION, "agentCapabilities": can})
    elif method == "session/new":
        say(method="session/update", params={"sessionId": "s", "update": {"sessionUpdate": "usage_update"}})
        say(id=99, method="fs/read_text_file", params={"sessionId": "s", "path": "/etc/passwd"})
        models = {"type": "select", "id": "m", "name": "Model", "category": "model", "currentValue": "b", "options": [
            {"group": name, "name": name, "options": [{"value": name, "name": name}]} for name in ("a", "b")]}
        say(id=frame["id"], result={"sessionId": "s", "configOptions": [models]})
    elif method:
        say(id=frame["id"], result={})
"""


def adapter(directory: Path, version: int = 1) -> str:
    script = directory / f"adapter{version}.py"
    script.write_text(ADAPTER.replace("VERSION", str(version)))
    return f"exec {sys.executable} {script}"


@pytest.fixture
def config(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> SandboxConfig:
    monkeypatch.setenv("TEROK_ROOT", str(root := tmp_path_factory.mktemp("r")))
    (root / "run").mkdir(mode=0o700)
    config = SandboxConfig()
    store_api_key("anthropic", "sk-ant-a-real-key", config=config)
    store_api_key("openai", "sk-another-real-key", config=config)
    return config


@pytest.fixture
def cache(tmp_path: Path) -> AgentRosterCache:
    return AgentRosterCache(tmp_path / "offers")


@pytest.fixture
def roster(local: LocalContainer, config: SandboxConfig, cache: AgentRosterCache) -> ACPRoster:
    local.labels["ai.terok.agents"] = "claude,codex,gemini"
    local.env |= {"TEROK_AGENT": "claude", "TEROK_PROVIDER": "anthropic"}
    sandbox = Sandbox(config, runtime=local, supervision=FakeSupervisor())  # type: ignore[arg-type]
    return ACPRoster("box", sandbox=sandbox, roster=AgentRoster.load(), cache=cache)


def test_agents_are_those_of_the_image_with_a_credential(roster: ACPRoster, config: SandboxConfig) -> None:
    assert [spec.agent for spec in roster.agents()] == ["claude", "codex"]
    store_api_key("google", "a-third-real-key", config=config)
    assert len(roster.agents()) == 2
    roster.refresh()
    assert [spec.agent for spec in roster.agents()] == ["claude", "codex", "gemini"]
    assert set(list_authenticated_agents(config)) == {"claude", "codex", "copilot", "gemini"}
    assert list_authenticated_agents(config, "no such set") == ()


def test_a_probe_asks_and_leaves_nothing(
    roster: ACPRoster, local: LocalContainer, tmp_path: Path, cache: AgentRosterCache
) -> None:
    local.program("claude", adapter(tmp_path))
    offer = roster.probe("claude")
    assert offer.models == ("a", "b")
    assert "sessionId" not in offer.session
    assert roster.offer("claude") == offer
    assert local.adapters() == []
    again = AgentRosterCache(tmp_path / "offers")
    key = roster._keys["claude"]
    assert again.get(key) == offer, "a later process knows it"
    assert again.get(key._replace(image_id="c2")) is None
    (file,) = (tmp_path / "offers").iterdir()
    assert file.stat().st_mode & 0o777 == 0o600


def test_an_agent_beside_the_container_s_own_is_equipped_once(
    roster: ACPRoster, local: LocalContainer, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    local.program("codex", f'echo "token $OPENAI_API_KEY key $ANTHROPIC_API_KEY" >{tmp_path}/seen; {adapter(tmp_path)}')
    local.env["ANTHROPIC_API_KEY"] = "phantom of the own agent"
    local.moved = ("/home/dev/", f"{home}/")
    assert roster.probe("codex").models == ("a", "b")
    _, token, _, *key = (tmp_path / "seen").read_text().split()
    assert token.startswith("sk-") and "real" not in token
    assert key == [], "what belongs to the container's own agent is not for it"
    assert (home / ".codex/config.toml").exists()
    before = (home / ".local/state/terok-adapters/codex.json").stat().st_mtime_ns
    roster.equip("codex")
    assert (home / ".local/state/terok-adapters/codex.json").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo broken >&2; exit 3", "ended before it answered initialize: broken"),
        ("echo noise; exec cat >/dev/null", "did not answer initialize in time"),
        ("VERSION 2", "speaks version 2"),
    ],
)
def test_a_failed_probe_says_why_and_counts_for_a_while(
    roster: ACPRoster, local: LocalContainer, tmp_path: Path, script: str, said: str
) -> None:
    local.program("claude", adapter(tmp_path, 2) if script == "VERSION 2" else script)
    with pytest.raises(ProbeError, match=said):
        roster.probe("claude", timeout=3)
    assert said in (roster.failure("claude") or "")
    local.program("claude", adapter(tmp_path))
    with pytest.raises(ProbeError, match=said):
        roster.probe("claude")
    assert local.adapters() == []


def test_what_cannot_be_used_is_refused(roster: ACPRoster, local: LocalContainer) -> None:
    for agent in ("gemini", "nobody"):
        with pytest.raises(ProbeError, match="cannot be used"):
            roster.probe(agent)
    local.problem = "nonsense"
    with pytest.raises(AgentBindError, match="cannot start adapters"):
        roster.equip("codex")


def test_failures_pass_and_damaged_files_are_none(tmp_path: Path) -> None:
    now = [0.0]
    cache = AgentRosterCache(tmp_path, clock=lambda: now[0])
    key, offer = CacheKey("image", "who", "one"), Offer("one", "One", {"protocolVersion": 1}, {})
    cache.failed(key, "no")
    assert cache.failure(key) == "no"
    now[0] = FAILURE_SECONDS
    assert cache.failure(key) is None
    cache.put(key, offer)
    (file,) = tmp_path.iterdir()
    for text in ("", "[]", "{", json.dumps({"key": ["other"], "offer": {}}), "[" * 100_000):
        file.write_text(text)
        assert AgentRosterCache(tmp_path).get(key) is None
    cache.invalidate_auth("who")
    assert len(cache) == 0


def test_a_free_run_begins_in_the_mode_that_does_not_ask() -> None:
    acp = AgentRoster.load().agent("codex").acp
    assert acp is not None
    assert quirks_of(acp, free=True).default_mode == "agent-full-access"
    assert quirks_of(replace(acp, default_mode="x"), free=False).default_mode == "x"
