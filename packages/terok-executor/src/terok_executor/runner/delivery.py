"""The hand-over of a container's work to the gate, as its start script reports it at its end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from terok_util import read_private, safe_text
from terok_util.values import lean_dataclass

from terok_executor.errors import UndeliveredError
from terok_executor.integrations.sandbox import ContainerState, Sandbox
from terok_executor.launch.task_files import load_record
from terok_executor.paths import task_dir

MAX_BYTES = 256 * 1024
MAX_LINES = 200
_PREFIX = ">> "
_STATES: dict[str, Literal["complete", "incomplete"]] = {
    "hand-over complete": "complete",
    "hand-over incomplete": "incomplete",
}
_GIVEN, _LEFT = "in the gate: ", "not handed over: "


@lean_dataclass(frozen=True, slots=True)
class Delivery:
    """The work that was handed over and the work that was not, in words.

    `state` is `unknown` if the container has not reported: it still runs, or it was killed.
    """

    state: Literal["complete", "incomplete", "unknown"] = "unknown"
    handed_over: tuple[str, ...] = ()
    left: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether nothing is lost with the container."""
        return self.state == "complete"

    def words(self) -> str:
        """Describe the work that was not handed over."""
        if self.state == "unknown":
            return "it was ended before it could say what is in it"
        return "; ".join(self.left[:5]) + ("; …" if len(self.left) > 5 else "")


NOTHING_LEFT = Delivery("complete")


def parse_delivery(lines: Sequence[str]) -> Delivery:
    """Parse the last lines of the start script; `unknown` for anything else."""
    report = [safe_text(line.removeprefix(_PREFIX), limit=500) for line in lines if line.startswith(_PREFIX)]
    state = _STATES.get(lines[-1].removeprefix(_PREFIX).strip()) if lines else None
    if state is None:
        return Delivery()
    given = tuple(line.removeprefix(_GIVEN) for line in report if line.startswith(_GIVEN))
    left = tuple(line.removeprefix(_LEFT) for line in report if line.startswith(_LEFT))
    return Delivery(state, given[:MAX_LINES], left[:MAX_LINES])


def read_delivery(sandbox: Sandbox, name: str, *, ended: bool = False) -> Delivery:
    """Return the delivery of a container; complete if its work is elsewhere, or there is none.

    Pass `ended` if the container is known to have exited, so that Podman is not asked.
    """
    directory = task_dir(name)
    record = load_record(directory)
    if record is None or not record.holds_work:
        return NOTHING_LEFT
    container = sandbox.runtime.container(name)
    if not ended and (state := container.state) != ContainerState.EXITED:
        return NOTHING_LEFT if state in (ContainerState.MISSING, ContainerState.CREATED) else Delivery()
    return reported_delivery(sandbox, name)


def reported_delivery(sandbox: Sandbox, name: str) -> Delivery:
    """Return what a container that has ended has said about its work, wherever its workspace is."""
    directory = task_dir(name)
    record = load_record(directory)
    if record is None:
        return NOTHING_LEFT
    if record.sealed:
        lines = sandbox.runtime.container(name).logs(tail=MAX_LINES).splitlines()
        return parse_delivery([line for line in lines if line.startswith(_PREFIX)])  # the lines between are git's
    home = directory / "home"
    if not (home / "base-refs").exists():  # written before the agent runs
        return NOTHING_LEFT
    return parse_delivery(_text(home / "delivery").splitlines())


def check_delivered(sandbox: Sandbox, name: str) -> None:
    """Raise UndeliveredError if work would be lost with a container."""
    delivery = read_delivery(sandbox, name)
    if not delivery.complete:
        raise UndeliveredError(
            f"container {name} stays, since not all of its work is in the gate: {delivery.words()}",
            hint=f"`terok-executor deliver {name}` tries again; `terok-executor rm --force {name}` gives it up",
        )


def _text(path: Path) -> str:
    """Return the text of a file that the container may have replaced; nothing unless it is a regular file."""
    try:
        return read_private(path, MAX_BYTES, forbidden=0).decode("utf-8", "replace")
    except OSError:
        return ""
