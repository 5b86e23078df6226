"""A panic with real containers: everything is closed in the kernel, and nothing starts until it is over."""

from __future__ import annotations

import secrets
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from product import bare_clone, remove_containers
from support import BASE, Shell
from terok.stub import Script, running_stub

MANY = 20
SLOW = "echo begun > begun; for n in 1 2 3 4 5 6 7 8 9; do sleep 1; done; git add -A && git commit -q -m 'Go on'"


@pytest.fixture(autouse=True)
def clear(ready: Shell) -> Iterator[None]:
    """Leave no lockdown behind, whatever happens."""
    yield
    ready("terok", "panic", "--clear", "--yes", code=None)


@pytest.fixture
def many(ready: Shell, base_image: str) -> Iterator[list[str]]:
    """Give running containers, each with a listener of its vault."""
    names = [f"it-{secrets.token_hex(4)}" for _ in range(MANY)]
    for name in names:
        ready("terok-sandbox", "run", "--detach", "--ssh-scope", "panic", "--name", name, base_image, "sleep", "600")
    yield names
    ready("podman", "rm", "-f", "-t", "0", *names, code=None)
    ready("terok-sandbox", "supervisor", "sweep", code=None)


def test_twenty_containers_are_cut_off_in_a_second(ready: Shell, base_image: str, many: list[str]) -> None:
    vault = ("bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/9419")
    held = ready("terok-sandbox", "supervisor", "status", many[0], "--json").json()["workers"]
    began = time.monotonic()
    report = ready("terok", "panic", "--yes", "--json").json()
    whole = time.monotonic() - began
    assert report["failures"] == []
    assert {cut["container"] for cut in report["containers"]} >= set(many), "and those of other tests, if any run"
    assert [cut for cut in report["containers"] if cut["error"]] == []
    closed = max(cut["seconds"] for cut in report["containers"])
    print(f"panic: kernel {closed} s, cut {report['cut_seconds']} s, all {report['seconds']} s, command {whole:.3f} s")
    for name in (many[0], many[-1]):
        shown = ready("terok-sandbox", "shield", "status", name, "--json", code=69).json()
        assert (shown["posture"], shown["attended"]) == ("quarantine", False)
        assert ready("podman", "exec", name, *vault, code=None).code != 0
    assert not [worker for worker in held.values() if Path(f"/proc/{worker['pid']}").exists()]
    assert report["evidence"]["problems"] == []

    refused = ready("terok-sandbox", "run", "--rm", "--name", "it-late", base_image, "true", code=73)
    assert "terok panic --clear" in refused.err
    ready("podman", "stop", "-t", "0", many[1])
    assert ready("podman", "start", many[1], code=None).code != 0, "not even Podman itself starts one"

    cleared = ready("terok", "panic", "--clear", "--yes", "--json").json()
    assert cleared["failures"] == []
    left = {name for name in many if any(name in line for line in cleared["left"])}
    assert left == {*many} - {many[1]}, "containers of nobody stay cut off until somebody looks"
    ready("terok-sandbox", "start", many[1])


@pytest.fixture
def project(
    ready: Shell, repository: Path, base_image: str, real_key: str, upstream: Callable[[str, str], None]
) -> Iterator[str]:
    """Give a project whose agent works for a while, and remove its containers afterwards."""
    bare = bare_clone(repository)
    name = f"web-{secrets.token_hex(3)}"
    directory = Path(ready.environment["TEROK_ROOT"]) / "config/projects" / name
    directory.mkdir(parents=True)
    text = f"git:\n  upstream: {bare}\nagent:\n  name: demo\nimage:\n  base_image: {BASE}\n"
    (directory / "project.yml").write_text(text)
    with running_stub(Script((SLOW, SLOW)), api_key=real_key) as provider:
        upstream("demo", provider.url)
        yield name
    remove_containers(ready, name)


def test_what_should_run_goes_on_after_clear(ready: Shell, project: str) -> None:
    task = ready("terok", "task", "run", "-d", project, "Work", "--json", timeout=600).json()["id"]
    workspace = Path(ready("terok", "task", "show", task, "--json").json()["directory"]) / "workspace"
    subprocess.run(["timeout", "60", "sh", "-c", f"until [ -e {workspace}/begun ]; do sleep 0.1; done"], check=True)
    before = ready("podman", "ps", "--format", "{{.ID}}", "--filter", f"name={task}").out
    report = ready("terok", "panic", "--yes", "--stop", "--json").json()
    assert (report["failures"], report["tasks"]) == ([], [task])
    assert report["stopped"] >= 1
    assert report["tokens"] >= 1
    assert "terok panic --clear" in ready("terok", "task", "restart", task, code=73).err
    waiting = ready("terok", "task", "run", "-d", project, "More", "--json").json()["id"]
    assert ready("terok", "task", "show", waiting, "--json").json()["word"] == "queued"
    cleared = ready("terok", "panic", "--clear", "--yes", "--json").json()
    assert (cleared["failures"], cleared["restored"]) == ([], [task])
    assert not [name for name in cleared["left"] if task in name]
    ready("terok", "task", "wait", task, "--until", "review", "--timeout", "150", timeout=180)
    assert (workspace / "begun").exists()
    after = ready("podman", "ps", "-a", "--format", "{{.ID}}", "--filter", f"name={task}").out
    assert after != before, "the tokens of the old container are gone for good"
    ready("terok", "task", "delete", waiting)
