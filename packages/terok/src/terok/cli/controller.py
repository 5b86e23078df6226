"""`terok controller status|start|stop`."""

from __future__ import annotations

import time

from terok_util import show

from terok.errors import ControllerError
from terok.wire import ask
from terok.wire.client import ensure_controller


def status(as_json: bool) -> int:
    """Print whether the controller runs, and what it does; returns 69 if it does not."""
    try:
        said = ask("status")
    except ControllerError as error:
        show({"running": False, "reason": error.message}, as_json, error.message)
        return ControllerError.exit_code
    minutes = (time.time() - said["since"]) / 60
    lines = [
        f"the controller runs as process {said['pid']} for {minutes:.0f} min",
        f"  it follows {len(said['following'])} containers",
        *(["  it keeps the machine awake"] if said["awake"] else []),
        *(f"  it is at: {child}" for child in said["children"]),
        *([] if said["settings"] else ["  it starts nothing: the settings could not be read"]),
    ]
    show({"running": True, **said}, as_json, lines)
    return 0


def start() -> None:
    """Start the controller and wait until it answers."""
    ensure_controller()


def stop() -> None:
    """Have the controller end and wait until it has."""
    ask("stop")
    while True:
        try:
            ask("ping")
        except ControllerError:
            return
        time.sleep(0.02)
