from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from terok.config import load_project
from terok.errors import ProjectError
from terok.model.task import Task
from terok.services import Tasks
from terok.services.hooks import HookResult, Point, run_hook
from terok.store import Store

from .conftest import PlainEngine, make_project


class Bench:
    """A project with hooks, a task of it, and the database."""

    def __init__(self, root: Path, store: Store) -> None:
        self.root, self.store = root, store
        (root / "task").mkdir(mode=0o700)
        with store.write(at=1000.25) as writer:
            writer.add_task(Task("k7xm2abc", "web", "calm-otter", "demo", "headless", writer.at, branch="terok/k7"), {})
            writer.begin("k7xm2abc", "terok-web-k7xm2abc")

    def hooks(self, **commands: str | int) -> None:
        text = "".join(f"  {name}: {command!r}\n" for name, command in commands.items())
        path = self.root / "config/projects/web/project.yml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"hooks:\n{text}")

    def run(self, point: Point, store: Store | None = None) -> HookResult | None:
        used = store or self.store
        return run_hook(used, used.task("k7xm2abc"), load_project("web"), point, self.root / "task")

    def events(self) -> list[dict[str, object]]:
        return [event.data for event in self.store.events_after(0, task="k7xm2abc") if event.kind == "hook"]


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setenv("TEROK_ROOT", str(tmp_path))
    (tmp_path / "state").mkdir(mode=0o700)
    with Store() as store:
        yield Bench(tmp_path, store)


def test_a_hook_runs_once_for_each_run_whoever_sees_it(bench: Bench) -> None:
    bench.hooks(post_stop=f"echo x >>{bench.root}/count")

    def see(_: int) -> HookResult | None:
        with Store() as own:
            return bench.run("post_stop", own)

    with ThreadPoolExecutor(8) as pool:
        results = [*pool.map(see, range(8))]
    assert len([one for one in results if one is not None]) == 1
    with bench.store.write(at=2000.5) as writer:
        writer.begin("k7xm2abc", "terok-web-k7xm2abc")
    assert bench.run("post_stop") is not None
    assert bench.run("post_stop") is None
    assert (bench.root / "count").read_text() == "x\n" * 2
    assert [event["state"] for event in bench.events()] == ["begun", "ended"] * 2


def test_a_hook_whose_program_was_killed_is_not_run_again(bench: Bench) -> None:
    bench.hooks(post_start=f"kill -9 $PPID; echo x >>{bench.root}/count")
    child = os.fork()
    if not child:
        try:
            with Store() as own:
                bench.run("post_start", own)
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    bench.hooks(post_start=f"echo y >>{bench.root}/count")
    assert bench.run("post_start") is None
    assert [event["state"] for event in bench.events()] == ["begun"]


def test_a_failed_pre_start_cancels_the_start_and_others_are_only_recorded(bench: Bench) -> None:
    bench.hooks(pre_start="echo one; echo 'not \x1b[31mnow' >&2; exit 3", post_ready="exit 4")
    with pytest.raises(ProjectError, match=r"pre_start of project web failed with exit code 3: not .*now") as caught:
        bench.run("pre_start")
    assert "\x1b" not in caught.value.message
    assert (bench.root / "task/hooks/pre_start.log").read_bytes() == b"one\nnot \x1b[31mnow\n"
    result = bench.run("post_ready")
    assert result is not None
    assert (result.exit_code, result.failed) == (4, True)
    assert bench.run("post_stop") is None


def test_a_hook_that_hangs_is_killed_with_its_children(bench: Bench) -> None:
    bench.hooks(post_start=f"echo begun; (sleep 300; echo x >{bench.root}/late) & sleep 300", timeout=1)
    result = bench.run("post_start")
    assert result is not None
    assert (result.exit_code, result.said) == (None, "killed after 1 s")
    assert (bench.root / "task/hooks/post_start.log").read_bytes() == b"begun\n"


def test_a_hook_knows_the_task_and_no_secret(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_API_KEY", "sk-secret")
    bench.hooks(post_stop="env; pwd")
    with bench.store.write() as writer:
        writer.end("k7xm2abc", 7)
    result = bench.run("post_stop")
    assert result is not None
    text = (bench.root / "task/hooks/post_stop.log").read_text()
    assert "sk-secret" not in text
    about = {line for line in text.splitlines() if line.startswith("TEROK_") and not line.startswith("TEROK_ROOT")}
    assert about == {
        "TEROK_HOOK=post_stop",
        "TEROK_PROJECT=web",
        "TEROK_TASK=k7xm2abc",
        "TEROK_TASK_NAME=calm-otter",
        "TEROK_TASK_MODE=headless",
        "TEROK_AGENT=demo",
        "TEROK_CONTAINER=terok-web-k7xm2abc",
        "TEROK_BRANCH=terok/k7",
        "TEROK_EXIT_CODE=7",
    }
    assert text.splitlines()[-1] == str(bench.root / "config/projects/web")
    assert (bench.root / "task/hooks/post_stop.log").stat().st_mode & 0o777 == 0o600


def test_a_flood_of_output_is_cut(bench: Bench) -> None:
    bench.hooks(post_start="yes | head -c 3000000")
    result = bench.run("post_start")
    assert result is not None
    assert (result.exit_code, (bench.root / "task/hooks/post_start.log").stat().st_size) == (0, 256 * 1024)


def test_output_is_not_kept_where_the_task_is_gone(bench: Bench) -> None:
    bench.hooks(post_stop="echo over")
    (bench.root / "task").rmdir()
    result = bench.run("post_stop")
    assert result is not None
    assert (result.said, result.output) == ("over", None)
    assert not (bench.root / "task").exists()


HOOKS = """\
hooks:
  pre_start: echo "$TEROK_HOOK" >>{0}
  post_start: echo "$TEROK_HOOK" >>{0}
  post_ready: echo "$TEROK_HOOK" >>{0}
  post_stop: echo "$TEROK_HOOK $TEROK_EXIT_CODE" >>{0}
"""


def test_the_hooks_of_a_task_from_its_first_start_to_its_last_end(
    root: Path, tasks: Tasks, engine: PlainEngine
) -> None:
    log = root / "hooks.log"
    make_project(root, "shop", HOOKS.format(log))
    task, _ = tasks.create("shop", "Do it")
    task = tasks.carry_out_start(task)
    begun = ["pre_start", "post_start", "post_ready"]
    assert log.read_text().splitlines() == begun
    assert (tasks.directory(task) / "hooks/pre_start.log").exists()
    engine.end(task.container, 4)
    tasks.record_exit(task, 4)
    assert log.read_text().splitlines() == [*begun, "post_stop 4"]
    tasks.restart(tasks.store.task(task.id))
    tasks.stop(tasks.store.task(task.id))
    assert log.read_text().splitlines() == [*begun, "post_stop 4", *begun, "post_stop 143"]


def test_a_task_that_never_started_has_no_transition(root: Path, tasks: Tasks) -> None:
    log = root / "hooks.log"
    make_project(root, "shop", HOOKS.format(log))
    (root / "config/config.yml").write_text("tasks: {slots: 1}\n")
    tasks.create("web", "x")
    queued, ours = tasks.create("shop", "x")
    assert not ours
    tasks.stop(queued)
    only_recorded, _ = tasks.create("shop", "x", start=False)
    for task in (queued, only_recorded):
        found = tasks.store.task(task.id)
        assert run_hook(tasks.store, found, load_project("shop"), "post_stop", tasks.directory(found)) is None
    assert not log.exists()


def test_a_hook_that_refuses_keeps_the_container_from_being_made(root: Path, tasks: Tasks, engine: PlainEngine) -> None:
    make_project(root, "shop", "hooks: {pre_start: 'echo not today; exit 1'}\n")
    task, _ = tasks.create("shop", "Do it")
    with pytest.raises(ProjectError, match="not today"):
        tasks.carry_out_start(task)
    assert engine.asked == []
    assert (tasks.store.task(task.id).word, tasks.store.lease(task.id)) == ("failed", None)
    assert (tasks.directory(task) / "hooks/pre_start.log").read_text() == "not today\n"
