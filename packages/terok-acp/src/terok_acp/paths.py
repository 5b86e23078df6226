"""Directories and files of this wheel on the host."""

from __future__ import annotations

import re
from pathlib import Path

from terok_util import namespace_runtime_dir, namespace_state_dir

from terok_acp.errors import EndpointError

_CONTAINER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")


def state_dir(container: str) -> Path:
    """Directory of a container's sessions and transcripts."""
    return namespace_state_dir("acp", env_var="TEROK_ACP_STATE_DIR") / _checked(container)


def socket_path(container: str) -> Path:
    """Return the socket at which a container's daemon listens."""
    return namespace_runtime_dir("acp", env_var="TEROK_ACP_RUNTIME_DIR") / f"{_checked(container)}.sock"


def log_path(container: str) -> Path:
    """Return the file into which a container's daemon writes what went wrong."""
    return state_dir(container) / "daemon.log"


def _checked(container: str) -> str:
    if not _CONTAINER_NAME.fullmatch(container):
        raise EndpointError(f"invalid container name: {container!r}")
    return container
