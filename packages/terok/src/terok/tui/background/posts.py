"""How threads hand values to the loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Post = Callable[[Any], None]
"""Takes a value in any thread, at once, and sees that the loop gets it."""
