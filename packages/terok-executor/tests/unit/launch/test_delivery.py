"""Whether a container may be removed: what its start script has said counts, and nothing else."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terok_executor.cli.following import follow_to_end
from terok_executor.errors import UndeliveredError
from terok_executor.launch.task_files import RunRecord, prepare_task_dir, save_record
from terok_executor.paths import task_dir
from terok_executor.runner.agent_runner import AgentRunner
from terok_executor.runner.delivery import Delivery, parse_delivery
from terok_sandbox import FakeRuntime, RunSpec, Sandbox, SandboxConfig
from terok_sandbox.launch.supervision import FakeSupervisor

NAME, IMAGE = "task-1", "localhost/image"
COMPLETE = ">> in the gate: commits on x\n>> hand-over complete\n"
PARTIAL = ">> in the gate: commits on x\n>> not handed over: commits on y: refused\n>> hand-over incomplete\n"


@pytest.fixture
def ended(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Callable[..., AgentRunner]:
    """Make a container that has ended, with what its start script has left."""
    root = tmp_path_factory.mktemp("r")
    monkeypatch.setenv("TEROK_ROOT", str(root))
    (root / "run").mkdir(mode=0o700)

    def make(said: str | None, *, code: int = 0, holds_work: bool = True, sealed: bool = False) -> AgentRunner:
        runtime = FakeRuntime(images={IMAGE: {}})
        runner = AgentRunner(sandbox=Sandbox(SandboxConfig(), runtime=runtime, supervision=FakeSupervisor()))
        prepare_task_dir(task_dir(NAME), prompt="x", state_dirs=())
        record = RunRecord(NAME, "demo", "demo", "/r", "", "b", IMAGE, "", 60, {}, sealed, (), holds_work)
        save_record(task_dir(NAME), record)
        runner.sandbox.run(RunSpec(container_name=NAME, image=IMAGE, task_dir=task_dir(NAME)))
        runtime.finish(NAME, exit_code=code, output=f"{said or ''}remote: what git says\n")
        if not sealed:
            (home() / "base-refs").write_text("")
            if said is not None:
                (home() / "delivery").write_text(said)
        return runner

    return make


def home() -> Path:
    return task_dir(NAME) / "home"


@pytest.mark.parametrize("sealed", [False, True])
def test_a_container_with_work_in_it_stays_until_it_is_given_up(
    ended: Callable[..., AgentRunner], sealed: bool
) -> None:
    """LOSS-1: what was refused is named, with where it is and what to do."""
    runner = ended(PARTIAL, sealed=sealed)
    assert runner.delivery(NAME) == Delivery("incomplete", ("commits on x",), ("commits on y: refused",))
    with pytest.raises(UndeliveredError, match=f"container {NAME} stays.*commits on y: refused") as caught:
        runner.remove(NAME)
    assert "rm --force" in str(caught.value.hint)
    assert (task_dir(NAME) / "run.json").exists()
    runner.remove(NAME, force=True)
    assert not task_dir(NAME).exists()
    runner = ended(COMPLETE, sealed=sealed)
    runner.remove(NAME)
    assert not task_dir(NAME).exists()


def test_what_says_nothing_of_its_work_stays(ended: Callable[..., AgentRunner], tmp_path: Path) -> None:
    """LOSS-1: killed, out of disk, or the report replaced by a link, a pipe or too much."""
    (tmp_path / "elsewhere").write_text(COMPLETE)
    runner = ended(None)
    report = home() / "delivery"

    def stays() -> None:
        with pytest.raises(UndeliveredError, match="before it could say"):
            runner.remove(NAME)
        if report.is_symlink() or report.exists():
            report.unlink()

    stays()
    report.symlink_to(tmp_path / "elsewhere")
    stays()
    os.mkfifo(report)
    stays()
    report.write_text(COMPLETE + "x" * 1024 * 1024 + "\n" + COMPLETE)
    stays()
    report.write_text(COMPLETE + "more\n")
    stays()


def test_where_nothing_can_be_lost_nothing_stays(ended: Callable[..., AgentRunner]) -> None:
    """A workspace of the host, a sidecar tool, a start that did not get as far as the agent."""
    runner = ended(None, holds_work=False)
    runner.remove(NAME)
    runner = ended(None)
    (home() / "base-refs").unlink()
    runner.remove(NAME)
    assert not task_dir(NAME).exists()


@pytest.mark.parametrize(("code", "expected"), [(0, 75), (7, 7)])
def test_rm_after_a_run_keeps_what_holds_work(
    ended: Callable[..., AgentRunner], capsys: pytest.CaptureFixture[str], code: int, expected: int
) -> None:
    """LOSS-1: `--rm` says what is left, where, and ends with 75 unless the agent has failed."""
    runner = ended(PARTIAL, code=code)
    assert follow_to_end(runner, NAME, started=0.0, as_json=False, remove=True) == expected
    said = capsys.readouterr().err
    assert "commits on y: refused" in said
    assert f"terok-executor deliver {NAME}" in said
    assert (task_dir(NAME) / "run.json").exists()
    result = asdict(runner.result(NAME, runner.follow(NAME, print), duration=1.0))
    assert result["delivery"] == {
        "state": "incomplete",
        "handed_over": ("commits on x",),
        "left": ("commits on y: refused",),
    }
    (home() / "delivery").write_text(COMPLETE)
    assert follow_to_end(runner, NAME, started=0.0, as_json=True, remove=True) == code
    assert not task_dir(NAME).exists()


def test_an_interrupted_run_keeps_what_holds_work(
    ended: Callable[..., AgentRunner], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """LOSS-1: Ctrl-C stops the container, which may have been too slow to hand its work over."""
    runner = ended(None)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(runner, "follow_events", interrupt)
    with pytest.raises(KeyboardInterrupt):
        follow_to_end(runner, NAME, started=0.0, as_json=False, remove=True)
    assert f"container {NAME} stays" in capsys.readouterr().err
    assert task_dir(NAME).exists()


@given(st.lists(st.text(max_size=300), max_size=20))
def test_only_a_last_line_of_ours_says_that_all_is_handed_over(lines: list[str]) -> None:
    delivery = parse_delivery(lines)
    assert delivery.complete == (bool(lines) and lines[-1].removeprefix(">> ").strip() == "hand-over complete")
    for text in (*delivery.handed_over, *delivery.left):
        assert text.isprintable()
