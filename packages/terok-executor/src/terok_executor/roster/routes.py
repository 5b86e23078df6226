"""The vault's route file: which upstream a provider stands for and where its credential goes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from terok_util import atomic_write, ensure_dir

from terok_executor.roster.provider import AuthHeader, Provider


def routes_text(providers: Mapping[str, Provider]) -> str:
    """Return the content of the route file: an entry for every provider that has an upstream."""
    entries = {name: _route(provider) for name, provider in providers.items() if provider.upstream is not None}
    return json.dumps(entries, indent=2, sort_keys=True) + "\n"


def write_routes(path: Path, providers: Mapping[str, Provider]) -> bool:
    """Write the route file if its content changes; return whether it did.

    Running supervisors follow the file, so it is replaced whole.
    """
    text = routes_text(providers)
    # A file that is the same stays untouched, because supervisors read it again whenever it is replaced.
    with suppress(OSError):
        if path.read_bytes() == text.encode():
            return False
    ensure_dir(path.parent)
    atomic_write(path, text, mode=0o600)
    return True


def _route(provider: Provider) -> dict[str, Any]:
    """Return a provider's entry; what the vault knows a default for is left out."""
    entry: dict[str, Any] = {
        "upstream": provider.upstream,
        **_header(provider.default_auth),
        "by_type": {kind: _header(header) for kind, header in sorted(provider.auth.items())},
        "path_upstreams": dict(provider.path_upstreams),
    }
    if provider.oauth_refresh is not None:
        spec = asdict(provider.oauth_refresh)
        entry["oauth_refresh"] = {key: value for key, value in spec.items() if value is not None}
    if provider.rules is not None:
        entry["rules"] = provider.rules
    if provider.token_in is not None:
        entry["token_in"] = list(provider.token_in)
    if not provider.serves:
        # What serves no models costs nothing by the request, and is not refused under a limit of cost.
        entry["billed"] = False
    return entry


def _header(header: AuthHeader) -> dict[str, Any]:
    prefix = {} if header.prefix is None else {"prefix": header.prefix}
    return {"header": header.header, **prefix, "extra_headers": dict(header.extra_headers)}
