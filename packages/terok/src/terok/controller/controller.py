"""The conductor: waits for a change, makes a plan, and sees that it is carried out."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from dataclasses import replace
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Any, Final

from terok_util import TerokError

from terok.controller.alarm import Alarm
from terok.controller.children import Children
from terok.controller.doubting import Doubting
from terok.controller.following import Follower
from terok.controller.inotify import Watcher
from terok.controller.interruptions import RESUMING, may_resume, was_cut_off
from terok.controller.limits import WAITED, may_wait, wait_for_reset
from terok.controller.notifying import Notifying
from terok.controller.planning import Act, Plan, View, plan
from terok.controller.reports import Reports
from terok.controller.rules import Rules, rules_from_json
from terok.controller.server import Server
from terok.desktop.awake import Awake
from terok.integrations.executor import task_dir
from terok.integrations.sandbox import is_locked_down
from terok.model.admission import Limits
from terok.paths import free_bytes, tasks_dir
from terok.store import own_lease
from terok.store.races import due_checks
from terok.store.reading import CONTROLLER

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterable, Mapping

    from terok.integrations.sandbox import Sandbox
    from terok.model.task import Task
    from terok.store import Store

PATIENCE: Final = 30.0
"""Seconds without anything to do after which the controller ends."""
GATHER: Final = 0.02
"""Seconds in which further changes join the one that woke it."""
RETRIES: Final = (10.0, 60.0, 300.0)
"""Seconds until what has failed is tried again."""
PAUSE_INSIDE: Final = 0.1
OPERATION: Final = 60.0
"""Seconds after which an operation that has begun is looked at: if its process was killed, it is finished."""
DAY: Final = 86400.0

_log = logging.getLogger(__name__)


class Controller:
    """Looks after the tasks of one database until there is nothing to do."""

    def __init__(self, store: Store, sandbox: Sandbox) -> None:
        self._store, self._sandbox = store, sandbox
        self._loop = asyncio.get_running_loop()
        self._inside = Watcher()
        """Watches what containers can write to: apart from all else, and not more often than is sensible."""
        self._wake = asyncio.Event()
        self._alarm = Alarm(self._look_again)
        self._notifying = Notifying(store)
        self._awake = Awake()
        self._awakening: asyncio.Task[None] | None = None
        self._children = Children(self._look_again)
        self._followers: dict[str, Follower] = {}
        self._following: dict[str, asyncio.Task[None]] = {}
        self._reports: dict[str, Reports] = {}
        self._doubting = Doubting(store, lambda task: self._followers[task].pid if task in self._followers else 0)
        self._rules: Rules | None = None
        self._failed: dict[Act, int] = {}
        self._not_before: dict[Act, float] = {}
        self._cut_off: set[str] = set()
        self._crashed = store.setting(CONTROLLER) is not None
        """Whether the one before was ended by something else than itself or a person."""
        self._tidy_at: float | None = None
        self._seq = -1
        self._must_look = True
        self._stale = False
        self._idle_since: float | None = None
        self._stopped = self._left = self.told = False
        """Whether it is to end, as if killed, and because somebody says so."""
        self._since = time.time()
        answers = {"ping": self._status, "poke": self._poked, "status": self._status, "stop": self._stop}
        self.server = Server(store, answers)

    async def run(self, listener: socket.socket) -> None:
        """Serve until there is nothing to do for a while, or until somebody says stop."""
        with self._store.write() as writer:
            writer.set(CONTROLLER, own_lease())
        self.server.open(listener)
        self._begin()
        self._look_inside()
        try:
            while not self._stopped:
                await self._wake.wait()
                await asyncio.sleep(GATHER)
                self._wake.clear()
                self._step(time.time())
        finally:
            await self._end()

    def changed(self) -> None:
        """Have a look at the database soon."""
        self._wake.set()

    def reload(self) -> None:
        """Read the settings again; when that is under way, once more afterwards."""
        self._stale = not self._children.start("settings", then=self._set)

    def stop(self, *, leave: bool = False) -> None:
        """End soon; with `leave` as if killed: whatever ends with this session is taken up again in the next."""
        self._stopped, self._left, self.told = True, leave, True
        self._wake.set()

    @property
    def unseen(self) -> bool:
        """Whether something has happened since it looked for the last time."""
        return self._store.last_seq() != self._seq

    def _begin(self) -> None:
        """Compare what is recorded with what runs: whatever happened while nobody watched."""
        self.reload()
        self._children.start("tidy", then=self._tidied)
        everyone = self._store.tasks(trashed=True)
        ids = [task.id for task in everyone if task.started is not None and task.ended is None]
        if ids:
            self._children.start("probe", *ids, then=lambda _: self._probed(ids))
        self._wake.set()

    def _look_inside(self) -> None:
        """Wait for changes of reports, and tell them; then rest, because a container can make as many as it likes."""

        def changed() -> None:
            self._loop.remove_reader(self._inside)
            self._loop.call_later(PAUSE_INSIDE, self._look_inside)
            self._inside.tell()

        if not self._stopped:
            self._loop.add_reader(self._inside, changed)

    async def _end(self) -> None:
        self._loop.remove_reader(self._inside)
        self._inside.close()
        for task in self._following.values():
            task.cancel()
        await asyncio.gather(*self._following.values(), return_exceptions=True)
        await self._children.close()
        await self._notifying.close()
        await self.server.close()
        self._awake.release()
        self._alarm.close()
        if not self._left:
            with self._store.write() as writer:
                writer.set(CONTROLLER, None)

    def _probed(self, ids: Iterable[str]) -> None:
        """Note what has ended while nobody watched, and was to run on."""
        for task in [self._store.task(one) for one in ids] if self._crashed else []:
            process = self._store.facts(task.id).process
            if process is not None and process.word == "exited" and was_cut_off(task, process.exit_code):
                self._cut_off.add(task.id)

    def _step(self, now: float) -> None:
        """Do what the database, and the time, ask for."""
        seq = self._store.last_seq()
        if seq == self._seq and not self._must_look:
            return
        self._must_look = False
        try:
            tasks = self._store.live_tasks()
            if self._doubting.settle(tasks, now):
                tasks = self._store.live_tasks()
            operations = self._store.events_after(self._seq, kind="operation")
            if any(event.data.get("state") == "open" for event in operations):  # its process may be killed
                self._tidy_at = min(self._tidy_at or inf, now + OPERATION)
            self._carry_out(plan(self._view(tasks, now)), tasks, now)
        except TerokError as error:
            _log.error("%s", error.message)
            self._alarm.set(now + RETRIES[0])
        self._seq = seq
        self.server.tell()

    def _look_again(self) -> None:
        self._must_look = True
        self._wake.set()

    def _view(self, tasks: list[Task], now: float) -> View:
        running = self._children.running
        limits = self._rules.limits if self._rules is not None else Limits(0, 0)
        queue = self._store.queue()
        behind = {other for row in queue for other in row.after} - {task.id for task in tasks}
        others = [task for task in self._store.tasks(now=float("-inf")) if task.id in behind] if behind else []
        return View(
            [*tasks, *others],
            queue,
            replace(limits, stopped=is_locked_down(self._sandbox.config.state_dir)),
            free_bytes(tasks_dir()),
            now,
            self._doubting.due,
            {task_id for words in running for task_id in words[1:]},
            self._store.with_follow_ups(),
            self._store.left_alone(),
            self._interrupted(now),
            self._store.unwanted(),
            self._store.leased(),
            # A later one is from before the clock was set back.
            {act: when for act, when in self._not_before.items() if when <= now + RETRIES[-1]},
            due_checks(self._store),
            [words[1] for words in running if words[0] == "check"],
        )

    def _interrupted(self, now: float) -> list[str]:
        if self._rules is None or not self._rules.resume:
            return []
        found = {*self._store.of_other_boots(), *self._cut_off}
        return [one for one in found if may_resume(self._store.events_after(0, task=one, kind=RESUMING), now)]

    def _carry_out(self, made: Plan, tasks: Iterable[Task], now: float) -> None:
        if self._stale:
            self.reload()
        waiting = [decision for decision in made.decisions if not decision.admitted]
        if waiting and self._rules is not None:
            with self._store.write(now) as writer:
                for decision in waiting:
                    writer.explain(decision)
        for act in made.acts:
            if self._rules is not None or act.verb in ("record", "stop", "recover"):
                self._children.start(act.verb, act.task, then=partial(self._acted, act))
        if self._rules is not None:
            self._wait_for_limits(self._rules, tasks, now)
            self._notifying.look(self._rules)
            self._keep_awake(wanted=self._rules.keep_awake and any(task.works for task in tasks))
        self._follow(made.follow)
        if self._tidy_at is not None:
            self._tidy_at = min(self._tidy_at, now + DAY)
        deadlines = [when for when in (made.deadline, self._tidy_at) if when is not None]
        if self._tidy_at is not None and self._tidy_at <= now:
            self._tidy_at = None
            self._children.start("tidy", then=self._tidied)
        if made.idle and not self.server.followed and not self._children.running:
            self._idle_since = now if self._idle_since is None else self._idle_since
            if not 0 <= now - self._idle_since < PATIENCE:  # as also after the clock was set back
                self._stopped = True
            deadlines.append(self._idle_since + PATIENCE)
        else:
            self._idle_since = None
        self._alarm.set(min(deadlines, default=None))

    def _follow(self, tasks: Mapping[str, Task]) -> None:
        for task_id, running in list(self._following.items()):
            wanted = tasks.get(task_id)
            if wanted is not None and wanted.started == self._followers[task_id].run_began and not running.done():
                continue
            self._following.pop(task_id).cancel()
            self._reports.pop(task_id).close()
            self._doubting.forget(task_id)
            del self._followers[task_id]
        for task_id, task in tasks.items():
            if task_id not in self._followers:
                on_push = partial(self._children.start, "pushed", task_id)
                follower = Follower(self._store, self._sandbox, task, on_push)
                running = self._loop.create_task(follower.run())
                running.add_done_callback(lambda _: self._look_again())
                self._followers[task_id], self._following[task_id] = follower, running
                self._reports[task_id] = Reports(self._store, self._inside, task_id, task_dir(task.container))

    def _wait_for_limits(self, rules: Rules, tasks: Iterable[Task], now: float) -> None:
        """Put runs that a provider's limit has ended in the queue, where a person has allowed it."""
        for task in tasks:
            if task.word != "limit":
                continue
            facts = self._store.facts(task.id)
            row = wait_for_reset(task, facts.calls, rules.waits, now) if facts.queued is None else None
            if row is not None and may_wait(self._store.events_after(0, task=task.id, kind=WAITED)):
                with self._store.write(now) as writer:
                    writer.event(task.id, WAITED, until=row.not_before)
                    writer.enqueue(row, "waits for the provider's limit to be reset")

    def _keep_awake(self, *, wanted: bool) -> None:
        if not wanted:
            self._awake.release()
        elif not self._awake.held and (self._awakening is None or self._awakening.done()):
            self._awakening = self._loop.create_task(self._awake.hold())
            self._awakening.add_done_callback(lambda _: self._look_again())

    def _acted(self, act: Act, result: list[Any] | None) -> None:
        if result is None or result[0] is False:
            count = self._failed[act] = self._failed.get(act, 0) + 1
            self._not_before[act] = time.time() + RETRIES[min(count, len(RETRIES)) - 1]
        else:
            self._cut_off -= {act.task} if act.verb == "resume" else set()
            self._failed.pop(act, None)
            self._not_before.pop(act, None)

    def _set(self, settings: list[Any] | None) -> None:
        if settings is not None:
            self._rules = rules_from_json(settings[0])
            self._look_again()

    def _tidied(self, due: list[Any] | None) -> None:
        latest = time.time() + (DAY if due is not None else RETRIES[-1])
        self._tidy_at = min(due[0], latest) if due and due[0] is not None else latest

    def _poked(self) -> dict[str, Any]:
        self._look_again()
        return {}

    def _stop(self) -> dict[str, Any]:
        self.stop()
        return {}

    def _status(self) -> dict[str, Any]:
        return {
            "awake": self._awake.held,
            "pid": os.getpid(),
            "since": self._since,
            "following": sorted(self._followers),
            "children": [" ".join(words) for words in sorted(self._children.running)],
            "settings": self._rules is not None,
        }
