"""The path of a new user: a key, a project, a task, its state, its work, and taking back what was deleted."""

from __future__ import annotations

import urllib.request
from collections.abc import Callable, Iterator
from http.cookiejar import CookieJar
from pathlib import Path

import pytest
from product import COMMIT, LEFT, make_project, remove_containers, tree
from support import Shell, Terminal
from terok.stub import Script, StubProvider, running_stub


@pytest.fixture
def stub(ready: Shell, base_image: str, real_key: str, upstream: Callable[[str, str], None]) -> Iterator[StubProvider]:
    """Give the demo agent a provider that plays one commit, and leaves something that is not committed."""
    with running_stub(Script((COMMIT, LEFT)), api_key=real_key) as provider:
        upstream("demo", provider.url)
        yield provider


@pytest.fixture
def project(ready: Shell, repository: Path) -> Iterator[str]:
    """Make a project of the repository, and remove its tasks' containers afterwards."""
    name = make_project(ready, repository)
    yield name
    remove_containers(ready, name)


def test_the_path_of_a_new_user(ready: Shell, stub: StubProvider, project: str) -> None:
    run = ready("terok", "task", "run", project, "Add a line to the README", timeout=600)
    assert "1 commit in the gate on terok/" in run.err
    (row,) = ready("terok", "task", "list", f"p:{project}", "--json").json()
    short = row["short"]
    assert f"terok review {short} && terok promote {short}" in run.err
    assert (row["word"], row["exit_code"], row["mode"]) == ("review", 0, "headless")
    assert "[bash] echo 'A line by the agent.'" in ready("terok", "task", "logs", short).out
    assert "commits on terok/" in ready("terok", "task", "why", short).out
    assert "+A line by the agent." in ready("terok", "task", "diff", short).out

    assert "A line by the agent." in ready("terok", "review", short).out
    ready("terok", "promote", short)
    assert "secret-plan" in ready("terok", "review", short).out, "what was not committed waits as a branch of its own"
    ready("terok", "reject", short, "-m", "not needed")
    (row,) = ready("terok", "task", "list", f"p:{project}", "--json").json()
    assert row["word"] == "done"
    assert ready("terok", "task", "usage", short, "--json").json()["total"]["requests"] >= 1

    workspace = Path(ready("terok", "task", "show", short, "--json").json()["directory"]) / "workspace"
    before = tree(workspace)
    assert {"untracked.txt", "kept.o", "README.md"} <= set(before)
    deleted = ready("terok", "task", "delete", short)
    assert "terok undo" in deleted.out
    assert not workspace.exists()
    assert ready("terok", "task", "list", f"p:{project}", "--json").json() == []
    assert ready("terok", "op", "log", "--json").json()[0]["state"] == "done"
    ready("terok", "undo")
    assert tree(workspace) == before
    (row,) = ready("terok", "task", "list", f"p:{project}", "--json").json()
    assert row["word"] == "done"

    again = ready("terok", "task", "followup", short, "And once more", timeout=300)
    assert f"task {short}" in again.err
    assert "> And once more" in again.out


def test_a_person_works_in_a_task(
    ready: Shell, stub: StubProvider, project: str, terminal: Callable[..., Terminal]
) -> None:
    first = terminal("terok", "task", "run", project, "--name", "by-hand")
    first.expect("[terok]", timeout=300)
    first.type("\x04")  # the demo agent has no terminal of its own; behind it is a shell
    first.expect("prompt is empty")
    first.type("echo by hand > made && git add made && git commit -qm 'By hand' && echo committed-$((4+4))\r")
    first.expect("committed-8", timeout=60)
    first.end()
    (row,) = ready("terok", "task", "list", "name:by-hand", "--json").json()
    assert (row["mode"], row["process"], row["group"]) == ("interactive", "up", "waiting")
    again = terminal("terok", "login", project, "by-hand")
    again.expect("committed-8", timeout=60)
    again.end()
    assert "+by hand" in ready("terok", "task", "diff", "by-hand").out
    ready("terok", "task", "stop", "by-hand")
    refused = ready("terok", "login", "by-hand", code=2)
    assert "there is no terminal here" in refused.err
    assert "By hand" in ready("terok", "review", "by-hand").out
    ready("terok", "task", "restart", "by-hand")
    third = terminal("terok", "login", "by-hand")
    third.expect("[terok]", timeout=60)
    third.type("git log -1 --format=again-%s\r")
    third.expect("again-By hand", timeout=60)
    third.end()
    ready("terok", "task", "delete", "by-hand")


def test_a_page_is_served_by_a_task(ready: Shell, stub: StubProvider, project: str) -> None:
    roster = Path(ready.environment["TEROK_ROOT"]) / "config/agents/demo.yaml"
    roster.parent.mkdir(parents=True, exist_ok=True)
    roster.write_text("web: {command: [python3, -m, http.server, '{port}', --bind, 127.0.0.1]}\n")
    try:
        url = ready("terok", "task", "run", project, "--mode", "toad", "--json", timeout=600).json()["url"]
        assert fetch(url) == b"# Project\n"
        row = ready("terok", "task", "list", f"p:{project}", "--json").json()[0]
        assert (row["mode"], row["process"]) == ("web", "up")
        ready("terok", "task", "stop", row["id"])
        ready("terok", "task", "restart", row["id"], timeout=300)
        assert fetch(url) == b"# Project\n", "the same address and token"
        ready("terok", "task", "delete", row["id"])
    finally:
        roster.unlink()


def fetch(url: str) -> bytes:
    """Return the file README.md of a page whose address has the token."""
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
    bare = url.partition("?")[0]
    browser.open(url, timeout=120).close()
    with browser.open(f"{bare}README.md", timeout=120) as answer:
        return bytes(answer.read())
