from __future__ import annotations

import json
import os
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from terok.cli import main
from terok.integrations.sandbox import Sandbox
from terok.model.task import Task
from terok.services import Tasks
from terok.services.panic import SETTING, Panic
from terok.services.panic_evidence import LOG, check_evidence
from terok.services.panic_recovery import clear
from terok_sandbox import FakeRuntime, FakeSupervisor, RunSpec, SandboxConfig, is_locked_down
from terok_sandbox.errors import LockedDown, NetnsError
from terok_util import TerokError

from .conftest import PlainEngine
from .test_tasks import finished, run


@pytest.fixture
def runtime() -> FakeRuntime:
    return FakeRuntime({"base": {}})


@pytest.fixture
def sandbox(root: Path, runtime: FakeRuntime) -> Iterator[Sandbox]:
    with tempfile.TemporaryDirectory(prefix="tk") as short:  # sockets have short names only
        config = replace(SandboxConfig.load(), runtime_dir=Path(short) / "r")
        yield Sandbox(config, runtime=runtime, supervision=FakeSupervisor())


@pytest.fixture
def closed() -> list[str]:
    return []


def panic_of(sandbox: Sandbox, closed: list[str], failing: str = "") -> Panic:
    """A panic whose kernel is a list; `failing` is the container that cannot be closed."""

    def close(config: SandboxConfig, name: str, pid: int) -> bool:
        assert is_locked_down(config.state_dir), "the lockdown comes first"
        if name == failing:
            raise NetnsError("no rules")
        closed.append(name)
        return sandbox.runtime.container(name).running

    return Panic(sandbox, close=close, end=lambda config, name: None)


def contained(sandbox: Sandbox, task: Task) -> None:
    """Give a task a container of the sandbox too."""
    sandbox.run(RunSpec(container_name=task.container, image="base", command=("true",)))
    (sandbox.config.container_state_dir(task.container) / "vault-audit.jsonl").write_text("{}\n")


def test_everything_is_cut_off_and_nothing_starts_until_clear(
    tasks: Tasks, engine: PlainEngine, sandbox: Sandbox, closed: list[str]
) -> None:
    running, over = run(tasks), finished(tasks)
    for task in (running, over):
        contained(sandbox, task)
    sandbox.runtime.container(over.container).stop(0)
    report = panic_of(sandbox, closed).engage()
    assert report.failures == []
    assert sorted(closed) == sorted([running.container, over.container])
    assert report.tasks == [running.id], "what was over is not taken up again"

    with pytest.raises(LockedDown) as refused:
        tasks.restart(over)
    assert (refused.value.exit_code, refused.value.hint) == (73, "`terok panic --clear` ends the lockdown")
    assert tasks.store.task(over.id).ended == over.ended, "a refused start changes nothing"
    waiting, admitted = tasks.create("web", "later")
    assert not admitted
    assert [row.reason for row in tasks.store.queue()] == ["panic"]
    for start in (
        lambda: sandbox.run(RunSpec(container_name="other", image="base", command=("true",))),
        lambda: sandbox.start(over.container),
        lambda: sandbox.pre_start_args(RunSpec(container_name="own", image="base", command=())),
    ):
        with pytest.raises(LockedDown):
            start()

    sandbox.runtime.container(running.container).stop(0)  # the stand-in of the engine has containers of its own
    cleared = clear(tasks, sandbox)
    assert (cleared.restored, cleared.failures, cleared.left) == ([running.id], [], [])
    assert {row.task for row in tasks.store.queue()} == {running.id, waiting.id}
    again = tasks.store.task(running.id)
    assert (again.desired, again.word, again.stopped_by) == ("running", "queued", "panic")
    assert (tasks.directory(running) / "workspace/work").exists()
    assert engine.probe({"x": running.container})["x"].word == "exited"
    engine.remove(running.container)  # the stand-in is not the sandbox's own container
    started = tasks.restart(again)
    assert started.process == "up"
    assert tasks.store.setting(SETTING) is None


def test_what_cannot_be_closed_is_killed(
    tasks: Tasks, sandbox: Sandbox, runtime: FakeRuntime, closed: list[str]
) -> None:
    one, other = run(tasks), run(tasks)
    for task in (one, other):
        contained(sandbox, task)
    report = panic_of(sandbox, closed, failing=one.container).engage()
    assert report.failures == []
    assert [cut.container for cut in report.containers if cut.killed] == [one.container]
    assert not runtime.container(one.container).running
    assert runtime.container(other.container).running
    assert tasks.store.task(one.id).stopped_by == "panic"


def test_a_step_that_fails_is_said_and_does_not_keep_the_others_from_being_done(
    tasks: Tasks, sandbox: Sandbox, runtime: FakeRuntime, closed: list[str]
) -> None:
    task = run(tasks)
    contained(sandbox, task)
    sandbox.config.db_path.parent.mkdir(parents=True, exist_ok=True)
    sandbox.config.db_path.write_bytes(b"not a vault")
    runtime.failures["list"] = "podman hangs"
    report = panic_of(sandbox, closed).engage()
    assert closed == [task.container]
    assert [failure.partition(":")[0] for failure in report.failures] == [
        "podman does not say what runs",
        "the tokens were not revoked",
    ]
    assert is_locked_down(sandbox.config.state_dir)


@pytest.mark.parametrize("stop", [False, True])
def test_the_evidence_is_private_and_shows_every_change(
    tasks: Tasks, sandbox: Sandbox, closed: list[str], *, stop: bool
) -> None:
    task = run(tasks)
    contained(sandbox, task)
    report = panic_of(sandbox, closed).engage(stop=stop)
    assert (report.stopped, report.evidence is not None) == (int(stop), True)
    assert report.evidence is not None
    directory = Path(report.evidence.path)
    rows = [json.loads(line) for line in (directory / LOG).read_text().splitlines()]
    assert [row["action"] for row in rows] == ["panic", "cut", "revoked", "log", "done"]
    assert rows[-1]["hash"] == report.evidence.head
    for path in (directory, *directory.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
    sandbox.runtime.container(task.container).stop(0)
    sandbox.rm(task.container)
    assert check_evidence(directory).problems == (), "the logs outlive the container"
    kept = directory / task.container / "vault-audit.jsonl"
    kept.write_text("[]\n")
    assert check_evidence(directory).problems == (f"{task.container}/vault-audit.jsonl: was changed afterwards",)
    lines = (directory / LOG).read_text().splitlines(keepends=True)
    (directory / LOG).write_text("".join(lines[:1] + lines[2:]))
    assert "does not follow the row before it" in " ".join(check_evidence(directory).problems)


def test_a_second_panic_goes_on_with_the_first(tasks: Tasks, sandbox: Sandbox, closed: list[str]) -> None:
    task = run(tasks)
    contained(sandbox, task)
    first = panic_of(sandbox, closed).engage()
    second = panic_of(sandbox, closed).engage(stop=True)
    assert first.evidence is not None
    assert second.evidence is not None
    assert (second.evidence.path, second.evidence.problems) == (first.evidence.path, ())
    assert tasks.store.setting(SETTING) == [task.id]
    assert clear(tasks, sandbox).restored == [task.id]


def test_a_task_that_a_person_has_stopped_meanwhile_is_not_taken_up(
    tasks: Tasks, sandbox: Sandbox, closed: list[str]
) -> None:
    task, sealed = run(tasks), run(tasks)
    for one in (task, sealed):
        contained(sandbox, one)
    panic_of(sandbox, closed).engage()
    tasks.stop(task)
    for one in (task, sealed):  # the stand-in of the engine has containers of its own
        sandbox.runtime.container(one.container).stop(0)
    with tasks.store.write() as writer:
        writer.rows("UPDATE tasks SET request = json_set(request, '$.sealed', json('true')) WHERE id = ?", sealed.id)
    cleared = clear(tasks, sandbox)
    assert cleared.restored == []
    assert [line.partition(" holds")[0] for line in cleared.left] == [f"task {sealed.id}"]


def test_a_configuration_that_is_wrong_stops_no_panic(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "config/config.yml").write_text("shield: {mode: }")
    with pytest.raises(TerokError):
        Sandbox()
    report = Panic().engage()
    assert [failure for failure in report.failures if not failure.startswith("podman")] == []
    assert Panic().locked()
    assert main(["panic"]) == 2
    assert "hint: scripts say --yes" in capsys.readouterr().err
    assert main(["panic", "--clear"]) == 2
    assert Panic().locked()
    assert main(["panic", "--clear", "--yes", "--json"]) == 0
    assert not Panic().locked()


def test_a_lockdown_that_cannot_be_read_counts(sandbox: Sandbox, tasks: Tasks) -> None:
    state_dir = sandbox.config.state_dir
    state_dir.mkdir(parents=True)
    os.symlink("/nowhere", state_dir / "lockdown.json")
    with pytest.raises(TerokError, match="nothing starts after a panic"):
        tasks.start(tasks.create("web", "do it")[0].id)
