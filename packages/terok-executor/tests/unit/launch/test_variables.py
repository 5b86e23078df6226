"""Environment variables that the caller of a run sets."""

from __future__ import annotations

import json

import pytest
from terok_executor.credentials import store_key
from terok_executor.errors import RequestError
from terok_executor.image.builder import ImageBuilder
from terok_executor.paths import task_dir
from terok_sandbox.errors import SpecError

from .conftest import KEY, Host


def test_a_variable_of_the_caller_s_reaches_the_container_and_no_argument(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FROM_HERE", "its value")
    request = host.request(env=["PLAIN=a=b", "EMPTY=", "FROM_HERE"])
    host.runner.start(request)
    env = dict(line.split("=", 1) for line in host.envs[0].splitlines())
    assert (env["PLAIN"], env["EMPTY"], env["FROM_HERE"]) == ("a=b", "", "its value")
    kept = [json.dumps(host.runtime.plans[0].argv), repr(request), *host.said]
    kept.append((task_dir("task-1") / "run.json").read_text())
    assert not [text for text in kept if "its value" in text]
    host.runner.run_headless("claude", str(host.repo), prompt="x", name="task-2", env={"PLAIN": "c"})
    assert "PLAIN=c" in host.envs[1].splitlines()


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("NOT_SET_ANYWHERE", "is not set here"),
        ("1X=secret-text", "invalid variable name '1X'"),
        ("A B=secret-text", "invalid variable name"),
        ("TEROK_DELIVER=secret-text", "set by terok itself"),
        ("LD_PRELOAD=secret-text", "set by terok itself"),
        ("https_proxy=secret-text", "set by terok itself"),
        ("GIT_CONFIG_COUNT=secret-text", "set by terok itself"),
        ("DISABLE_AUTOUPDATER=secret-text", "set by terok itself"),
        ("ANTHROPIC_API_KEY=secret-text", "come from the vault"),
        ("OPENAI_API_KEY=secret-text", "come from the vault"),
        ("ANTHROPIC_BASE_URL=secret-text", "come from the vault"),
        ("GH_TOKEN=secret-text", "come from the vault"),
        (f"MINE=x{KEY}y", "contains a secret of the vault: anthropic, set default"),
        ("MINE=secret-text\nB=c", "more than one line"),
    ],
)
def test_a_variable_that_would_defeat_a_wall_is_refused_before_anything_is_built(
    host: Host, monkeypatch: pytest.MonkeyPatch, setting: str, message: str
) -> None:
    monkeypatch.setattr(host.runner, "_image", None)
    monkeypatch.setattr(ImageBuilder, "ensure_default_l1", lambda *_: pytest.fail("an image is built"))
    with pytest.raises((RequestError, SpecError), match=message) as caught:
        host.runner.start(host.request(env=[setting]))
    assert caught.value.exit_code == 2
    assert "secret-text" not in str(caught.value) and KEY not in str(caught.value)


def test_no_variable_that_a_container_is_given_can_be_overwritten(host: Host) -> None:
    store_key(host.config, host.runner.roster.provider("github"), "ghp_" + "r" * 36)
    host.runner.start(host.request(tools=("gh",), shared_dir=host.repo, timezone="UTC", authorship="human-agent",
                                   human_name="Ann", human_email="ann@x"))  # fmt: skip
    names = [line.partition("=")[0] for line in host.envs[0].splitlines()]
    for name in names:
        with pytest.raises(RequestError, match=f"the variable {name} "):
            host.runner.start(host.request(name="task-2", tools=("gh",), env=[f"{name}=x"]))
    assert len(names) > 20
