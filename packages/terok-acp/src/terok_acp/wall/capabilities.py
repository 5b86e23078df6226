"""Announcements: of the editor to a backend (R14), and of a backend to the editor (R15, R16)."""

from __future__ import annotations

from typing import Any, Final

AUTH_METHODS: Final[tuple[dict[str, Any], ...]] = (
    {
        "id": "terok",
        "name": "terok vault",
        "description": "Credentials are kept in the vault on the host; no agent sees them.",
    },
)
"""The only way to sign in that an editor is offered; without a type it is the protocol's `agent`."""

_NOT_CARRIED: Final = ("auth", "subagents", "plan", "fs", "terminal")
_TERMINAL_OUTPUT: Final = "terminal_output"


def client_capabilities(announced: object, *, files: bool = False, terminals: bool = False) -> dict[str, Any]:
    """Return what a backend is told that its editor can do.

    Never that it signs in, shows subagents or plans, as that is not carried. Files and terminals only if we serve them,
    inside the container. Of `_meta`, only whether it shows the output of terminals.
    """
    if not isinstance(announced, dict):
        return {}
    told = {name: value for name, value in announced.items() if name not in _NOT_CARRIED and name != "_meta"}
    if shows_terminals(announced):
        told["_meta"] = {_TERMINAL_OUTPUT: True}
    if files:
        told["fs"] = {"readTextFile": True, "writeTextFile": True}
    if terminals:
        told["terminal"] = True
    return told


def shows_terminals(announced: object) -> bool:
    """Say whether an editor takes the output of terminals from `_meta`."""
    meta = announced.get("_meta") if isinstance(announced, dict) else None
    return isinstance(meta, dict) and meta.get(_TERMINAL_OUTPUT) is True


def agent_capabilities(raw: object) -> dict[str, Any]:
    """Return what of a backend's capabilities may be announced: nothing of signing in, providers, or MCP over ACP."""
    if not isinstance(raw, dict):
        return {}
    kept = {name: value for name, value in raw.items() if name not in {"auth", "providers", "_meta"}}
    servers = kept.get("mcpCapabilities")
    if isinstance(servers, dict) and "acp" in servers:
        kept["mcpCapabilities"] = {name: value for name, value in servers.items() if name != "acp"}
    return kept
