from __future__ import annotations

import json
from pathlib import Path

import pytest
from terok_executor.errors import RosterError
from terok_executor.image.lock import Lock, load_lock, package_names, parse_lock, pip_requirements
from terok_executor.roster.loader import load_agents, load_tools

AGENTS = load_agents(Path("/nonexistent"))
TOOLS = load_tools(Path("/nonexistent"))
SUM = "sha512-" + "A" * 86 + "=="


@pytest.mark.attack("SUP-1")
def test_every_bundled_package_has_a_pinned_checksum() -> None:
    lock = load_lock(Path("/nonexistent"))
    wanted = {
        name
        for agent in AGENTS.values()
        if agent.install.npm
        for name in package_names(agent.install.npm, agent.install.version, "x64")
    }
    adapters = {name for agent in AGENTS.values() if agent.acp for name in agent.acp.packages}
    assert wanted | adapters <= set(lock.npm)
    # Toad needs a newer Python than any base of ours has; nothing can be resolved for it there.
    for agent in (one for one in (*AGENTS.values(), *TOOLS.values()) if one.name != "toad"):
        if agent.install.pip:
            files = lock.pip_files(pip_requirements(agent.install.pip, agent.install.version))
            assert "x86_64-3.13" in files, f"{agent.name} is not pinned: `terok-executor agents update {agent.name}`"


def test_a_user_s_lock_is_merged_over_the_bundled_one(tmp_path: Path) -> None:
    path = tmp_path / "lock.json"
    path.write_text(Lock({"x@1": SUM}).text())
    lock = load_lock(path)
    assert lock.npm["x@1"] == SUM
    assert len(lock.npm) > 1


def test_packages_are_listed_by_architecture_and_unknown_ones_without_a_checksum() -> None:
    stage = AGENTS["codex"].install.npm
    assert stage is not None
    lock = Lock({"@openai/codex@1-linux-x64": SUM})
    assert lock.packages(stage, "1") == {
        "x64": {"@openai/codex@1-linux-x64": SUM},
        "arm64": {"@openai/codex@1-linux-arm64": None},
    }


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"[" * 100_000,
        b'{"npm": []}',
        b'{"npm": {"x": "md5"}}',
        b'{"npm": {}, "y": 1}',
        b'{"pip": []}',
        b'{"files": {"https://x/y": "md5:1"}}',
        b'{"files": []}',
        b'{"pip": {"x==1": {"a": {"y==1": "md5:1"}}}}',
        b'{"pip": {"x==1": {"../a": {}}}}',
        b'{"pip": {"x==1": {"a-1": {"y==1\\n--index-url=z": "sha256:0"}}}}',
    ],
)
def test_a_damaged_lock_is_an_error(content: bytes) -> None:
    with pytest.raises(RosterError):
        parse_lock("lock.json", content)


def test_the_bundled_lock_is_sorted() -> None:
    lock = load_lock(Path("/nonexistent"))
    assert list(json.loads(lock.text())["npm"]) == sorted(lock.npm)
