"""Reviews with real containers: checks, comments that reach the agent, rounds, and what goes upstream."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from product import COMMIT, make_project, remove_containers
from support import Shell
from terok.stub import Script, running_stub


@pytest.fixture
def project(ready: Shell, repository: Path) -> Iterator[str]:
    """Make a project of the repository, and remove its tasks' containers afterwards."""
    name = make_project(ready, repository)
    yield name
    remove_containers(ready, name)


@pytest.fixture
def reviewed(
    ready: Shell, base_image: str, real_key: str, upstream: Callable[[str, str], None], project: str
) -> Iterator[str]:
    """Give a task of the demo agent that has pushed one commit."""
    with running_stub(Script((COMMIT,)), api_key=real_key) as provider:
        upstream("demo", provider.url)
        ready("terok", "task", "run", project, "Add a line to the README", timeout=600)
        yield ready("terok", "task", "list", f"p:{project}", "--json").json()[0]["short"]


def test_checks_run_apart_and_end(ready: Shell, reviewed: str) -> None:
    tip = ready("terok", "review", reviewed, "--json").json()["tip"]
    passed = ready("terok", "review", reviewed, "--check", "grep agent README.md; git rev-parse HEAD; env", timeout=300)
    assert "A line by the agent." in passed.out
    assert tip in passed.out
    assert "phantom" not in passed.out.lower()
    assert "TOKEN" not in passed.out
    failed = ready("terok", "review", reviewed, "--check", "echo no >&2; exit 3", "--json", code=1, timeout=300).json()
    assert (failed["state"], failed["exit_code"], failed["output"]) == ("failed", 3, "no\n")
    late = ready(
        "terok", "review", reviewed, "--check", "trap '' TERM; sleep 600", "--timeout", "2", code=1, timeout=300
    )
    assert "timed out" in late.out
    flood = ready("terok", "review", reviewed, "--check", "yes flood", "--json", code=1, timeout=300).json()
    assert flood["state"] == "too much output"
    assert len(flood["output"]) < 100_000 < flood["left_out"]
    names = ready("podman", "ps", "-a", "--format", "{{.Names}}").out
    assert "-check" not in names
    shown = ready("terok", "review", reviewed, "--json").json()["checks"]
    assert [check["state"] for check in shown] == ["passed", "failed", "timed out", "too much output"]
    assert {check["tip"] for check in shown} == {tip}
