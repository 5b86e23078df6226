"""Checks of running containers: that they are supervised, that names, gate and vault answer inside."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from terok_sandbox import vault_addr
from terok_sandbox.config import SandboxConfig
from terok_sandbox.doctor.check import CheckVerdict, DoctorCheck, direct_check
from terok_sandbox.errors import SidecarError
from terok_sandbox.sandbox.listing import BARE, SandboxRow
from terok_sandbox.sidecar import Sidecar
from terok_sandbox.supervise import client
from terok_sandbox.values.posture import LIVE_FILE, read_posture
from terok_sandbox.vault_addr import LOOPBACK_DNS_PORT, LOOPBACK_GATE_PORT, LOOPBACK_VAULT_PORT, SSH_SOCKET

WAIT: Final = 5
"""Seconds an answer may take."""
NO_SHELL: Final = (126, 127)
_LIST_KEYS: Final = b"\0\0\0\1\x0b"
_KEYS: Final = "\x0c"
"""Kinds of a request to an SSH agent, and of its answer."""
_QUERY: Final = r"\x00\x1bAB\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x09localhost\x00\x00\x01\x00\x01"
"""A question for the address of `localhost`, over TCP, with the ID `AB`."""


def container_checks(config: SandboxConfig, row: SandboxRow) -> Iterator[DoctorCheck]:
    """Yield the checks of one running container."""
    redo = ("terok-sandbox", "supervisor", "redo", row.name)
    yield direct_check(
        "supervision", "supervised", lambda: _supervised(config, row), fix=redo, description="supervise it again"
    )
    try:
        sidecar = Sidecar.load(config.sidecar_path(row.name))
    except SidecarError as error:
        yield direct_check("files", "sidecar", CheckVerdict("error", error.message, error.hint or ""))
        return
    yield _inside("names", LOOPBACK_DNS_PORT, _QUERY, "AB")
    if sidecar.gate is not None:
        yield _inside("gate", LOOPBACK_GATE_PORT, r"GET / HTTP/1.0\r\n\r\n", "HTTP")
    if sidecar.vault is not None:
        yield _inside("vault", LOOPBACK_VAULT_PORT, r"GET / HTTP/1.0\r\n\r\n", "HTTP")
        if sidecar.vault.ssh_scope is not None:
            agent = config.guest_dir(row.name) / SSH_SOCKET
            yield direct_check("inside", "SSH agent", lambda: _agent(agent))
    yield direct_check("shield", "posture", lambda: _posture(sidecar))


def judge_answer(code: int, out: str, expected: str) -> CheckVerdict:
    """Judge the output of the probe inside; a mere connection proves nothing, as the supervisor holds the listener."""
    if code in NO_SHELL:
        return CheckVerdict("ok", "not asked: the image has no bash")
    if expected in out:
        return CheckVerdict("ok", "answers")
    return CheckVerdict("error", "does not answer", hint="see supervisor.log in the container's state directory")


def _supervised(config: SandboxConfig, row: SandboxRow) -> CheckVerdict:
    if not row.supervised:
        return CheckVerdict("error", BARE, fixable=True)
    workers = client.status(config, row.name)["workers"]
    if gone := [name for name, one in workers.items() if not one["pid"]]:
        return CheckVerdict("warn", f"{', '.join(gone)} is being started", hint="see supervisor.log if it stays so")
    return CheckVerdict("ok", "; ".join(f"{name}: {one['confined']}" for name, one in workers.items()))


def _agent(path: Path) -> CheckVerdict:
    """Ask for the list of keys, as a client inside does: an empty one is an answer too."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.settimeout(WAIT)
        asking.connect(str(path))
        asking.sendall(_LIST_KEYS)
        return judge_answer(0, asking.recv(5)[4:].decode("latin-1"), _KEYS)


def _posture(sidecar: Sidecar) -> CheckVerdict:
    posture, _ = read_posture(sidecar.gateway_dir / LIVE_FILE)
    if posture == "up":
        return CheckVerdict("ok", posture)
    hint = f"run `terok-sandbox shield up {sidecar.container_name}` when that is no longer wanted"
    return CheckVerdict("warn", posture, hint=hint)


def _inside(service: str, port: int, question: str, expected: str) -> DoctorCheck:
    script = (
        f"exec 3<>/dev/tcp/{vault_addr.LOOPBACK_HOST}/{port} && printf '{question}' >&3 && "
        f'LC_ALL=C read -r -t {WAIT} -n 4 -u 3 answer; printf %s "$answer"'
    )
    return DoctorCheck(
        category="inside",
        label=f"{service} at {vault_addr.LOOPBACK_HOST}:{port}",
        probe_cmd=("bash", "-c", script),
        evaluate=lambda code, out, err: judge_answer(code, out, expected),
        host_side=False,
    )
