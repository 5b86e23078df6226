"""The answer to an editor's `initialize`; light, because an editor waits for it."""

from __future__ import annotations

from terok_acp.protocol.frames import Frame
from terok_acp.protocol.methods import VERSION
from terok_acp.wall.capabilities import AUTH_METHODS


def initialize_reply(version: str) -> Frame:
    """Return the answer to an editor's `initialize`, the same whatever agents there are.

    Sessions are kept here, so listing and loading them needs nothing of an agent. What a prompt holds that an agent
    cannot take is turned into text for it, and an agent that cannot fork a session says so when it is asked.
    """
    return {
        "protocolVersion": VERSION,
        "agentCapabilities": {
            "loadSession": True,
            "promptCapabilities": {"image": True, "audio": False, "embeddedContext": True},
            "mcpCapabilities": {"http": True, "sse": True},
            "sessionCapabilities": {"list": {}, "resume": {}, "close": {}, "delete": {}, "fork": {}},
        },
        "authMethods": [dict(method) for method in AUTH_METHODS],
        "agentInfo": {"name": "terok", "title": "terok", "version": version},
    }
