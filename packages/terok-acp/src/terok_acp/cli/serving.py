"""`connect` and `serve`."""

from __future__ import annotations

import os
from pathlib import Path

from terok_acp.paths import socket_path


def connect(container: str, socket: str | None) -> int:
    """Be the agent of an editor."""
    from terok_util import installed_version

    from terok_acp.connect.connect import connect as serve_editor

    path = Path(socket).absolute() if socket else socket_path(container)
    serve_editor(container, path, installed_version("terok-acp"))
    return 0


def serve(container: str, socket: str | None, agent: str | None) -> int:
    """Serve a container until it ends; return at once if another daemon does."""
    from terok_util import configure_logging

    from terok_acp.daemon.container import serve_acp
    from terok_acp.errors import EndpointBusy

    configure_logging("terok-acp", level=os.environ.get("TEROK_LOG", "WARNING"))
    path = Path(socket).absolute() if socket else socket_path(container)
    try:
        serve_acp(container, path, agent=agent)
    except EndpointBusy:
        return 0
    return 0
