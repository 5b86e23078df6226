"""``auth``: stores an API key."""

from __future__ import annotations

import getpass
import sys

from terok_executor.credentials import MAX_KEY_LENGTH, store_api_key
from terok_executor.errors import RequestError
from terok_executor.integrations.sandbox import SandboxConfig
from terok_executor.roster.roster import AgentRoster
from terok_executor.roster.routes import write_routes
from terok_executor.roster.types import Provider


def auth(provider: str, credential_set: str) -> int:
    """Ask for a provider's API key and store it in the vault."""
    roster = AgentRoster.load()
    target = roster.credential_provider(provider)
    config = SandboxConfig.load()
    store_api_key(config, target, _read_key(target), credential_set)
    write_routes(config.routes_path, roster.providers)
    print(f"stored the API key of {target.label} in the vault, set {credential_set}")
    return 0


def _read_key(provider: Provider) -> str:
    if sys.stdin.isatty():
        if provider.key_url:
            print(f"keys are made at {provider.key_url}", file=sys.stderr)
        try:
            return getpass.getpass(f"API key of {provider.label}: ")
        except EOFError:
            raise RequestError("no key was given") from None
    return sys.stdin.readline(MAX_KEY_LENGTH + 2)
