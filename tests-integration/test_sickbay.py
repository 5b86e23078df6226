"""Faults that need real containers: what sickbay says of them, and how it mends them."""

from __future__ import annotations

import secrets
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support import BASE, Shell
from terok.stub import Script, running_stub

SLOW = "for n in $(seq 200); do sleep 1; done"
MANY = 20


@pytest.fixture
def task(
    ready: Shell, repository: Path, base_image: str, real_key: str, upstream: Callable[[str, str], None]
) -> Iterator[str]:
    """Give a task that works for a while."""
    bare = repository.with_name("upstream.git")
    subprocess.run(["git", "clone", "-q", "--bare", str(repository), str(bare)], check=True)
    name = f"web-{secrets.token_hex(3)}"
    directory = Path(ready.environment["TEROK_ROOT"]) / "config/projects" / name
    directory.mkdir(parents=True)
    text = f"git:\n  upstream: {bare}\nagent:\n  name: demo\nimage:\n  base_image: {BASE}\n"
    (directory / "project.yml").write_text(text)
    with running_stub(Script((SLOW,)), api_key=real_key) as provider:
        upstream("demo", provider.url)
        yield ready("terok", "task", "run", "-d", name, "Work", "--json", timeout=600).json()["id"]
    ready("terok", "controller", "stop", code=None)
    for row in ready("podman", "ps", "-a", "--format", "{{.Names}}", "--filter", f"name=^terok-{name}-").out.split():
        ready("terok-executor", "rm", "--force", row, code=None)


def alarms(ready: Shell, *words: str) -> dict[str, str]:
    """Return what is wrong, by text: the check that has found it."""
    found = ready("terok", "sickbay", *words, "--json", code=None).json()
    return {one["text"]: one["check"] for one in found["findings"] if one["level"] in ("warn", "error")}


def container(ready: Shell, task: str) -> str:
    name: str = ready("terok", "task", "show", task, "--json").json()["container"]
    return name


def test_twenty_tasks_are_looked_at_in_two_seconds(ready: Shell, base_image: str) -> None:
    names = [f"it-{secrets.token_hex(4)}" for _ in range(MANY)]
    for name in names:
        ready("terok-sandbox", "run", "--detach", "--name", name, base_image, "sleep", "600")
    try:
        began = time.monotonic()
        found = ready("terok", "sickbay", "--json", code=None).json()
        whole = time.monotonic() - began
        print(f"sickbay: {found['seconds']} s, command {whole:.3f} s")
        assert {f"container {name}" for name in names} <= {
            f"container {one['subject']}" for one in found["findings"] if one["level"] == "ok"
        }
        assert not [one for one in found["findings"] if "did not answer" in one["text"]]
    finally:
        ready("podman", "rm", "-f", "-t", "0", *names)
