"""The questions that wait now in all running containers, and verdicts on them, without an event loop."""

from __future__ import annotations

import time
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from terok_util import TerokError
from terok_util.text import safe_text

from terok_sandbox.clearance.errors import ClearanceError, HubUnavailable
from terok_sandbox.clearance.model import ClearanceRequest, Verdict
from terok_sandbox.config import SandboxConfig
from terok_sandbox.errors import ShieldError
from terok_sandbox.shield.control_client import ask, read_reply, send_request
from terok_sandbox.shield.errors import NoAnswer
from terok_sandbox.shield.protocol import Fields

MAX_CONTAINERS: Final = 256
MAX_WAITING: Final = 1024
PATIENCE: Final = 10.0  # seconds that the gateways of all containers have to reply
RUNNING_HINT: Final = "see with `terok-sandbox list` whether the container runs and is supervised"
_LEAST: Final = 0.1  # seconds to read a reply that has come in time, although others have used up the time


def gateway_sockets(config: SandboxConfig, only: str | None = None) -> list[Path]:
    """Return the control sockets of the containers that have one now, or of the container `only`."""
    if only is not None:
        path = config.gateway_socket(only)
        return [path] if path.exists() else []
    return sorted((config.runtime_dir / "run").glob("*/clearance/gateway.sock"))[:MAX_CONTAINERS]


def list_waiting(sockets: list[Path], *, patience: float = PATIENCE) -> list[ClearanceRequest]:
    """Return the waiting questions, container by container, oldest first; a gateway without a reply is left out."""
    deadline = time.monotonic() + patience
    with ExitStack() as stack:
        asked = []
        for path in sockets:  # all are asked before the first reply is read, so that nobody waits for a silent one
            with suppress(OSError, TerokError):
                asked.append((path, stack.enter_context(send_request(path, "waiting", timeout=_LEAST))))
        requests: list[ClearanceRequest] = []
        for path, channel in asked:
            # A reply that has come already is read even when the time is over.
            channel.settimeout(max(_LEAST, deadline - time.monotonic()))
            with suppress(OSError, TerokError, KeyError, TypeError):
                rows = [ClearanceRequest.from_json(row) for row in read_reply(channel)["requests"]]
                requests += [replace(row, container=safe_text(path.parent.parent.name, limit=63)) for row in rows]
    return requests[:MAX_WAITING]


def decide_request(path: Path, request_id: str, target: str, verdict: Verdict) -> None:
    """Bring the verdict on a question at the gateway of `path` into force; `ClearanceError`, `HubUnavailable`."""
    ask_hub(path, "decide", id=request_id, target=target, **verdict.to_json())


def ask_hub(path: Path, kind: str, **fields: Any) -> Fields:
    """Send one request to the gateway of `path` and return the reply; raises as `decide_request` does."""
    try:
        return ask(path, kind, **fields)
    except NoAnswer as error:
        raise HubUnavailable(error.message, hint=RUNNING_HINT) from error
    except ShieldError as error:
        raise ClearanceError(error.message, hint=error.hint) from error
