from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from terok.demo import run
from terok.demo.stage import DemoOptions
from terok.errors import DemoError
from terok_executor import AgentRoster
from terok_util import FileLock, LockTimeout, TerokError


def test_a_live_run_needs_a_key_and_takes_it_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    roster = AgentRoster.load()
    for name, variable, provider in (("demo", "ANTHROPIC_API_KEY", "anthropic"), ("codex", "OPENAI_API_KEY", "openai")):
        agent = roster.agent(name)
        monkeypatch.delenv(variable, raising=False)
        with pytest.raises(DemoError, match=variable):
            run._key(agent, live=True)
        monkeypatch.setenv(variable, " real \n")
        assert run._key(agent, live=True) == "real"
        assert run._key(agent, live=False) != run._key(agent, live=False)
        assert run._live_provider(roster, agent) == provider


def test_the_stub_speaks_the_language_of_every_agent() -> None:
    known = AgentRoster.load()
    stub = replace(known.provider("demo"), upstream="http://127.0.0.1:1", serves=run.STUB_SERVES)
    roster = replace(known, providers={**known.providers, "demo": stub})
    assert all(roster.bind(agent, "demo") == stub for agent in roster.agents.values())


def test_an_unknown_agent_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEROK_ROOT", str(tmp_path))
    monkeypatch.setattr(run.tempfile, "mkdtemp", lambda prefix: pytest.fail("made a directory too early"))
    with pytest.raises(TerokError, match="nosuch"):
        run.run_demo(DemoOptions(agent="nosuch"), lambda line: None)
    assert not (tmp_path / "state" / "vault").exists()


def test_one_demonstration_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEROK_ROOT", str(tmp_path))
    state = tmp_path / "state" / "sandbox"
    state.mkdir(parents=True)
    with FileLock(state / "demo.lock", timeout=0), pytest.raises(LockTimeout):
        run.run_demo(DemoOptions(), lambda line: None)


def test_the_scratch_directory_goes_unless_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run.tempfile, "tempdir", str(tmp_path))
    with run._scratch(keep=False) as gone, run._scratch(keep=True) as kept:
        (gone / "file").touch()
    assert (gone.exists(), kept.exists()) == (False, True)
