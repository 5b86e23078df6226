"""The workers of one supervisor: forked, watched through their pidfds, restarted with backoff, stopped."""

from __future__ import annotations

import os
import selectors
import signal
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from terok_util import TerokError
from terok_util.lazy import load_reference
from terok_util.process import Process

from terok_sandbox import hygiene
from terok_sandbox.descriptors import is_readable
from terok_sandbox.netns.nft import NftChannelFds, spawn_nft
from terok_sandbox.netns.worker_context import WorkerContext
from terok_sandbox.sidecar import Sidecar
from terok_sandbox.supervise.handover import ProcessId, start_time
from terok_sandbox.supervise.logfile import LogFile
from terok_sandbox.supervise.worker import become_worker
from terok_sandbox.supervise.worker_plan import WorkerPlan

_FIRST_BACKOFF: Final = 0.05
_HEAD_START: Final = 0.2
"""Seconds a container gets to come up before its workers take the CPU from it, unless it asks for one sooner."""
_BROKER_LISTENERS: Final = ("vault", "vault-tls", "vault-unix", "vault-host", "ssh-agent", "activity-broker")
"""Listeners of the broker; every other one is the gateway's."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """A container to serve; the supervisor owns the descriptors."""

    sidecar: Sidecar
    listeners: Mapping[str, socket.socket]
    packet_log: socket.socket
    netns_fd: int
    container_pid: int


@dataclass(slots=True)
class _Member:
    name: str
    pid: int = 0
    pidfd: int = -1
    started: float = 0.0
    failures: int = 0
    restarts: int = 0
    due: float | None = None
    nft: Process | None = field(default=None, repr=False)
    nft_pidfd: int = -1
    watched: list[socket.socket] = field(default_factory=list)

    confined: str = ""
    report: int = -1

    @property
    def running(self) -> bool:
        return self.pid != 0

    def keep_report(self, descriptor: int) -> None:
        """Keep the pipe on which the worker reports its confinement."""
        self.forget()
        self.report = descriptor

    def confinement(self) -> str:
        """Return the running worker's report, empty before it has come."""
        if self.report >= 0:
            with suppress(BlockingIOError):
                self.confined = os.read(self.report, 512).decode("utf-8", "replace") or "ended before it was confined"
                os.close(self.report)
                self.report = -1
        return self.confined

    def forget(self) -> None:
        """Drop the former worker's report."""
        if self.report >= 0:
            os.close(self.report)
        self.report, self.confined = -1, ""


class Workers:
    """Start the workers that the sidecar wires, and keep them running; children beside `others` are ended."""

    def __init__(
        self,
        plan: WorkerPlan,
        selector: selectors.BaseSelector,
        log: LogFile,
        *,
        error_fd: int,
        others: Callable[[], dict[str, ProcessId]],
    ) -> None:
        self._plan = plan
        self._selector = selector
        self._log = log
        self._error_fd = error_fd
        self._others = others
        self._members: dict[str, _Member] = {}
        self._assignment: Assignment | None = None

    def assign(self, assignment: Assignment) -> None:
        """Have the workers for `assignment` started by `start_due`, at once when something arrives for one."""
        self._assignment = assignment
        names = ["gateway"] if assignment.sidecar.vault is None else ["broker", "gateway"]
        due = time.monotonic() + _HEAD_START
        self._members = {name: _Member(name, due=due) for name in names}
        for member in self._members.values():
            member.watched = list(_listeners(member.name, assignment).values())
            for listener in member.watched:
                self._selector.register(listener, selectors.EVENT_READ, partial(self._hurry, member))

    def start_due(self) -> bool:
        """Start every worker whose time has come; returns whether one was started."""
        now = time.monotonic()
        due = [member for member in self._members.values() if member.due is not None and member.due <= now]
        for member in due:
            self._start(member)
        return bool(due)

    def next_due(self) -> float | None:
        """Return when the next worker is to be started (`time.monotonic`)."""
        return min((member.due for member in self._members.values() if member.due is not None), default=None)

    def status(self) -> dict[str, Any]:
        """Return `{name: {"pid", "restarts", "confined"}}`; the pid is 0 while a worker waits to be restarted."""
        return {
            member.name: {"pid": member.pid, "restarts": member.restarts, "confined": member.confinement()}
            for member in self._members.values()
        }

    def process_ids(self) -> dict[str, ProcessId]:
        """Return the running workers' processes."""
        processes: dict[str, ProcessId] = {}
        for member in self._members.values():
            with suppress(OSError):
                if member.running:
                    processes[member.name] = ProcessId(member.pid, start_time(member.pid))
        return processes

    def stop(self, grace: float) -> None:
        """Stop every worker: SIGTERM, up to `grace` seconds, then SIGKILL to its whole process group."""
        if self._assignment is None:
            return
        for member in self._members.values():
            self._unwatch(member)
            member.due = None
            if member.running:
                os.kill(member.pid, signal.SIGTERM)
        deadline = time.monotonic() + grace
        for member in self._members.values():
            while member.running:
                if self._reap(member, max(0.0, deadline - time.monotonic())):
                    break
                with suppress(ProcessLookupError):
                    os.killpg(member.pid, signal.SIGKILL)
                deadline = time.monotonic() + 1.0
            self._drop_nft(member)
        self._end_orphans()
        self._members = {}
        self._assignment = None

    def _hurry(self, member: _Member) -> None:
        self._unwatch(member)
        member.due = 0.0

    def _unwatch(self, member: _Member) -> None:
        while member.watched:
            self._selector.unregister(member.watched.pop())

    def _start(self, member: _Member) -> None:
        self._unwatch(member)
        member.due = None
        if self._assignment is None:
            return
        fds: NftChannelFds | None = None
        try:
            if member.name == "gateway":
                fds = self._start_nft(member, self._assignment.netns_fd)
            member.pid = self._fork(member.name, self._context(member.name, self._assignment, fds))
        except (TerokError, OSError) as error:
            self._log.note(f"{member.name} cannot be started: {error}")
            self._schedule(member, lived=0.0)
            return
        finally:
            if fds is not None:
                os.close(fds.stdin)
                os.close(fds.stdout)
        member.started = time.monotonic()
        member.pidfd = os.pidfd_open(member.pid)
        self._selector.register(member.pidfd, selectors.EVENT_READ, lambda: self._ended(member))

    def _context(self, name: str, assignment: Assignment, nft: NftChannelFds | None) -> WorkerContext:
        return WorkerContext(
            sidecar=assignment.sidecar,
            listeners=_listeners(name, assignment),
            nft=nft,
            nflog=assignment.packet_log if name == "gateway" else None,
            container_pid=assignment.container_pid,
        )

    def _fork(self, name: str, context: WorkerContext) -> int:
        entry = load_reference(getattr(self._plan, name))
        parent = os.getpid()
        report, tell = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        pid = os.fork()
        if pid == 0:
            become_worker(
                name,
                entry,
                context,
                parent=parent,
                error_fd=self._error_fd,
                report_fd=tell,
                memory=self._plan.worker_memory,
            )
        os.close(tell)
        self._members[name].keep_report(report)
        return pid

    def _start_nft(self, member: _Member, netns_fd: int) -> NftChannelFds:
        self._drop_nft(member)
        member.nft, fds = spawn_nft(netns_fd)
        member.nft_pidfd = os.pidfd_open(member.nft.pid)
        self._selector.register(member.nft_pidfd, selectors.EVENT_READ, lambda: self._nft_ended(member))
        return fds

    def _nft_ended(self, member: _Member) -> None:
        """Restart a gateway that has lost its nft: a fresh pair of pipes can only be given at a start."""
        self._drop_nft(member)
        if member.running:
            self._log.note(f"{member.name}: its nft has ended")
            with suppress(ProcessLookupError):
                os.kill(member.pid, signal.SIGTERM)

    def _drop_nft(self, member: _Member) -> None:
        if member.nft is not None:
            self._selector.unregister(member.nft_pidfd)
            os.close(member.nft_pidfd)
            if member.nft.poll() is None:
                member.nft.kill()
            member.nft.wait(5)
            member.nft = None

    def _ended(self, member: _Member) -> None:
        lived = time.monotonic() - member.started
        if self._reap(member, 0.0):
            self._end_orphans()
            self._schedule(member, lived=lived)

    def _end_orphans(self) -> None:
        """End what a worker has started and not ended itself: git, when the gateway was killed."""
        known = {member.pid for member in self._members.values()} | {member.pid for member in self._others().values()}
        known |= {member.nft.pid for member in self._members.values() if member.nft is not None}
        if ended := hygiene.end_orphans(known):
            self._log.note(f"ended {ended} processes that a worker left")

    def _reap(self, member: _Member, patience: float) -> bool:
        if not is_readable(member.pidfd, patience):
            return False
        _, status = os.waitpid(member.pid, 0)
        self._selector.unregister(member.pidfd)
        os.close(member.pidfd)
        self._log.note(f"{member.name}[{member.pid}] ended: {_explain(status)}")
        member.pid, member.pidfd = 0, -1
        member.forget()
        return True

    def _schedule(self, member: _Member, *, lived: float) -> None:
        member.failures = 0 if lived > self._plan.healthy_after else member.failures + 1
        backoff = 0.0 if member.failures == 0 else _FIRST_BACKOFF * 2 ** min(member.failures - 1, 10)
        member.restarts += 1
        member.due = time.monotonic() + min(backoff, self._plan.longest_backoff)


def _listeners(worker: str, assignment: Assignment) -> dict[str, socket.socket]:
    named = assignment.listeners.items()
    return {key: listener for key, listener in named if (key in _BROKER_LISTENERS) == (worker == "broker")}


def _explain(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    return f"status {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"
