"""What a task has made is in the gate before its container goes; what is not there keeps it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from support import BASE, Done, Shell
from terok.stub import Script, running_stub

BRANCHES = "git checkout -q -b side && git commit -q --allow-empty -m side && git checkout -q --detach"
LOOSE = "git commit -q --allow-empty -m detached && echo more >> README.md && echo new > new.txt"
SECRET = "printf 'key = %s%s\\n' AKIA Q3EGRWBZ7XKMPLUV > settings.py"
Playing = Callable[..., AbstractContextManager[Callable[..., Done]]]


@pytest.fixture
def playing(
    ready: Shell, base_image: str, real_key: str, upstream: Callable[[str, str], None], repository: Path, container: str
) -> Playing:
    """Let a scripted agent run these commands in a container that is removed when it has ended."""

    @contextmanager
    def play(*commands: str) -> Iterator[Callable[..., Done]]:
        with running_stub(Script(commands), api_key=real_key) as provider:
            upstream("demo", provider.url)

            def run(*options: str, code: int = 0) -> Done:
                words = ("demo", str(repository), "-p", "x", "--base", BASE, "--name", container, "--json", *options)
                return ready("terok-executor", "run", *words, timeout=600, code=code)

            yield run

    return play


def exists(sh: Shell, container: str) -> bool:
    return sh("podman", "container", "exists", container, code=None).code == 0


@pytest.mark.parametrize("sealed", [(), ("--sealed",)])
def test_all_that_an_agent_leaves_is_in_the_gate_before_its_container_goes(
    playing: Playing, ready: Shell, container: str, sealed: tuple[str, ...]
) -> None:
    """LOSS-1: another branch, a HEAD on none, files that are not committed."""
    with playing(BRANCHES, LOOSE) as run:
        result = run("--rm", *sealed).json()
    assert result["delivery"]["state"] == "complete"
    assert not exists(ready, container)
    commits = {commit["subject"]: commit["branch"] for commit in result["commits"]}
    (progress,) = {branch for branch in commits.values() if branch.startswith("terok/wip/")}
    assert commits["side"] == "side"
    assert commits["detached"] == progress
    tree = ready("git", "-C", result["gate"], "ls-tree", "--name-only", progress).out.split()
    assert tree == ["README.md", "new.txt"]


@pytest.mark.parametrize("sealed", [(), ("--sealed",)])
def test_what_the_gate_refuses_keeps_its_container(
    playing: Playing, ready: Shell, container: str, sealed: tuple[str, ...]
) -> None:
    """LOSS-1: a refusal is said with its reason, ends with 75, and holds every removing verb up until it is settled."""
    with playing(SECRET) as run:
        done = run("--rm", *sealed, code=75)
    result = done.json()
    assert result["exit_code"] == 75
    assert result["delivery"]["state"] == "incomplete"
    (left,) = result["delivery"]["left"]
    assert "terok/wip/" in left
    assert "settings.py" in done.err
    assert f"container {container} stays" in done.err
    for verb in ("rm", "stop"):
        assert "refused" in ready("terok-executor", verb, container, code=75).err or left in done.err
    assert exists(ready, container)
    scope = Path(result["gate"]).stem
    ready("terok-sandbox", "gate", "policy", scope, "secret=allow")
    again = ready("terok-executor", "deliver", container, "--rm", "--json", timeout=300).json()
    assert again["delivery"]["state"] == "complete"
    assert [commit["branch"].startswith("terok/wip/") for commit in again["commits"]] == [True]
    assert not exists(ready, container)


def test_a_person_who_removes_a_running_container_loses_nothing(
    playing: Playing, ready: Shell, container: str, repository: Path
) -> None:
    """LOSS-1: `rm` of what runs hands over first, and what is refused keeps the container; `--force` gives it up."""
    with playing("true"):
        words = ("demo", str(repository), "--interactive", "--base", BASE, "--name", container)
        ready("terok-executor", "run", *words, timeout=600)
        ready("podman", "exec", container, "sh", "-c", SECRET)
        refused = ready("terok-executor", "rm", container, code=75).err
        assert "not all of its work is in the gate: commits on terok/wip/" in refused
        ready("terok-executor", "rm", "--force", container)
        assert not exists(ready, container)


def test_a_run_starts_from_what_was_reviewed(playing: Playing, ready: Shell, container: str, repository: Path) -> None:
    """A commit that an agent has pushed to the default branch is not what the next task begins with."""
    push = "git checkout -q main && git commit -q --allow-empty -m unreviewed && git push -q origin main"
    with playing(push) as run:
        assert [commit["subject"] for commit in run("--rm").json()["commits"]] == ["unreviewed"]
    with playing("git log --format=%s > log.txt && git add log.txt && git commit -q -m logged") as run:
        done = run("--rm")
    result = done.json()
    assert "1 commits on main in the gate are not in the upstream; this run starts without them" in done.err
    assert ready("git", "-C", result["gate"], "show", f"{result['branch']}:log.txt").out == "Start\n"
    subprocess.run(["git", "-C", str(repository), "checkout", "-q", "--detach"], check=True)
    git = ["git", "-C", str(repository), "-c", "user.name=P", "-c", "user.email=p@example.test"]
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "on no branch"], check=True)
    with playing("git log --format=%s > log.txt && git add log.txt && git commit -q -m logged") as run:
        result = run("--rm").json()
    assert ready("git", "-C", result["gate"], "show", f"{result['branch']}:log.txt").out == "on no branch\nStart\n"
    assert json.dumps(result["delivery"])
