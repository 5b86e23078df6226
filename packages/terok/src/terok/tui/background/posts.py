"""How threads hand values to the loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

Post = Callable[[Any], None]
"""Takes a value in any thread, at once, and sees that the loop gets it."""


class Handed(NamedTuple):
    """A value for the one who is to take it in the loop."""

    take: Callable[[Any], Any]
    value: Any
