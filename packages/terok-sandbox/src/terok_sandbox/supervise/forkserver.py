"""The fork server: one process per user that has imported what workers need and forks a supervisor per container.

It holds no secret and reads nothing a container wrote. Run as `python -m terok_sandbox.supervise.forkserver`. It ends
when a client of another build asks, or when its own sources have changed on disk; the supervisors it made live on.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import selectors
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NoReturn

from terok_util import TerokError, ensure_dir
from terok_util.process import Process, spawn

from terok_sandbox import hygiene, unix_sockets
from terok_sandbox.config.model import CONTROL_SOCKET, FORKSERVER_SOCKET, RECORD_FILE
from terok_sandbox.errors import SupervisorError
from terok_sandbox.launch.lockdown import is_locked_down, refuse_lockdown
from terok_sandbox.sidecar import Sidecar
from terok_sandbox.supervise import frames, systemd
from terok_sandbox.supervise.control import ControlServer, ready, stop_on_signals
from terok_sandbox.supervise.hook import BUILD
from terok_sandbox.supervise.preload import preload
from terok_sandbox.supervise.supervisor import CRASHED, run_supervisor
from terok_sandbox.supervise.worker_plan import WorkerPlan

LOCK_FILE: Final = "forkserver.lock"
_LOCK_PATIENCE: Final = 5.0
_MAX_TAKE_OVERS: Final = 5
_TAKE_OVER_WINDOW: Final = 60.0


@dataclass(slots=True)
class _Child:
    """A supervisor; its lifeline ends when it has begun to go."""

    name: str
    sidecar_path: Path
    pid: int
    pidfd: int
    lifeline: socket.socket
    take_overs: list[float] = field(default_factory=list)

    @property
    def going(self) -> bool:
        """Whether it takes no container any more."""
        with suppress(BlockingIOError):
            return self.lifeline.recv(1) == b""
        return False


class ForkServer:
    """Serves `supervise`, `status` and `stop` on `listener`; single-threaded."""

    def __init__(
        self, runtime_dir: Path, listener: socket.socket, plan: WorkerPlan, *, owns_socket: bool = True
    ) -> None:
        self._runtime_dir = runtime_dir
        self._socket_id = unix_sockets.identity(runtime_dir / FORKSERVER_SOCKET) if owns_socket else None
        self._plan = plan
        self._selector = selectors.DefaultSelector()
        self._control = ControlServer(listener, self._selector, self._answer)
        self._children: dict[str, _Child] = {}
        self._answered: list[Callable[[], object]] = []
        self._unlocking: Process | None = None
        self._sources = _sources()
        self._stopping = False

    def run(self) -> None:
        """Serve until a stop or a replacement is asked for."""
        stop_on_signals(self._selector, self._on_signal)
        while not self._stopping:
            for callback in ready(self._selector, 1.0 if self._control.waiting else None):
                callback()
                self._follow_up()
            self._control.expire()
        path = self._runtime_dir / FORKSERVER_SOCKET
        if self._socket_id is not None and unix_sockets.identity(path) == self._socket_id:  # else it is a successor's
            with suppress(OSError):
                path.unlink()
        self._control.close()

    def _follow_up(self) -> None:
        """Do what was answered: a fork takes long enough for the one who asked to go on meanwhile."""
        while self._answered:
            try:
                self._answered.pop(0)()
            except OSError as error:  # the listener is closed: the hook finds no supervisor and refuses
                sys.stderr.write(f"no supervisor could be forked: {error}\n")

    def _on_signal(self, *_: object) -> None:
        self._stopping = True

    def _answer(self, frame: frames.Frame) -> dict[str, Any]:
        match frame.kind:
            case "supervise":
                return self._supervise(frame)
            case "status":
                running = {child.name: child.pid for child in self._children.values()}
                return {"pid": os.getpid(), "supervisors": running}
            case "renew":
                return self._renew(frame)
            case "stop":
                self._stopping = True
                return {"pid": os.getpid()}
        raise SupervisorError(f"the fork server does not know the request {frame.kind!r}")

    def _renew(self, frame: frames.Frame) -> dict[str, Any]:
        if frame.build == BUILD and not _changed(self._sources):
            return {"pid": os.getpid()}
        self._stopping = True
        return {"replaced": True, "pid": os.getpid()}

    def _supervise(self, frame: frames.Frame) -> dict[str, Any]:
        if frame.fields.get("replace") is True and (answer := self._renew(frame)).get("replaced"):
            return answer
        path = Path(frame.text("sidecar"))
        sidecar = Sidecar.load(path)
        if sidecar.runtime_dir.parent.parent != self._runtime_dir:
            raise SupervisorError(f"{path}: its runtime directory is not below {self._runtime_dir}")
        refuse_lockdown(_state_dir(sidecar))
        known = self._children.get(sidecar.container_name)
        if known is not None and not known.going:
            return {}
        if known is None and unix_sockets.answers(sidecar.runtime_dir / CONTROL_SOCKET):
            return {}  # made by a fork server before this one
        self._unlock(sidecar)
        listener = _listen(sidecar)  # the hook may come before the supervisor does
        self._answered.append(lambda: self._fork(path, sidecar, listener, take_overs=[]))
        return {}

    def _unlock(self, sidecar: Sidecar) -> None:
        """Have the vault unlocked beside the start when its session file is gone, as after a reboot."""
        session = sidecar.vault.passphrase_file if sidecar.vault else None
        if session is None or session.exists() or self._unlocking:
            return
        try:
            self._unlocking = spawn([sys.executable, "-P", "-m", "terok_sandbox.supervise.unlocking", str(session)])
        except TerokError as error:
            sys.stderr.write(f"the vault stays locked: {error.message}\n")
            return
        pidfd = os.pidfd_open(self._unlocking.pid)
        self._selector.register(pidfd, selectors.EVENT_READ, lambda: self._unlocked(pidfd))

    def _unlocked(self, pidfd: int) -> None:
        self._selector.unregister(pidfd)
        os.close(pidfd)
        if self._unlocking is not None:
            self._unlocking.wait()
            self._unlocking = None

    def _fork(self, path: Path, sidecar: Sidecar, listener: socket.socket, *, take_overs: list[float]) -> None:
        here, there = socket.socketpair()
        here.setblocking(False)
        with listener, there:
            pid = os.fork()
            if pid == 0:
                self._become_supervisor(path, sidecar, listener, there.fileno())
        child = _Child(sidecar.container_name, path, pid, os.pidfd_open(pid), here, take_overs)
        self._children[child.name] = child
        self._selector.register(child.pidfd, selectors.EVENT_READ, lambda: self._ended(child))

    def _become_supervisor(self, path: Path, sidecar: Sidecar, listener: socket.socket, lifeline: int) -> NoReturn:
        status = CRASHED
        try:
            status = run_supervisor(path, sidecar, listener, self._plan, lifeline=lifeline)
        finally:
            os._exit(status)

    def _ended(self, child: _Child) -> None:
        """Collect a supervisor; one that crashed is made again and finds its container by its record."""
        _, raw = os.waitpid(child.pid, 0)
        status = os.waitstatus_to_exitcode(raw)
        self._selector.unregister(child.pidfd)
        os.close(child.pidfd)
        child.lifeline.close()
        if self._children.get(child.name) is not child:
            return
        del self._children[child.name]
        now = time.monotonic()
        recent = [when for when in child.take_overs if now - when < _TAKE_OVER_WINDOW]
        if status == 0 or len(recent) >= _MAX_TAKE_OVERS:
            return
        with suppress(TerokError, OSError):
            sidecar = Sidecar.load(child.sidecar_path)
            if (sidecar.runtime_dir / RECORD_FILE).exists() and not is_locked_down(_state_dir(sidecar)):
                self._fork(child.sidecar_path, sidecar, _listen(sidecar), take_overs=[*recent, now])


def serve(runtime_dir: Path, plan: WorkerPlan | None = None) -> int:
    """Be the fork server of `runtime_dir`; returns when replaced, stopped, or when another one serves it already."""
    plan = plan or WorkerPlan()
    ensure_dir(runtime_dir)
    lock = os.open(runtime_dir / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    listener = systemd.activated(os.environ)
    if not _lock(lock, runtime_dir / FORKSERVER_SOCKET, asked_by_systemd=listener is not None):
        return 0
    owns_socket = listener is None
    os.umask(0o077)
    os.chdir("/")
    hygiene.normal_oom_score()
    hygiene.harden("terok-forksrv")
    preload(plan, runtime_dir)
    listener = listener or unix_sockets.listen(runtime_dir / FORKSERVER_SOCKET)
    ForkServer(runtime_dir, listener, plan, owns_socket=owns_socket).run()
    return 0


def main(argv: list[str] | None = None) -> int:
    """Run the fork server."""
    parser = argparse.ArgumentParser(prog="terok-sandbox-forkserver", description=__doc__)
    parser.add_argument("--runtime-dir", type=Path, required=True)
    parser.add_argument("--state-dir", type=Path, required=True)
    arguments = parser.parse_args(argv)
    try:
        return serve(arguments.runtime_dir)
    except (TerokError, OSError, ImportError, LookupError) as error:
        sys.stderr.write(f"terok-sandbox fork server: {error}\n")
        return 1


def _lock(descriptor: int, socket_path: Path, *, asked_by_systemd: bool) -> bool:
    """Wait for the one before to go; `False` when another one serves. On systemd's socket that is this one."""
    deadline = time.monotonic() + _LOCK_PATIENCE
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline or (not asked_by_systemd and unix_sockets.answers(socket_path)):
                return False
            time.sleep(0.02)
        else:
            return True


def _state_dir(sidecar: Sidecar) -> Path:
    """Return the state directory of the sandbox, in which each container has one of its own."""
    return sidecar.state_dir.parent.parent


def _listen(sidecar: Sidecar) -> socket.socket:
    for directory in (sidecar.runtime_dir, sidecar.state_dir, sidecar.gateway_dir):
        ensure_dir(directory)
    try:
        return unix_sockets.listen(sidecar.runtime_dir / CONTROL_SOCKET)
    except OSError as error:
        raise SupervisorError(f"{sidecar.runtime_dir}: cannot listen there: {error.strerror}") from error


def _sources() -> dict[str, int]:
    ours = [module for name, module in sys.modules.items() if name.startswith(("terok", "__main__"))]
    return {file: _modified(file) for module in ours if (file := getattr(module, "__file__", None))}


def _changed(sources: dict[str, int]) -> bool:
    return any(_modified(name) != when for name, when in sources.items())


def _modified(name: str) -> int:
    try:
        return os.stat(name).st_mtime_ns  # noqa: PTH116 - a hundred of these per launch
    except OSError:
        return 0


if __name__ == "__main__":
    sys.exit(main())
