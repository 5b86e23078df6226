"""How high a wall stands."""

from __future__ import annotations

from typing import Final, Literal

Posture = Literal["up", "down", "disengaged", "quarantine"]
POSTURES: Final[tuple[Posture, ...]] = ("quarantine", "up", "down", "disengaged")
"""Each lets through what the one before it does, and more."""
