"""Which methods there are, per version of the protocol, and what is done with each."""

from __future__ import annotations

from enum import Enum
from typing import Final, NamedTuple

VERSION: Final = 1
"""The version that is spoken with everybody."""


class Way(Enum):
    """Ways to deal with a method."""

    PASS = "pass"  # noqa: S105 - to the other side of its session
    SERVE = "serve"  # decided here, whether it then goes on or not
    REFUSE = "refuse"  # never goes through, answered as unknown


class Method(NamedTuple):
    """One method: its way, and the flag of the other side without which it is not sent."""

    way: Way
    gate: tuple[str, ...] = ()


class Table(NamedTuple):
    """The methods of one protocol version, by who sends them."""

    from_editor: dict[str, Method]
    from_agent: dict[str, Method]


_SERVED: Final = (
    "initialize authenticate session/new session/load session/resume session/list session/close session/delete "
    "session/fork session/prompt session/cancel session/set_mode session/set_config_option session/set_model"
)
# A provider's address and headers would go round the vault; a sign-in happens in the vault only.
_REFUSED: Final = (
    "logout auth/status providers/list providers/set providers/disable mcp/message session/archive "
    "session/unarchive session/status session/set_title proxy/initialize proxy/successor"
)
# Files and terminals of an agent are the container's.
_REFUSED_OF_AGENTS: Final = (
    "fs/read_text_file fs/write_text_file terminal/create terminal/output terminal/wait_for_exit terminal/kill "
    "terminal/release mcp/message auth/status_update"
)

TABLES: Final[dict[int, Table]] = {
    1: Table(
        from_editor={
            **dict.fromkeys(_SERVED.split(), Method(Way.SERVE)),
            **dict.fromkeys(_REFUSED.split(), Method(Way.REFUSE)),
        },
        from_agent={
            "session/update": Method(Way.PASS),
            "session/request_permission": Method(Way.SERVE),
            "elicitation/create": Method(Way.SERVE, ("elicitation",)),
            "elicitation/complete": Method(Way.PASS, ("elicitation", "url")),
            **dict.fromkeys(_REFUSED_OF_AGENTS.split(), Method(Way.REFUSE)),
        },
    ),
}

UNKNOWN: Final = Method(Way.REFUSE)
CUSTOM: Final = Method(Way.PASS)


def method_of(name: str, table: dict[str, Method]) -> Method:
    """Return what is done with a method; one that starts with `_` is custom and belongs to its session."""
    found = table.get(name)
    if found is not None:
        return found
    return CUSTOM if name.startswith("_") else UNKNOWN
