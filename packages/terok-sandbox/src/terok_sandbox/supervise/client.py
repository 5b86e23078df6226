"""Talk to the fork server and to supervisors, for launches, status verbs and repairs."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from terok_util import TerokError, ensure_dir, read_tail
from terok_util.process import spawn
from terok_util.text import last_line, safe_text

from terok_sandbox import unix_sockets
from terok_sandbox.config import SandboxConfig
from terok_sandbox.config.model import DIRECTORIES
from terok_sandbox.descriptors import has_ended
from terok_sandbox.errors import SupervisorError
from terok_sandbox.supervise import frames

START_TIMEOUT: Final = 20.0  # seconds; a busy machine takes its time to import what a fork server needs
ANSWER_TIMEOUT: Final = 10.0
LOG_FILE: Final = "forkserver.log"
JANITOR_LOG: Final = "janitor.log"

_KEPT: Final = frozenset(
    {
        *("HOME", "PATH", "USER", "LOGNAME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "DBUS_SESSION_BUS_ADDRESS"),
        *("XDG_RUNTIME_DIR", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME"),
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"),
        *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy"),
    }
)
_SECRET_WORDS: Final = ("PASSPHRASE", "PASSWORD", "SECRET", "TOKEN", "KEY")


class NotRunningError(SupervisorError):
    """Nobody listens on the socket."""


def ensure_forkserver(cfg: SandboxConfig) -> None:
    """Make sure that a fork server answers, starting one if need be; `SupervisorError` when none answers in time."""
    if unix_sockets.answers(cfg.forkserver_socket):
        return
    _start(cfg)
    deadline = time.monotonic() + START_TIMEOUT
    while not unix_sockets.answers(cfg.forkserver_socket):
        if time.monotonic() > deadline:
            raise SupervisorError(
                f"the fork server does not start: {last_line(read_tail(cfg.state_dir / LOG_FILE, 2000), limit=300)}",
                hint="run `terok-sandbox doctor`",
            )
        time.sleep(0.01)
    _start_janitor(cfg)


def renew_forkserver(cfg: SandboxConfig) -> None:
    """Make sure that a fork server of this build, with the sources as they are now, answers; supervisors live on."""
    _ask_current(cfg, "renew")


def supervise(cfg: SandboxConfig, sidecar_path: Path) -> None:
    """Have a supervisor of this build ready for the container of `sidecar_path`; raises `SupervisorError`."""
    _ask_current(cfg, "supervise", sidecar=str(sidecar_path), replace=True)


def status(cfg: SandboxConfig, name: str) -> dict[str, Any]:
    """Return the status of the supervisor of container `name`; NotRunningError if there is none.

    The keys are `pid`, `container_pid`, `container_id`, `prepared`, `took_ms` (duration of the handover) and `workers`:
    by name, each with `pid`, `restarts` and `confined` (what Landlock covers). Raises `NotRunningError`.
    """
    return _ask(cfg.control_socket(name), "status")


def forkserver_status(cfg: SandboxConfig) -> dict[str, Any]:
    """Return `{"pid", "supervisors": {container name: pid}}`; raises `NotRunningError`."""
    return _ask(cfg.forkserver_socket, "status")


def stop_supervisor(cfg: SandboxConfig, name: str) -> bool:
    """Have the supervisor of container `name` end with its workers; `False` when there is none."""
    path = cfg.control_socket(name)
    try:
        _ask(path, "stop")
    except NotRunningError:
        return False
    deadline = time.monotonic() + START_TIMEOUT
    while unix_sockets.answers(path) and time.monotonic() < deadline:
        time.sleep(0.005)
    return True


def end_worker(cfg: SandboxConfig, name: str, worker: str) -> None:
    """Kill a worker of container `name`, such as one that hangs; its supervisor, which must answer, starts another."""

    def pid() -> int:
        return int(status(cfg, name)["workers"][worker]["pid"])

    wanted = pid()
    if not wanted:  # the next one is about to be started
        return
    with suppress(ProcessLookupError):
        handle = os.pidfd_open(wanted)
        try:
            if pid() == wanted:  # the number is still this worker's, so the handle is too
                signal.pidfd_send_signal(handle, signal.SIGKILL)
        finally:
            os.close(handle)


def stop_forkserver(cfg: SandboxConfig) -> bool:
    """Have the fork server end; its supervisors live on. `False` when there is none."""
    try:
        answer = _ask(cfg.forkserver_socket, "stop")
    except NotRunningError:
        return False
    _wait_ended(answer.get("pid"))
    return True


def redo_handover(cfg: SandboxConfig, name: str, pid: int) -> float:
    """Supervise the container `name`, whose supervisor and fork server are gone, again; returns milliseconds taken."""
    from terok_sandbox.sidecar import Sidecar
    from terok_sandbox.supervise.handover import open_first_process

    sidecar_path = cfg.sidecar_path(name)
    supervise(cfg, sidecar_path)
    made = _configuration(name) if Sidecar.load(sidecar_path).planned else ("", "", None)
    target = open_first_process(pid)
    try:
        answer = _ask(
            cfg.control_socket(name),
            "handover",
            descriptors=(target.netns_fd, target.pidfd, *([] if made[2] is None else [made[2]])),
            sidecar=str(sidecar_path),
            container_id=made[0],
            bundle=made[1],
            pid=pid,
        )
    finally:
        target.close()
        if made[2] is not None:
            os.close(made[2])
    return float(answer.get("took_ms", 0.0))


def _configuration(name: str) -> tuple[str, str, int]:
    """Return ID, bundle and configuration, in memory: only Podman's own users may read it where it lies."""
    from terok_sandbox.runtime.engine import ask

    inspected = ask(["container", "inspect", "--format", "{{.Id}} {{.OCIConfigPath}}", name], container=name)
    container_id, _, path = inspected.text.strip().partition(" ")
    read = Path(path).read_bytes() if os.geteuid() == 0 else ask(["unshare", "cat", path]).stdout
    descriptor = os.memfd_create("config.json")
    os.write(descriptor, read)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return container_id, str(Path(path).parent), descriptor


def forkserver_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the part of `environment` that supervisors need; nothing whose name speaks of a secret."""
    ours = {
        name for name in environment if name.startswith("TEROK_") and not any(map(name.__contains__, _SECRET_WORDS))
    }
    return {name: value for name, value in environment.items() if name in _KEPT | ours}


def forkserver_argv(cfg: SandboxConfig) -> list[str]:
    """Return the command of a fork server."""
    argv = [sys.executable, "-P", "-m", "terok_sandbox.supervise.forkserver"]
    return [*argv, "--runtime-dir", str(cfg.runtime_dir), "--state-dir", str(cfg.state_dir)]


def _start(cfg: SandboxConfig) -> None:
    ensure_dir(cfg.runtime_dir)
    ensure_dir(cfg.state_dir)
    argv = forkserver_argv(cfg)
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        log = os.open(cfg.state_dir / LOG_FILE, flags, 0o600)
    except OSError as error:
        raise SupervisorError(f"{cfg.state_dir / LOG_FILE}: {error.strerror}") from error
    try:
        process = spawn(argv, stdout=log, stderr=log, env=forkserver_environment(os.environ), cwd="/", detach=True)
    finally:
        os.close(log)
    process.returncode = 0  # it outlives us: nobody waits for it


def _start_janitor(cfg: SandboxConfig) -> None:
    """Clear away, beside whatever this process does, the remains of containers that are gone.

    It gets this process's environment: Podman is to look where the caller's Podman looks. Without a setup it does not
    know where that is.
    """
    if not cfg.store_path.exists():
        return
    with suppress(TerokError, OSError), (cfg.state_dir / JANITOR_LOG).open("wb") as log:
        argv = [sys.executable, "-P", "-m", "terok_sandbox.supervise.janitor"]
        argv += [word for name in DIRECTORIES for word in (f"--{name.replace('_', '-')}", str(getattr(cfg, name)))]
        process = spawn(argv, stdout=log, stderr=log, cwd="/", detach=True)
        process.returncode = 0  # nobody waits for it


def _ask_current(cfg: SandboxConfig, kind: str, **fields: Any) -> None:
    """Ask the fork server, and the next one when it leaves because it is of another build or of older sources."""
    for _ in range(5):
        ensure_forkserver(cfg)
        with suppress(NotRunningError):  # it was just leaving
            answer = _ask(cfg.forkserver_socket, kind, **fields)
            if not answer.get("replaced"):
                return
            _wait_ended(answer.get("pid"))
    raise SupervisorError("the fork server keeps leaving", hint="run `terok-sandbox doctor`")


def _ask(path: Path, kind: str, *, descriptors: Sequence[int] = (), **fields: Any) -> dict[str, Any]:
    try:
        with unix_sockets.connect(path, timeout=ANSWER_TIMEOUT) as channel:
            frames.send(channel, kind, descriptors=descriptors, **fields)
            answer = frames.receive(channel)
    except (FileNotFoundError, NotADirectoryError, ConnectionError) as error:
        raise NotRunningError(f"{path}: nobody listens") from error
    except TimeoutError as error:
        raise SupervisorError(f"{path}: no answer within {ANSWER_TIMEOUT:g} s") from error
    except OSError as error:
        raise SupervisorError(f"{path}: {error.strerror}") from error
    if answer is None:
        raise NotRunningError(f"{path}: closed before an answer")
    answer.close()
    if answer.kind != "ok":
        hint = answer.fields.get("hint")
        message = safe_text(str(answer.fields.get("message", "refused")), limit=2000)
        raise SupervisorError(message, hint=safe_text(hint, limit=2000) if isinstance(hint, str) else None)
    return answer.fields


def _wait_ended(pid: object) -> None:
    """Wait until a fork server has gone; its socket may be systemd's and stay."""
    with suppress(OSError):
        has_ended(pid if isinstance(pid, int) else 0, START_TIMEOUT)
