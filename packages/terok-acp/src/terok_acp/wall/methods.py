"""Which methods pass at all (R16, R21, R23); what passes is looked at by `frames`."""

from __future__ import annotations

from typing import Final

_TO_CONTAINER: Final = frozenset(
    [
        "initialize",
        "session/new",
        "session/load",
        "session/resume",
        "session/list",
        "session/close",
        "session/delete",
        "session/prompt",
        "session/cancel",
        "session/set_mode",
        "session/set_config_option",
        "session/set_model",
        "session/fork",
        "$/cancel_request",
    ]
)
_TO_EDITOR: Final = frozenset(
    [
        "session/update",
        "session/request_permission",
        "elicitation/create",
        "elicitation/complete",
        "$/cancel_request",
        "_session/retrying",
    ]
)


def passes_in(method: object) -> bool:
    """Say whether an editor's method may reach a backend.

    Signing in and out is the vault's, the providers of a backend would go round it, and what is not known may do
    anything.
    """
    return method in _TO_CONTAINER


def passes_out(method: object) -> bool:
    """Say whether a backend's method may reach an editor.

    Files and terminals would be the host's, an unknown method of the editor's may run anything there.
    """
    return method in _TO_EDITOR
