"""Which methods pass at all (R16, R21, R23); what passes is looked at by `frames`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from terok_acp.protocol.methods import TABLES, VERSION, Method, Way

_HARMLESS: Final = frozenset(["_session/retrying"])
"""Custom notifications of agents that an editor can only show."""


def passes_in(method: object) -> bool:
    """Say whether an editor's method may reach a backend.

    Signing in is the vault's, and custom methods may do anything.
    """
    return method != "authenticate" and _known(method, TABLES[VERSION].from_editor)


def passes_out(method: object) -> bool:
    """Say whether a backend's method may reach an editor, where a custom one may run anything."""
    return method in _HARMLESS or _known(method, TABLES[VERSION].from_agent)


def _known(method: object, table: Mapping[str, Method]) -> bool:
    found = table.get(method) if isinstance(method, str) else None
    return found is not None and found.way is not Way.REFUSE
