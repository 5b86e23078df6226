"""The path of a new user: a key, a project, a task, its state, its work, and taking back what was deleted."""

from __future__ import annotations

import secrets
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support import BASE, Shell, Terminal
from terok.stub import Script, StubProvider, running_stub

COMMIT = "echo 'A line by the agent.' >> README.md && git add -A && git commit -q -m 'Add a line'"
LEFT = "echo secret-plan > untracked.txt && echo ignored > kept.o && echo '*.o' >> .git/info/exclude"


@pytest.fixture
def stub(ready: Shell, base_image: str, real_key: str, upstream: Callable[[str, str], None]) -> Iterator[StubProvider]:
    """Give the demo agent a provider that plays one commit, and leaves something that is not committed."""
    with running_stub(Script((COMMIT, LEFT)), api_key=real_key) as provider:
        upstream("demo", provider.url)
        yield provider


@pytest.fixture
def project(ready: Shell, repository: Path) -> Iterator[str]:
    """Make a project of the repository as a person does, and remove its tasks' containers afterwards."""
    bare = repository.with_name("upstream.git")
    subprocess.run(["git", "clone", "-q", "--bare", str(repository), str(bare)], check=True)
    name = f"web-{secrets.token_hex(3)}"
    answers = repository.with_name("answers.yml")
    answers.write_text(
        f"name: {name}\ngit: {{upstream: {bare}}}\nagent: {{name: demo}}\nimage: {{base_image: '{BASE}'}}\n"
    )
    ready("terok", "project", "wizard", "--answers", str(answers), timeout=600)
    yield name
    ready("terok", "controller", "stop", code=None)
    for row in ready("podman", "ps", "-a", "--format", "{{.Names}}", "--filter", f"name=^terok-{name}-").out.split():
        ready("terok-executor", "rm", "--force", row, code=None)


def tree(directory: Path) -> dict[str, object]:
    """Return everything below a directory, but for what git itself rewrites when it only looks."""
    return {
        str(path.relative_to(directory)): (path.lstat().st_mode, path.is_file() and path.read_bytes())
        for path in sorted(directory.rglob("*"))
        if path.name != "index"
    }


def test_the_path_of_a_new_user(ready: Shell, stub: StubProvider, project: str) -> None:
    run = ready("terok", "task", "run", project, "Add a line to the README", timeout=600)
    assert "1 commit in the gate on terok/" in run.err
    (row,) = ready("terok", "task", "list", f"p:{project}", "--json").json()
    short = row["short"]
    assert f"terok review {short} && terok promote {short}" in run.err
    assert (row["word"], row["exit_code"], row["mode"]) == ("review", 0, "headless")
    assert "agent: " in ready("terok", "task", "logs", short).out
    assert "commits on terok/" in ready("terok", "task", "why", short).out
    assert "+A line by the agent." in ready("terok", "task", "diff", short).out

    assert "A line by the agent." in ready("terok", "review", short).out
    ready("terok", "promote", short)
    assert "secret-plan" in ready("terok", "review", short).out, "what was not committed waits as a branch of its own"
    ready("terok", "reject", short, "-m", "not needed")
    (row,) = ready("terok", "task", "list", f"p:{project}", "--json").json()
    assert row["word"] == "done"
    assert ready("terok", "task", "usage", short, "--json").json()["requests"] >= 1

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
    url = ready("terok", "task", "run", project, "--mode", "toad", "--json", timeout=600).json()["url"]
    assert url.startswith("http://127.0.0.1:")
    assert "token=" in url
