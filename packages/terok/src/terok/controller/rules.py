"""The settings that the controller goes by, as a child has read them."""

from __future__ import annotations

from typing import Any, NamedTuple

from terok.model.admission import Limits


class Rules(NamedTuple):
    """Settings, of which the child that read them has checked every value."""

    limits: Limits
    resume: bool
    keep_awake: bool
    desktop: bool
    command: tuple[str, ...]
    states: frozenset[str]
    waits: dict[str, float]
    """Seconds that a task of each project may wait for a limit to be reset."""


def rules_from_json(kept: dict[str, Any]) -> Rules:
    """Return the rules that `terok.controller.act settings` has printed."""
    return Rules(
        Limits(kept["total"], kept["per_project"], kept["projects"], kept["disk_floor"]),
        kept["resume"],
        kept["keep_awake"],
        kept["desktop"],
        tuple(kept["command"]),
        frozenset(kept["states"]),
        kept["waits"],
    )
