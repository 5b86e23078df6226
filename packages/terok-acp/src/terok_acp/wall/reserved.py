"""Tool ids of our own questions, which no agent can imitate (R24)."""

from __future__ import annotations

RESERVED_PREFIX = "terok:"
"""How the tool ids of our own permission requests begin."""


def without_prefix(tool_id: object) -> object:
    """Return an agent's tool id without our prefix, however often it stands there; other values as they are."""
    if not isinstance(tool_id, str) or not tool_id.startswith(RESERVED_PREFIX):
        return tool_id
    while tool_id.startswith(RESERVED_PREFIX):
        tool_id = tool_id[len(RESERVED_PREFIX) :]
    return tool_id or "_"
