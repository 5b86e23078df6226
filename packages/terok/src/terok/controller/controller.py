"""The conductor: waits for a change, makes a plan, and sees that it is carried out."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from terok_util import TerokError

from terok.controller.alarm import Alarm
from terok.controller.children import Children
from terok.controller.following import Follower
from terok.controller.interruptions import RESUMING, may_resume, was_cut_off
from terok.controller.limits import WAITED, may_wait, wait_for_reset
from terok.controller.notifying import Notifying
from terok.controller.planning import Act, Plan, View, plan
from terok.controller.processor import Processor
from terok.controller.reports import Reports
from terok.controller.rules import Rules, rules_from_json
from terok.controller.server import Server
from terok.desktop.awake import Awake
from terok.integrations.executor import task_dir
from terok.integrations.sandbox import is_locked_down
from terok.model.admission import Limits
from terok.model.facts import Cpu
from terok.paths import tasks_dir
from terok.store import own_lease
from terok.store.reading import CONTROLLER

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from terok.controller.inotify import Watcher
    from terok.integrations.sandbox import Sandbox
    from terok.store import Store

PATIENCE: Final = 30.0
"""Seconds without anything to do after which the controller ends."""
GATHER: Final = 0.02
"""Seconds in which further changes join the one that woke it."""
RETRIES: Final = (10.0, 60.0, 300.0)
"""Seconds until what has failed is tried again."""

_log = logging.getLogger(__name__)


class Controller:
    """Looks after the tasks of one database until there is nothing to do."""

    def __init__(self, store: Store, sandbox: Sandbox, watcher: Watcher) -> None:
        self._store, self._sandbox, self._watcher = store, sandbox, watcher
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        self._alarm = Alarm(self._wake.set)
        self._notifying = Notifying(store)
        self._awake = Awake()
        self._awakening: asyncio.Task[None] | None = None
        self._children = Children(self._wake.set)
        self._followers: dict[str, Follower] = {}
        self._following: dict[str, asyncio.Task[None]] = {}
        self._processor = Processor()
        self._reports: dict[str, Reports] = {}
        self._rules: Rules | None = None
        self._failed: dict[Act, int] = {}
        self._not_before: dict[Act, float] = {}
        self._cut_off: set[str] = set()
        self._crashed = store.setting(CONTROLLER) is not None
        """Whether the one before was ended by something else than itself or a person."""
        self._tidy_at: float | None = None
        self._seq = -1
        self._idle_since: float | None = None
        self._stopped = self._left = False
        self._since = time.time()
        answers = {"ping": self._status, "poke": self._poked, "status": self._status, "stop": self._stop}
        self.server = Server(store, answers)

    async def run(self, listener: socket.socket) -> None:
        """Serve until there is nothing to do for a while, or until somebody says stop."""
        with self._store.write() as writer:
            writer.set(CONTROLLER, own_lease())
        self.server.open(listener)
        self._begin()
        try:
            while not self._stopped:
                await self._wake.wait()
                await asyncio.sleep(GATHER)
                self._wake.clear()
                self._step()
        finally:
            await self._end()

    def changed(self) -> None:
        """Have a look at the database soon."""
        self._wake.set()

    def reload(self) -> None:
        """Read the settings again."""
        self._children.start("settings", then=self._set)

    def stop(self, *, leave: bool = False) -> None:
        """End soon; with `leave` as if killed: whatever ends with this session is taken up again in the next."""
        self._stopped, self._left = True, leave
        self._wake.set()

    def _begin(self) -> None:
        """Compare what is recorded with what runs: whatever happened while nobody watched."""
        self.reload()
        self._children.start("tidy", then=self._tidied)
        ids = [task.id for task in self._store.tasks() if task.started is not None and task.ended is None]
        if ids:
            self._children.start("probe", *ids, then=lambda _: self._probed(ids))
        self._wake.set()

    async def _end(self) -> None:
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

    def _step(self) -> None:
        """Do what the database, and the time, ask for."""
        now = time.time()
        try:
            doubts = self._settle(now)
            made = plan(self._view(now, doubts))
            self._carry_out(made, now)
        except TerokError as error:
            _log.error("%s", error.message)
            self._alarm.set(now + RETRIES[0])
        seq = self._store.last_seq()
        if seq != self._seq:
            self._seq = seq
            self.server.tell()

    def _settle(self, now: float) -> dict[str, float]:
        """Judge again what time has changed; return when it will next, by task."""
        doubts, due, at_work = {}, [], []
        for task in self._store.tasks(now=float("-inf")):
            if task.trashed is not None or (task.group == "over" and task.doubt_at is None):
                continue
            state = self._store.state(task.id, now=now)
            if state.doubt_at is not None:
                doubts[task.id] = state.doubt_at
            busy = state.word in ("working", "waiting", "unknown") and self._is_busy(task.id)
            if busy and state.word != "working":
                doubts[task.id] = now  # it works on: look again when that is recorded
                at_work.append(task.id)
            elif state.word != task.word or " ".join(state.also) != task.also:
                due.append(task.id)
        if due or at_work:
            with self._store.write(now) as writer:
                for task_id in due:
                    writer.judge_again(task_id)
                for task_id in at_work:
                    writer.observe(task_id, cpu=Cpu(now, "cgroup"))
        return doubts

    def _is_busy(self, task_id: str) -> bool:
        follower = self._followers.get(task_id)
        return follower is not None and follower.pid > 0 and self._processor.look(task_id, follower.pid)

    def _view(self, now: float, doubts: Mapping[str, float]) -> View:
        running = self._children.running
        limits = self._rules.limits if self._rules is not None else Limits(0, 0)
        return View(
            self._store.tasks(now=float("-inf")),
            self._store.queue(),
            replace(limits, stopped=is_locked_down(self._sandbox.config.state_dir)),
            _disk_free(tasks_dir()),
            now,
            doubts,
            {task_id for words in running for task_id in words[1:]},
            {one.task for one in self._store.follow_ups() if one.state == "written" and one.how == "queue"},
            self._store.left_alone(),
            self._interrupted(now),
            self._not_before,
        )

    def _interrupted(self, now: float) -> list[str]:
        if self._rules is None or not self._rules.resume:
            return []
        found = {*self._store.of_other_boots(), *self._cut_off}
        return [one for one in found if may_resume(self._store.events_after(0, task=one, kind=RESUMING), now)]

    def _carry_out(self, made: Plan, now: float) -> None:
        waiting = [decision for decision in made.decisions if not decision.admitted]
        if waiting and self._rules is not None:
            with self._store.write(now) as writer:
                for decision in waiting:
                    writer.explain(decision)
        for act in made.acts if self._rules is not None else []:
            self._children.start(act.verb, act.task, then=partial(self._acted, act))
        if self._rules is not None:
            self._wait_for_limits(self._rules, now)
            self._notifying.look(self._rules)
            working = any(task.word == "working" for task in self._store.tasks(now=now))
            self._keep_awake(wanted=working and self._rules.keep_awake)
        self._follow(made.follow)
        deadlines = [when for when in (made.deadline, self._tidy_at) if when is not None]
        if self._tidy_at is not None and self._tidy_at <= now:
            self._tidy_at = None
            self._children.start("tidy", then=self._tidied)
        if made.idle and not self.server.followed and not self._children.running:
            self._idle_since = now if self._idle_since is None else self._idle_since
            if now >= self._idle_since + PATIENCE:
                self._stopped = True
            deadlines.append(self._idle_since + PATIENCE)
        else:
            self._idle_since = None
        self._alarm.set(min(deadlines, default=None))

    def _follow(self, containers: Mapping[str, str]) -> None:
        for task_id in [one for one, task in self._following.items() if task.done() or one not in containers]:
            self._following.pop(task_id).cancel()
            self._reports.pop(task_id).close()
            self._processor.forget(task_id)
            del self._followers[task_id]
        for task_id, container in containers.items():
            if task_id not in self._followers:
                follower = Follower(self._store, self._sandbox, task_id, container)
                task = self._loop.create_task(follower.run())
                task.add_done_callback(lambda _: self._wake.set())
                self._followers[task_id], self._following[task_id] = follower, task
                self._reports[task_id] = Reports(self._store, self._watcher, task_id, task_dir(container))

    def _wait_for_limits(self, rules: Rules, now: float) -> None:
        """Put runs that a provider's limit has ended in the queue, where a person has allowed it."""
        queued = {row.task for row in self._store.queue()}
        for task in self._store.tasks(now=now):
            if task.word != "limit" or task.id in queued:
                continue
            row = wait_for_reset(task, self._store.facts(task.id).calls, rules.waits, now)
            if row is not None and may_wait(self._store.events_after(0, task=task.id, kind=WAITED)):
                with self._store.write(now) as writer:
                    writer.event(task.id, WAITED, until=row.not_before)
                    writer.enqueue(row, "waits for the provider's limit to be reset")

    def _keep_awake(self, *, wanted: bool) -> None:
        if not wanted:
            self._awake.release()
        elif not self._awake.held and (self._awakening is None or self._awakening.done()):
            self._awakening = self._loop.create_task(self._awake.hold())

    def _acted(self, act: Act, result: Any | None) -> None:
        if act.verb == "start":  # a start that fails is recorded as such, and not tried again
            return
        if result is None:
            count = self._failed[act] = self._failed.get(act, 0) + 1
            self._not_before[act] = time.time() + RETRIES[min(count, len(RETRIES)) - 1]
        else:
            self._failed.pop(act, None)
            self._not_before.pop(act, None)

    def _set(self, settings: Any | None) -> None:
        if settings is not None:
            self._rules = rules_from_json(settings)

    def _tidied(self, due: Any | None) -> None:
        self._tidy_at = due

    def _poked(self) -> dict[str, Any]:
        self._wake.set()
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


def _disk_free(place: Path) -> int | None:
    while not place.exists() and place != place.parent:
        place = place.parent
    try:
        facts = os.statvfs(place)
    except OSError:
        return None
    return facts.f_bavail * facts.f_frsize
