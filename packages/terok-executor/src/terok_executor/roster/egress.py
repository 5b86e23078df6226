"""The egress policy lines of a run."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from ipaddress import ip_address
from urllib.parse import urlsplit

from terok_executor.errors import RequestError
from terok_executor.integrations.sandbox import PolicyTiers, RepoSource, SandboxError, endpoint, parse_policy_line
from terok_executor.roster.provider import Provider

_DESTINATION = re.compile(r"(?P<host>\[[0-9a-fA-F:.]+\]|[A-Za-z0-9*._-]+)(?::(?P<port>[0-9]{1,5}))?")
DEFAULT_PORT = 443


def allow_lines(destinations: Iterable[str]) -> tuple[str, ...]:
    """Return policy lines that open `HOST` (port 443) or `HOST:PORT`; RequestError for anything else."""
    return tuple(_allow(text) for text in destinations)


def upstream_lines(repo: RepoSource) -> tuple[str, ...]:
    """Return the policy line that opens the upstream of an `online` project; none for a directory."""
    where = endpoint(repo)
    if where is None:
        return ()
    host = f"[{where[0]}]" if ":" in where[0] else where[0]
    return (f'+ {host}:{where[1]} %reason="upstream of this online project"',)


def deny_lines(providers: Mapping[str, Provider]) -> tuple[str, ...]:
    """Return policy lines that close every provider's own host: it is reached through the vault or not at all."""
    hosts: dict[str, None] = {}
    for provider in providers.values():
        if provider.shared_domain:
            continue
        refresh = provider.oauth_refresh.token_url if provider.oauth_refresh else None
        for url in (provider.upstream, *provider.path_upstreams.values(), refresh):
            host = urlsplit(url or "").hostname
            if host and not _is_address(host) and host != "localhost":
                hosts[host] = None
    return tuple(f'- {host} %reason="reached through the vault only"' for host in sorted(hosts))


def without_providers(tiers: PolicyTiers, providers: Mapping[str, Provider]) -> PolicyTiers:
    """Return the rules of a container with every provider's own host closed."""
    return replace(tiers, security_deny=(*tiers.security_deny, *deny_lines(providers)))


def _allow(text: str) -> str:
    match = _DESTINATION.fullmatch(text)
    port = int(match["port"] or DEFAULT_PORT) if match else 0
    if match is None or not 0 < port < 65536:
        raise RequestError(f"not a destination: {text[:80]!r}", hint="use HOST:PORT, for example deb.example.org:443")
    line = f'+ {match["host"]}:{port} %reason="asked for with --allow"'
    try:
        parse_policy_line(line, source="--allow")
    except SandboxError as error:
        raise RequestError(f"not a destination: {text[:80]!r}: {error.message}", hint=error.hint) from None
    return line


def _is_address(host: str) -> bool:
    with suppress(ValueError):
        return bool(ip_address(host))
    return False
