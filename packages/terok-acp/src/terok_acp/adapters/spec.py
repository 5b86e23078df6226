"""Knowledge of an agent's adapter before it is started."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Quirks:
    """Particularities of an adapter, as the agent's YAML file says; see `terok_executor.AcpSpec`.

    `default_mode` is the mode that a session of this container begins with; empty leaves it to the adapter.
    """

    models_legacy: bool = False
    replay_after_reply: bool = False
    share_process: bool = True
    asks_permission: bool = True
    stop_signal: Literal["eof", "term"] = "eof"
    resume_by: tuple[Literal["resume", "load"], ...] = ()
    default_mode: str = ""


@dataclass(frozen=True, slots=True)
class AdapterSpec:
    """An agent whose adapter the container's image has; command and variables are the image's."""

    agent: str
    label: str
    quirks: Quirks = Quirks()
