"""The vault's route file: which upstream a provider stands for and where its credential goes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from terok_util import atomic_write, ensure_dir

from terok_executor.roster.types import AuthHeader, Provider, RefreshSpec


def routes_document(providers: Mapping[str, Provider]) -> dict[str, Any]:
    """Return the routes of every provider that has an upstream, keyed by provider name."""
    return {name: _route(provider) for name, provider in sorted(providers.items()) if provider.upstream is not None}


def routes_text(providers: Mapping[str, Provider]) -> str:
    """Return the content of the route file."""
    return json.dumps(routes_document(providers), indent=2, sort_keys=True) + "\n"


def write_routes(path: Path, providers: Mapping[str, Provider]) -> bool:
    """Write the route file if its content changes; return whether it did.

    Running supervisors follow the file, so it is replaced whole.
    """
    text = routes_text(providers)
    try:
        if path.read_text("utf-8") == text:
            return False
    except (OSError, UnicodeDecodeError):
        pass
    ensure_dir(path.parent)
    atomic_write(path, text, mode=0o600)
    return True


def _route(provider: Provider) -> dict[str, Any]:
    return {
        "upstream": provider.upstream,
        **_header(provider.default_auth),
        "by_type": {kind: _header(header) for kind, header in sorted(provider.auth.items())},
        "path_upstreams": dict(provider.path_upstreams),
        **_refresh(provider.oauth_refresh),
        # What serves no models costs nothing by the request, and is not refused under a limit of cost.
        **({} if provider.serves else {"billed": False}),
    }


def _refresh(spec: RefreshSpec | None) -> dict[str, Any]:
    if spec is None:
        return {}
    return {"oauth_refresh": {key: value for key, value in asdict(spec).items() if value is not None}}


def _header(header: AuthHeader) -> dict[str, Any]:
    return {"header": header.header, "prefix": header.prefix, "extra_headers": dict(header.extra_headers)}
