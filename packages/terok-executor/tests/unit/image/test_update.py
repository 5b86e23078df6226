from __future__ import annotations

import json
from pathlib import Path

import pytest
from terok_executor.errors import BuildError
from terok_executor.image.lock import Lock
from terok_executor.image.update import find_moves, pin, write_moves
from terok_executor.roster.loader import load_agents

AGENTS = load_agents(Path("/nonexistent"))
SUM = "sha512-" + "B" * 86 + "=="


def ask(package: str, field: str) -> str:
    return "9.9.9" if field == "version" else "" if "arm64" in package else SUM


def test_an_agent_moves_to_what_its_registry_names_and_its_checksums_move_along(tmp_path: Path) -> None:
    agents = [AGENTS["codex"], AGENTS["demo"], AGENTS["vibe"]]
    moves = find_moves(agents, ask)
    assert [(move.agent, move.newest) for move in moves] == [("codex", "9.9.9")]
    sums = pin(agents, {"codex": "9.9.9"}, ask)
    assert sums == {"@openai/codex@9.9.9-linux-x64": SUM}
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents" / "codex.yaml").write_text("# mine\ninstall:\n  version: 1.0.0 # pinned\n")
    old = Lock({"@openai/codex@1.0.0-linux-x64": SUM, "other@1": SUM})
    write_moves(tmp_path, moves, sums, old)
    text = (tmp_path / "agents" / "codex.yaml").read_text()
    assert "# mine" in text
    assert "version: 9.9.9 # pinned" in text
    assert json.loads((tmp_path / "lock.json").read_text())["npm"] == {"other@1": SUM, **sums}
    assert load_agents(tmp_path / "agents")["codex"].install.version == "9.9.9"


def test_nothing_moves_when_all_is_newest() -> None:
    assert find_moves([AGENTS["pi"]], lambda _package, _field: AGENTS["pi"].install.version) == []


@pytest.mark.parametrize("answer", ["", "not a version", "1; rm"])
def test_a_registry_that_says_nothing_usable_is_an_error(answer: str) -> None:
    with pytest.raises(BuildError):
        find_moves([AGENTS["pi"]], lambda _package, _field: answer)


def test_an_agent_without_any_checksum_is_an_error() -> None:
    with pytest.raises(BuildError):
        pin([AGENTS["pi"]], {}, lambda _package, _field: "")
