"""The `oauth_refresh` part of a route: where and as which client a token is refreshed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

_KEYS: Final = frozenset({"token_url", "client_id", "scope", "client_secret"})
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True, slots=True)
class OAuthRefresh:
    """The fields of a refresh request besides the refresh token."""

    token_url: str
    client_id: str
    scope: str | None = None
    client_secret: str | None = None


def read_oauth(value: Any) -> OAuthRefresh:
    """Check the object of a routes file; ValueError says what is wrong with it."""
    if not isinstance(value, dict) or not {"token_url", "client_id"} <= set(value) <= _KEYS:
        raise ValueError(f"must be an object with token_url and client_id; others are {sorted(_KEYS)}")
    for key, text in value.items():
        if not isinstance(text, str) or not text or len(text) > 2048 or not text.isascii() or not text.isprintable():
            raise ValueError(f"{key} must be printable ASCII")
    parts = urlsplit(value["token_url"])
    if parts.port == 0 or not parts.hostname or parts.username or parts.fragment or parts.query:
        raise ValueError("token_url must be a URL with a host and a path")
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise ValueError("token_url must be an https URL")
    return OAuthRefresh(**value)
