"""Words of `initialize`: an editor's, and ours to an adapter."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from terok_acp.protocol.frames import Frame
from terok_acp.protocol.methods import VERSION
from terok_acp.wall.capabilities import client_capabilities, shows_terminals

_LACK_CANCEL_REQUEST: Final = frozenset({"toad"})
"""Editors that answer the notification `$/cancel_request` with an error."""


@dataclass(frozen=True, slots=True)
class Abilities:
    """Abilities that an editor has announced, as far as anything here depends on them."""

    booleans: bool
    notices: bool
    forms: bool
    terminal_output: bool
    knows_cancel_request: bool
    told: Frame
    """Its capabilities as adapters are told them."""
    key: str
    """Stands for `told`: editors with the same key can share an adapter."""


def abilities(initialize: Mapping[str, Any]) -> Abilities:
    """Read the parameters of an editor's `initialize`; what it leaves out it cannot do."""
    said = _object(initialize.get("clientCapabilities"))
    session = _object(said.get("session"))
    told = client_capabilities(said)
    return Abilities(
        booleans=_present(_object(session.get("configOptions")).get("boolean")),
        notices=_present(session.get("notices")),
        forms=_present(_object(said.get("elicitation")).get("form")),
        terminal_output=shows_terminals(said),
        knows_cancel_request=_object(initialize.get("clientInfo")).get("name") not in _LACK_CANCEL_REQUEST,
        told=told,
        key=hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16],
    )


def initialize_backend(told: Frame, version: str) -> Frame:
    """Return the parameters of `initialize` for an adapter."""
    return {
        "protocolVersion": VERSION,
        "clientCapabilities": told,
        "clientInfo": {"name": "terok", "title": "terok", "version": version},
    }


def speaks_our_version(reply: Mapping[str, Any]) -> bool:
    """Tell whether an adapter answered `initialize` with the version that it was sent."""
    number = reply.get("protocolVersion")
    return type(number) is int and number == VERSION


def has(reply: Mapping[str, Any], *path: str) -> bool:
    """Tell whether an adapter's answer to `initialize` announces a capability, such as sessionCapabilities, resume."""
    here: Any = reply.get("agentCapabilities")
    for name in path:
        here = _object(here).get(name)
    return _present(here)


def _present(value: Any) -> bool:
    """Tell whether a capability is announced: an empty object is, False and null are not."""
    return value is not None and value is not False


def _object(value: Any) -> Frame:
    return value if type(value) is dict else {}
