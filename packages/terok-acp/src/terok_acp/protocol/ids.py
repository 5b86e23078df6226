"""Session ids of ours: random, opaque, nothing is read off them."""

from __future__ import annotations

import secrets


def new_session_key() -> str:
    """Return a fresh session id; editors keep it for months."""
    return secrets.token_hex(16)
