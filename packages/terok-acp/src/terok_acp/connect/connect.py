"""The process that an editor starts, from the first line to the last."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from terok_acp.connect.front import Front
from terok_acp.connect.pump import Pump
from terok_acp.connect.starting import Starting
from terok_acp.endpoint import connected


def connect(container: str, path: Path, version: str, *, stdin: int = 0, stdout: int = 1) -> None:
    """Serve an editor on standard input and output until it hangs up; the container's daemon is started if need be."""
    starting = Starting(container, path)
    Pump(Front(version), lambda: connected(path), starting.start, starting.problem).run(stdin, stdout)


def connect_found(command: Sequence[str], version: str, *, stdin: int = 0, stdout: int = 1) -> None:
    """Serve an editor of a container that a command finds or makes: it prints a JSON object with its `container`.

    The editor is answered at once, whatever the command takes; its failure is the answer to what needs the container.
    """
    from terok_acp.connect.finding import Finding

    finding = Finding(command)
    Pump(Front(version), finding.reach, finding.start, finding.problem).run(stdin, stdout)
