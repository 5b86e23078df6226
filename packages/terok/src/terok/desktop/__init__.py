"""How a person hears of tasks away from a terminal, and how the machine stays awake for them."""

from __future__ import annotations
