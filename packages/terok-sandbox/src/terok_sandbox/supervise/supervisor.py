"""One container's supervisor: takes its network namespace, keeps the listeners, and keeps two workers behind them.

A single thread and one selector, no event loop: nothing here reads a byte that a container has written.
"""

from __future__ import annotations

import gc
import os
import selectors
import signal
import socket
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

from terok_util import TerokError, ensure_dir
from terok_util.lazy import load_reference

from terok_sandbox import hygiene, unix_sockets
from terok_sandbox.config.model import ACTIVITY_DIR, CONTROL_SOCKET, GUEST_DIR, RECORD_FILE, SUPERVISOR_LOG
from terok_sandbox.descriptors import is_readable
from terok_sandbox.errors import SupervisorError
from terok_sandbox.netns.listeners import (
    BACKLOG,
    DNS_LISTENERS,
    EGRESS_LISTENER,
    GATE_LISTENER,
    VAULT_LISTENERS,
    ListenerSpec,
    bind_listener,
    loopback_listener,
)
from terok_sandbox.netns.prepare import Preparation, Prepared, Verify
from terok_sandbox.sidecar import Sidecar, VaultWiring
from terok_sandbox.supervise import frames, handover
from terok_sandbox.supervise.control import ControlServer, ready, stop_on_signals
from terok_sandbox.supervise.logfile import LogFile
from terok_sandbox.supervise.rules import Rules
from terok_sandbox.supervise.uplink import Uplink
from terok_sandbox.supervise.worker_plan import WorkerPlan
from terok_sandbox.supervise.workers import Assignment, Workers
from terok_sandbox.vault_addr import SSH_SOCKET, VAULT_SOCKET

CRASHED: Final = 70  # exit status after an error of our own making
_TAKE_OVER_GRACE: Final = 1.0
_DRAFT_LIFE: Final = 5.0  # seconds after which rules are rendered anew: the host's addresses may be others


class Supervisor:
    """Supervises the container of one sidecar."""

    def __init__(
        self, sidecar_path: Path, sidecar: Sidecar, listener: socket.socket, plan: WorkerPlan, *, lifeline: int
    ) -> None:
        self._path = sidecar_path
        self._sidecar = sidecar
        self._plan = plan
        self._lifeline = lifeline
        self._selector = selectors.DefaultSelector()
        self._log = LogFile(sidecar.state_dir / SUPERVISOR_LOG)
        self._control_id = unix_sockets.identity(sidecar.runtime_dir / CONTROL_SOCKET)
        self._control = ControlServer(listener, self._selector, self._answer)
        self._said, self._error_fd = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        os.set_blocking(self._error_fd, True)
        self._selector.register(self._said, selectors.EVENT_READ, self._copy_said)
        errors = {"error_fd": self._error_fd}
        self._uplink = Uplink(self._selector, self._log, timeout=plan.prepare_timeout, **errors)
        self._workers = Workers(plan, self._selector, self._log, others=self._uplink.process_ids, **errors)
        self._target: handover.FirstProcess | None = None
        self._sockets: list[socket.socket] = []
        self._give_up = time.monotonic() + plan.handover_timeout
        self._took_ms = 0.0
        self._drafted: tuple[float, Sidecar, Preparation] | None = None
        self._spent: Preparation | None = None
        self._unrecorded = False
        self._stopping = False

    def run(self) -> int:
        """Serve, taking over what another one left, until the container ends, a stop is asked for, or none comes."""
        stop_on_signals(self._selector, self._on_signal)
        try:
            self._take_over()
            self._draft()
            while not self._stopping:
                self._turn()
        except Exception:  # noqa: BLE001 - the record stays, so that a successor can take over
            self._log.note(traceback.format_exc())
            return CRASHED
        self._end()
        return 0

    def _turn(self) -> None:
        now = time.monotonic()
        if self._target is None and now >= self._give_up:
            self._log.note("no container came")
            self._stopping = True
            return
        deadlines = [self._workers.next_due(), self._uplink.due, self._give_up if self._target is None else None]
        if self._control.waiting:
            deadlines.append(now + 1.0)
        left = [max(0.0, moment - now) for moment in deadlines if moment is not None]
        for callback in ready(self._selector, min(left) if left else None):
            callback()
        self._unrecorded |= self._uplink.start_due()
        if self._workers.start_due() or self._unrecorded:
            self._unrecorded = False
            self._record()
            self._end_preparation()
        self._control.expire()

    def _answer(self, frame: frames.Frame) -> dict[str, Any]:
        requests: dict[str, Callable[[frames.Frame], dict[str, Any]]] = {
            "handover": self._handover,
            "status": self._status,
            "stop": self._stop,
        }
        if frame.kind not in requests:
            raise SupervisorError(f"a supervisor does not know the request {frame.kind!r}")
        return requests[frame.kind](frame)

    def _status(self, _frame: frames.Frame) -> dict[str, Any]:
        return {
            "pid": os.getpid(),
            "container_pid": self._target.pid if self._target else None,
            "container_id": self._target.container_id if self._target else None,
            "prepared": self._target is not None,
            "took_ms": self._took_ms,
            "workers": self._workers.status(),
        }

    def _stop(self, _frame: frames.Frame) -> dict[str, Any]:
        self._stopping = True
        return {}

    def _handover(self, frame: frames.Frame) -> dict[str, Any]:
        began = time.monotonic()
        if Path(frame.text("sidecar")) != self._path:
            raise SupervisorError(f"this is the supervisor of {self._sidecar.container_name}")
        configuration = handover.receive_configuration(frame)
        target = handover.receive_first_process(frame)
        current = self._target
        if current is not None and current.alive and not current.is_same_container(target):
            target.close()
            raise SupervisorError(
                f"another container runs as {self._sidecar.container_name}",
                hint=f"remove it with `terok-sandbox rm {self._sidecar.container_name}` first",
            )
        fresh = frame.fields.get("fresh") == 1
        self._take(target, lambda sidecar: handover.check_planned(sidecar, frame, configuration), fresh=fresh)
        self._took_ms = round((time.monotonic() - began) * 1000, 1)
        return {"took_ms": self._took_ms}

    def _take(
        self, target: handover.FirstProcess, check: Callable[[Sidecar], None] = lambda _: None, *, fresh: bool = False
    ) -> None:
        """Make `target` the supervised container, or leave none: what there was before has ended or is replaced.

        Nothing of a `fresh` one runs until this has succeeded, so that its rules and its way out can be made at once.
        """
        self._release()
        try:
            self._sidecar = Sidecar.load(self._path)
            check(self._sidecar)
            begin = partial(self._uplink.begin, self._sidecar.network, target.netns_fd, self._sidecar.runtime_dir)
            prepared = self._prepare(target, meanwhile=begin if fresh else None)
            self._sockets = [*prepared.listeners.values(), prepared.packet_log]
            if not fresh:
                begin()
            listeners = {**prepared.listeners, **self._guest_sockets(), **self._host_sockets(), **self._feeds()}
            self._uplink.finish()
        except BaseException as error:
            self._log.note(f"cannot supervise process {target.pid}: {error}")
            self._release()
            target.close()
            raise
        self._target = target
        self._selector.register(target.pidfd, selectors.EVENT_READ, self._container_ended)
        self._workers.assign(
            Assignment(self._sidecar, listeners, prepared.packet_log, target.netns_fd, target.pid),
        )
        self._unrecorded = True
        self._log.note(f"supervises {target.container_id[:12] or 'process'} (pid {target.pid})")

    def _draft(self) -> None:
        """Have everything made that can be while Podman is busy; what keeps it from working is said at the handover."""
        if self._target is None:
            with suppress(OSError):
                self._drafted = (time.monotonic(), self._sidecar, self._preparation())

    def _prepare(self, target: handover.FirstProcess, *, meanwhile: Callable[[], None] | None) -> Prepared:
        self._end_preparation()
        drafted, self._drafted = self._drafted, None
        if drafted is not None:
            self._spent = drafted[2]
            if time.monotonic() - drafted[0] > _DRAFT_LIFE or drafted[1] != self._sidecar:
                self._end_preparation()
        self._spent = self._spent or self._preparation()
        return self._spent.run(target.netns_fd, timeout=self._plan.prepare_timeout, meanwhile=meanwhile)

    def _end_preparation(self) -> None:
        if self._spent is not None:
            self._spent.close()
            self._spent = None

    def _preparation(self) -> Preparation:
        wanted = [*DNS_LISTENERS]
        if self._sidecar.gate is not None:
            wanted.append(GATE_LISTENER)
        if self._sidecar.shield.enforcement == "airlock":
            wanted.append(EGRESS_LISTENER)
        if self._sidecar.vault is not None:
            wanted += VAULT_LISTENERS
        wanted += map(loopback_listener, self._sidecar.loopback_ports)
        return Preparation(self._made_for_the_container, wanted)

    def _made_for_the_container(self) -> tuple[str, Verify]:
        if self._sidecar.vault is not None:
            self._publish_certificate(self._sidecar.vault)
        rules: Rules = load_reference(self._plan.rules)(self._sidecar)
        return rules.text, rules.verify

    def _guest_sockets(self) -> dict[str, socket.socket]:
        """Bind the sockets the container sees mounted; all users in there may connect, nobody outside can."""
        if self._sidecar.vault is None:
            return {}
        wanted = {"vault-unix": VAULT_SOCKET}
        if self._sidecar.vault.ssh_scope is not None:
            wanted["ssh-agent"] = SSH_SOCKET
        return {name: self._guest_socket(file) for name, file in wanted.items()}

    def _feeds(self) -> dict[str, socket.socket]:
        """Bind the sockets on which the workers tell what they know: whoever follows one waits for its next worker."""
        names = ["gateway"] if self._sidecar.vault is None else ["broker", "gateway"]
        return {f"activity-{name}": self._socket(f"{ACTIVITY_DIR}/{name}.sock", 0o600) for name in names}

    def _guest_socket(self, file: str) -> socket.socket:
        return self._socket(f"{GUEST_DIR}/{file}", 0o666)

    def _socket(self, file: str, mode: int) -> socket.socket:
        path = self._sidecar.runtime_dir / file
        try:
            ensure_dir(path.parent)
            listener = unix_sockets.listen(path, kind=socket.SOCK_STREAM, mode=mode, backlog=BACKLOG)
        except OSError as error:
            raise SupervisorError(f"{path}: cannot listen: {error.strerror}") from error
        self._sockets.append(listener)
        return listener

    def _host_sockets(self) -> dict[str, socket.socket]:
        ports, bound = self._sidecar.host_ports, dict[str, socket.socket]()
        if ports is None:
            return bound
        wired = {"vault": self._sidecar.vault, "gate": self._sidecar.gate}
        for name in (name for name, wiring in wired.items() if wiring is not None):
            spec = ListenerSpec(f"{name}-host", getattr(ports, name))
            bound[spec.name] = bind_listener(spec, deadline=time.monotonic() + _TAKE_OVER_GRACE)
            self._sockets.append(bound[spec.name])
        return bound

    def _publish_certificate(self, vault: VaultWiring) -> None:
        """Show the container what to trust on the https listener; the broker finds the key beside its audit."""
        guest = self._sidecar.runtime_dir / GUEST_DIR
        try:
            load_reference(self._plan.certificate)(vault.audit_path.parent, guest)
        except (OSError, TerokError) as error:
            raise SupervisorError(f"{guest}: cannot publish the vault's certificate: {error}") from error

    def _release(self) -> None:
        self._end_preparation()
        self._uplink.close()
        self._workers.stop(self._plan.stop_grace)
        for listener in self._sockets:
            listener.close()
        self._sockets = []
        if self._target is not None:
            self._selector.unregister(self._target.pidfd)
            self._target.close()
            self._target = None
            self._give_up = time.monotonic() + self._plan.handover_timeout

    def _take_over(self) -> None:
        path = self._sidecar.runtime_dir / RECORD_FILE
        if not path.exists():
            return
        try:
            record = handover.read_record(path)
            target = handover.reopen_first_process(record)
            end_workers(record.workers, grace=_TAKE_OVER_GRACE)
            self._take(target)
        except TerokError as error:
            self._log.note(f"cannot take over: {error.message}")
            path.unlink(missing_ok=True)

    def _record(self) -> None:
        if self._target is None:
            return
        record = handover.HandoverRecord(
            pid=os.getpid(),
            sidecar=str(self._path),
            container_id=self._target.container_id,
            container=handover.ProcessId(self._target.pid, self._target.start_time),
            netns=self._target.netns_id,
            workers=self._workers.process_ids() | self._uplink.process_ids(),
        )
        if not record.save(self._sidecar.runtime_dir / RECORD_FILE):
            self._log.note("cannot write supervisor.json: a crash of this process could not be made good")

    def _container_ended(self) -> None:
        self._log.note("the container has ended")
        self._stopping = True

    def _copy_said(self) -> None:
        with suppress(BlockingIOError):
            self._log.write(os.read(self._said, 65536))

    def _on_signal(self, *_: object) -> None:
        self._stopping = True

    def _end(self) -> None:
        """Give up every name first, then say so, then stop the workers: a successor may come at any moment."""
        runtime_dir = self._sidecar.runtime_dir
        control = runtime_dir / CONTROL_SOCKET
        if self._control_id is not None and unix_sockets.identity(control) == self._control_id:
            guest, feeds = runtime_dir / GUEST_DIR, (runtime_dir / ACTIVITY_DIR).glob("*.sock")
            for path in (runtime_dir / RECORD_FILE, guest / VAULT_SOCKET, guest / SSH_SOCKET, *feeds, control):
                with suppress(OSError):
                    path.unlink(missing_ok=True)
        os.close(self._lifeline)
        self._control.close()
        if self._drafted is not None:
            self._drafted[2].close()
        self._release()
        self._copy_said()
        self._log.close()


def end_workers(workers: dict[str, handover.ProcessId], *, grace: float) -> None:
    """End what a dead supervisor has left: its workers got SIGTERM when it died, and have `grace` seconds."""
    deadline = time.monotonic() + grace
    for worker in workers.values():
        with suppress(OSError):
            pidfd = os.pidfd_open(worker.pid)
            try:
                same = handover.start_time(worker.pid) == worker.start_time
                if same and not is_readable(pidfd, deadline - time.monotonic()):
                    signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            finally:
                os.close(pidfd)


def run_supervisor(
    sidecar_path: Path, sidecar: Sidecar, listener: socket.socket, plan: WorkerPlan, *, lifeline: int
) -> int:
    """Be the supervisor of one container in a freshly forked process; returns its exit status."""
    os.setsid()
    hygiene.reset_signals()
    hygiene.keep_only({listener.fileno(), lifeline})
    hygiene.harden("terok-supervise")
    hygiene.bound(plan.supervisor_memory)
    hygiene.adopt_orphans()
    hygiene.reseed()
    gc.freeze()
    gc.enable()
    return Supervisor(sidecar_path, sidecar, listener, plan, lifeline=lifeline).run()
