"""Kills every verb, and what the controller does, at every step that leaves something behind, again and again.

A walk has one database, whose tasks live through all of it. In each run one verb is begun in a process of its own,
maybe in trouble, and killed (SIGKILL) before or after one of its steps: a statement of the database, a rename, a write,
a process. Then the next command picks up what is left, and everything is looked at.
`python walk.py --runs N --seed N --minutes N`.
"""

from __future__ import annotations

import argparse
import mmap
import os
import random
import resource
import signal
import sqlite3
import struct
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import terok.store.connection
from file_engine import UP, FileEngine
from terok.controller.act import _VERBS
from terok.controller.planning import View, plan
from terok.model.anchors import Place, Quote
from terok.model.task import Task
from terok.paths import database_path, free_bytes, projects_dir, tasks_dir, trash_dir
from terok.services import Tasks
from terok.store import Store
from terok.store.reviewing import add_comment, comments
from terok_util import TerokError

STEPS = frozenset(
    {"execute", "open", "write", "fsync", "mkdir", "rename", "replace", "link", "unlink", "rmdir", "chmod", "close"}
    | {"posix_spawn", "fork_exec", "waitpid", "scandir"}
)
"""Calls before and after each of which a process may be killed."""
AGAIN = "Go on."
SAID = ("prompt ", "About ")
"""How everything begins that is to reach an agent once."""
LATER = 3600.0
"""Seconds after which the controller looks: whatever it waits for a while with is due."""
MOST = 12
"""Tasks; then some expire."""
PATIENCE = 120
"""Seconds after which a process that does not end is a fault of its own."""
TOLD = 100
"""Killed processes between two lines of progress."""


class LostError(AssertionError):
    """Something was lost, or done twice."""


class Walk:
    """A walk below `root`; the same seed walks the same way, but for where the scheduler interferes."""

    def __init__(self, root: Path, seed: int) -> None:
        self.random = random.Random(seed)
        self.root, self.offset, self.runs, self.killed = root, 0.0, 0, 0
        self.lengths: dict[str, int] = {}
        self.seen: Counter[str] = Counter()
        self.given_up: set[str] = set()
        (root / "engine").mkdir()
        (root / "run").mkdir(mode=0o700)
        for name, more in (("web", ""), ("hooked", f"hooks: {{{', '.join(hooks(root))}}}\n")):
            directory = root / "config/projects" / name
            directory.mkdir(parents=True)
            (directory / "project.yml").write_text(f"git: {{upstream: /nowhere}}\nagent: {{name: demo}}\n{more}")
        (root / "config/config.yml").write_text("tasks: {slots: 4, min_free_disk: 1m}\n")
        os.environ["TEROK_ROOT"] = str(root)
        terok.store.connection.BUSY_SECONDS = 0.05  # type: ignore[misc]
        Tasks.wake_controller = lambda self: None  # type: ignore[method-assign]
        Tasks._taken_up = lambda self, task: AGAIN  # type: ignore[method-assign]
        Store().close()
        self.engine = FileEngine(root / "engine")
        self._warm_up()

    def _warm_up(self) -> None:
        """Import and parse here what every process would for itself."""
        with Tasks() as tasks:
            tasks._engines["local"] = self.engine
            for project in ("web", "hooked"):
                task = tasks.carry_out_start(tasks.create(project, f"prompt of {project}")[0])
                tasks.follow(task, lambda line: None)
                tasks.restart(tasks.store.task(task.id))
                tasks.stop(tasks.store.task(task.id))
                tasks.archive(tasks.store.task(task.id))
                tasks.restore(tasks.store.task(task.id))
                tasks.delete(tasks.store.task(task.id))
            self.settle(tasks)

    def run(self) -> None:
        """Begin a verb, kill it, and see that nothing is lost."""
        self.runs += 1
        self._happen()
        name, act = self._chosen()
        length = self.lengths.get(name, 100)
        number = self.random.randint(1, length + length // 10 + 1)
        trouble = self.random.choice([*self.troubles(), *[self.calm] * 4])
        with trouble():
            status, steps = self._in_child(act, number)
        self.seen[f"{name} {'killed' if status == -signal.SIGKILL else 'ended'}"] += 1
        self.killed += status == -signal.SIGKILL
        if status == 0:
            self.lengths[name] = max(self.lengths.get(name, 0), steps)
        elif status != -signal.SIGKILL:
            raise LostError(f"run {self.runs}: {name}, {trouble.__name__}, ended with {status}")
        if self._in_child(self.settle, 0)[0] != 0:
            raise LostError(f"run {self.runs}: after {name} at step {number} nothing can be picked up")
        self.check(f"run {self.runs}: {name} killed at step {number}")

    def _in_child(self, act: Callable[[Tasks], object], number: int) -> tuple[int, int]:
        """Do something in a process that is killed at a step, 0 for never; returns exit status and steps."""
        shared = mmap.mmap(-1, 8)
        pid = os.fork()
        if pid == 0:
            status = 70
            signal.alarm(PATIENCE)
            try:
                now, offset = time.time, self.offset
                time.time = lambda: now() + offset
                if number:
                    count_steps(number, shared)
                with Tasks() as tasks:
                    tasks._engines["local"] = self.engine
                    act(tasks)
                status = 0
            except TerokError:
                status = 0
            except BaseException:  # noqa: BLE001 - a forked process must not go on as its parent
                sys.setprofile(None)
                traceback.print_exc()
            finally:
                sys.setprofile(None)
                sys.stderr.flush()
                os._exit(status)
        ended = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        return ended, struct.unpack("=q", shared[:8])[0]

    def _happen(self) -> None:
        """Let agents end or work, and containers be removed, while nobody looks."""
        self.offset = self.random.choice([0.0, 0.0, -9000.0, 9000.0])
        for file in sorted(self.engine.place.glob("*.json")):
            name = file.stem
            found = self.engine.read(name)
            what = self.random.choice(["end", "work", "", "", "", "remove"])
            if what == "remove" and self.random.random() < 0.3:
                self.engine.remove(name)
            elif found is not None and found["state"] == UP and what == "end":
                self.engine.end(name, self.random.choice([0, 0, 1]))
            elif found is not None and found["state"] == UP and what == "work":
                self.engine.work(name)

    def _chosen(self) -> tuple[str, Callable[[Tasks], object]]:
        with Store() as store:
            tasks = store.tasks(trashed=True)
        text = f"prompt {self.runs}"
        alone: list[tuple[str, Callable[[Tasks], object]]] = [
            ("create", lambda service: self._create(service, text)),
            ("controller", self.settle),
            ("undo", lambda service: service.operations.undo()),
        ]
        if len(tasks) >= MOST:
            alone = [("expire", lambda service: service.operations.expire(time.time() + 1e8))]
        if not tasks or self.random.random() < (0.3 if len(tasks) < MOST else 0.1):
            return self.random.choice(alone)
        one = self.random.choice(tasks)
        name = self.random.choice(sorted(VERBS))
        if len(tasks) >= MOST:
            name = "delete"
        return name, lambda service: VERBS[name](service, one, text)

    def _create(self, service: Tasks, text: str) -> None:
        task, ours = service.create(self.random.choice(["web", "web", "hooked"]), text)
        if ours:
            service.carry_out_start(task)

    def settle(self, service: Tasks) -> None:
        """Do what the controller does when it starts, and then for as long as there is something to do."""
        service.operations.finish()
        ids = [task.id for task in service.store.tasks(trashed=True) if task.started and task.ended is None]
        _VERBS["probe"](service, *ids)
        failed = set()
        for _ in range(60):
            now, store = time.time() + LATER, service.store
            view = View(
                store.live_tasks(), store.queue(), service.limits(), free_bytes(tasks_dir()), now,
                written=store.with_follow_ups(), left_alone=store.left_alone(), unwanted=store.unwanted(),
                leased=store.leased(),
            )  # fmt: skip
            acts = [act for act in plan(view).acts if act not in failed]
            if not acts:
                return
            try:
                _VERBS[acts[0].verb](service, acts[0].task)
            except TerokError:
                failed.add(acts[0])

    def troubles(self) -> list[Callable[[], object]]:
        return [self.hanging, self.locked, self.newer, self.full, self.moved]

    @contextmanager
    def calm(self) -> Iterator[None]:
        yield

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """Let the engine give no answer."""
        self.engine.hangs = True
        yield
        self.engine.hangs = False

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Let another process hold the database."""
        other = sqlite3.connect(database_path(), isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")
        other.close()

    @contextmanager
    def newer(self) -> Iterator[None]:
        """Let the database be a newer version's."""
        with sqlite3.connect(database_path()) as other:
            (version,) = other.execute("PRAGMA user_version").fetchone()
            other.execute("PRAGMA user_version = 999")
        yield
        with other:
            other.execute(f"PRAGMA user_version = {version}")
        other.close()

    @contextmanager
    def full(self) -> Iterator[None]:
        """Let no file grow beyond a size."""
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        size = self.random.choice([0, 4096, database_path().stat().st_size])
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
        yield
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    @contextmanager
    def moved(self) -> Iterator[None]:
        """Let the directory of a project be elsewhere."""
        away = projects_dir().with_name("moved")
        (projects_dir() / "web").rename(away)
        yield
        away.rename(projects_dir() / "web")

    def check(self, after: str) -> None:
        """Raise LostError if anything is lost, done twice, or still under way."""
        wrong = []
        with Store() as store:
            tasks = {task.id: task for task in store.tasks(trashed=True)}
            wrong += [f"{one} is left alone" for one in store.left_alone()]
            wrong += [f"operation {one.id} is open" for one in store.operations() if one.state == "open"]
            given = Counter(line.strip() for prompt in self.engine.prompts() for line in prompt.split("\n"))
            wrong += [f"{text!r} was given {n} times" for text, n in given.items() if n > 1 and text.startswith(SAID)]
            for one in store.follow_ups():
                if one.state == "sent" or given[one.text] != (one.state == "seen"):
                    wrong.append(f"follow-up {one.text!r} is {one.state}, and was given {given[one.text]} times")
            for task in tasks.values():
                wrong += self._wrong(store, task, given)
            known = {file.stem.rpartition("-")[2] for file in self.engine.place.glob("*.left")}
            if self.runs % 50 == 0 and store.rows("PRAGMA integrity_check") != [("ok",)]:
                wrong.append("the database is damaged")
        self.given_up |= {one for one in known - tasks.keys() if not (trash_dir() / one).exists()}
        for one in known - self.given_up:
            wrong += self._lost(one)
        if wrong:
            raise LostError(f"{after}: " + "; ".join(wrong))

    def _wrong(self, store: Store, task: Task, given: Mapping[str, int]) -> Iterator[str]:
        for one in comments(store, task.id):
            if given[one.text] != (one.delivery in ("seen", "answered")):
                yield f"comment {one.text!r} is {one.delivery}, and was given {given[one.text]} times"
        found = self.engine.read(task.container)
        runs = found is not None and found["state"] == UP
        if runs and (task.desired != "running" or task.ended is not None):
            yield f"task {task.id} runs, is wanted {task.desired} and ended {task.ended}"
        if found is not None and not runs and task.started is not None and task.ended is None:
            yield f"the end of task {task.id} is not recorded"
        kinds = Counter(event.kind for event in store.events_after(0, 100_000, task=task.id))
        log = self.root / "hooks"
        lines = Counter(log.read_text().splitlines() if log.exists() else ())
        for point in ("pre_start", "post_start", "post_stop"):
            if lines[f"{task.id} {point}"] > kinds["starting"]:
                yield f"the hook {point} of task {task.id} ran too often"

    def _lost(self, task: str) -> Iterator[str]:
        places = [*tasks_dir().glob(f"*/{task}/workspace*"), *trash_dir().glob(f"{task}/workspace*")]
        for name, text in self.engine.left(task).items():
            files = [place / name for place in places if (place / name).exists()]
            if [file.read_text() for file in files] != [text]:
                yield f"{name} of task {task} is lost"


def hooks(root: Path) -> list[str]:
    """Return hooks that write a line each time they run."""
    return [
        f"{one}: 'echo $TEROK_TASK $TEROK_HOOK >> {root}/hooks'" for one in ("pre_start", "post_start", "post_stop")
    ]


def count_steps(number: int, shared: mmap.mmap) -> None:
    """Count the steps of this process in `shared`, and kill it at one of them."""
    steps = 0

    def at(frame: FrameType, event: str, what: object) -> None:
        nonlocal steps
        if event in ("c_call", "c_return") and getattr(what, "__name__", "") in STEPS:
            steps += 1
            shared[:8] = struct.pack("=q", steps)
            if steps == number:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(at)


def _followed_up(service: Tasks, task: Task, text: str) -> None:
    with service.store.write() as writer:
        add_comment(writer, task.id, "x", "c" * 40, "", Place(), Quote(), f"About {text}", author="me")
    service.follow_up(task, text)
    if service.store.task(task.id).ended is not None:
        service.deliver_next(task)


VERBS: dict[str, Callable[[Tasks, Task, str], object]] = {
    "archive": lambda service, task, text: service.archive(task),
    "delete": lambda service, task, text: service.delete(task),
    "deliver": lambda service, task, text: service.deliver_next(task),
    "follow": lambda service, task, text: service.follow(task, lambda line: None),
    "followup": _followed_up,
    "rename": lambda service, task, text: service.rename(task, text.replace(" ", "-")),
    "restart": lambda service, task, text: service.restart(task),
    "restore": lambda service, task, text: service.restore(task),
    "stop": lambda service, task, text: service.stop(task),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1000, help="how many verbs are killed (1000)")
    parser.add_argument("--seed", type=int, default=0, help="which way the walk goes (0)")
    parser.add_argument("--minutes", type=float, default=60.0, help="how long it may take (60)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="terok-chaos-") as place:
        walk, began = Walk(Path(place), options.seed), time.monotonic()
        told, took, problem = 0, 0.0, ""
        while walk.killed < options.runs and not problem:
            try:
                walk.run()
            except LostError as error:
                problem = f"LOST: {error}"
            took = time.monotonic() - began
            if took > options.minutes * 60:
                problem = problem or f"not done in {options.minutes:g} minutes"
            if walk.killed >= told + TOLD:
                told = walk.killed
                print(f"{told} of {options.runs} killed after {took:.0f} s", file=sys.stderr, flush=True)
        print(*(f"{count:6}  {what}" for what, count in sorted(walk.seen.items())), sep="\n")
        done = "nothing lost, nothing done twice" if not problem else f"{problem}; seed {options.seed}"
        print(f"{walk.killed} processes killed in {took:.0f} s: {done}")
    return 1 if problem else 0


if __name__ == "__main__":
    sys.exit(main())
