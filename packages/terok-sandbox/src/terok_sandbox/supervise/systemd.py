"""The fork server as a socket unit of the user's systemd: there from login on, also for a bare `podman start`.

Where no user systemd runs, or in a private installation below `TEROK_ROOT`, which would take the unit of the user's
own one away, nothing is installed, and the fork server is started on demand.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from terok_util import TerokError, atomic_write, ensure_dir
from terok_util.process import find_tool, run

from terok_sandbox.config import SandboxConfig
from terok_sandbox.config.host_files import unit_dir
from terok_sandbox.errors import SetupError
from terok_sandbox.supervise.client import forkserver_argv

NAME: Final = "terok-forkserver"
SOCKET_UNIT: Final = f"{NAME}.socket"
SERVICE_UNIT: Final = f"{NAME}.service"
FIRST_PASSED: Final = 3  # descriptor number of the first socket that systemd passes
_TIMEOUT: Final = 20.0
_PASSED_ON: Final = (
    *("TEROK_VAULT_DIR", "TEROK_SANDBOX_STATE_DIR", "TEROK_SANDBOX_RUNTIME_DIR"),
    *("XDG_DATA_HOME", "XDG_CONFIG_HOME"),
)
"""Variables that tell the process that unlocks the vault after a reboot where it is."""


def socket_unit(config: SandboxConfig) -> str:
    """Return the text of the socket unit."""
    return f"""\
[Unit]
Description=Sandbox supervision on demand

[Socket]
ListenSequentialPacket={_literal(str(config.forkserver_socket))}
SocketMode=0600
DirectoryMode=0700
RemoveOnStop=yes

[Install]
WantedBy=sockets.target
"""


def service_unit(config: SandboxConfig, environment: Mapping[str, str]) -> str:
    """Return the text of the service unit; supervisors outlive the process that made them."""
    passed = [
        f"Environment={_quoted(f'{name}={environment[name]}', dollar='$')}\n"
        for name in _PASSED_ON
        if name in environment
    ]
    return f"""\
[Unit]
Description=Sandbox supervision
Requires={SOCKET_UNIT}

[Service]
ExecStart={" ".join(map(_quoted, forkserver_argv(config)))}
{"".join(passed)}KillMode=process
Restart=on-failure
LimitCORE=0
"""


def install_units(config: SandboxConfig) -> str:
    """Install, enable and start the socket unit; returns what was done. Raises SetupError when systemd refuses."""
    if _private():
        return "a private installation: the fork server is started on demand"
    if not running():
        return "no systemd of this user: the fork server is started on demand"
    directory = unit_dir()
    try:
        ensure_dir(directory, 0o755)
        changed = [
            _write(directory / SOCKET_UNIT, socket_unit(config)),
            _write(directory / SERVICE_UNIT, service_unit(config, os.environ)),
        ]
    except (OSError, TerokError) as error:
        raise SetupError(f"{directory}: cannot write the units: {error}") from error
    if any(changed):
        _systemctl("daemon-reload")
    _systemctl("enable", "--now", SOCKET_UNIT)
    return f"{SOCKET_UNIT} {'installed' if any(changed) else 'is installed'}"


def remove_units(_config: SandboxConfig) -> str:
    """Stop and remove the units; returns what was done. Raises SetupError when systemd refuses."""
    units = [path for name in (SOCKET_UNIT, SERVICE_UNIT) if (path := unit_dir() / name).exists()]
    if not units or _private():
        return "none installed"
    if running():
        _systemctl("disable", "--now", SOCKET_UNIT)
    for path in units:
        path.unlink(missing_ok=True)
    if running():
        _systemctl("daemon-reload")
    return "removed"


def running() -> bool:
    """Tell whether a systemd of this user runs."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    return bool(runtime) and Path(str(runtime), "systemd", "private").exists()


def activated(environment: Mapping[str, str]) -> socket.socket | None:
    """Return the socket that systemd has passed to this process, if so; SetupError for one of another kind."""
    if environment.get("LISTEN_PID") != str(os.getpid()) or environment.get("LISTEN_FDS") != "1":
        return None
    listener = socket.socket(fileno=FIRST_PASSED)
    if listener.family != socket.AF_UNIX or listener.type != socket.SOCK_SEQPACKET:
        raise SetupError(f"{SOCKET_UNIT} passes another kind of socket", hint="run `terok-sandbox setup`")
    listener.set_inheritable(False)
    listener.setblocking(False)
    return listener


def _private() -> bool:
    return bool(os.environ.get("TEROK_ROOT"))


def _write(path: Path, text: str) -> bool:
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return False
    atomic_write(path, text, mode=0o644)
    return True


def _systemctl(*arguments: str) -> None:
    try:
        run([find_tool("systemctl"), "--user", *arguments], timeout=_TIMEOUT)
    except TerokError as error:
        raise SetupError(
            f"systemctl --user {arguments[0]}: {error.message}", hint="see `systemctl --user status`"
        ) from error


def _literal(text: str) -> str:
    """Return `text` with nothing in it for systemd to expand; a line break would start another setting."""
    if "\n" in text or "\r" in text:
        raise SetupError("a path with a line break cannot be used in a unit file", hint="choose another TEROK_ROOT")
    return text.replace("%", "%%")


def _quoted(text: str, *, dollar: str = "$$") -> str:
    """Return `text` as one word; a dollar sign, which only commands expand, becomes `dollar`."""
    escaped = _literal(text).replace("\\", "\\\\").replace('"', '\\"').replace("$", dollar)
    return f'"{escaped}"'
