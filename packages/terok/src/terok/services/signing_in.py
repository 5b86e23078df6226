"""Signing in to providers: what can be signed in to and how it stands, an API key, a session with a link and a code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from terok_util import register_secret, safe_text

from terok.integrations.executor import AgentRoster, Authenticator, ImageSettings, credential_status
from terok.integrations.sandbox import SandboxConfig, VaultStatus
from terok.model.timeline_rows import moment

if TYPE_CHECKING:
    from collections.abc import Callable

    from terok.integrations.executor import AuthEvent as AuthEvent
    from terok.integrations.executor import AuthSession as AuthSession

METHODS: Final = {
    "oauth": "sign in with an account",
    "device": "sign in with a code, on any device",
    "api-key": "an API key",
}
"""The ways to sign in, in words."""


class Way(NamedTuple):
    """A provider that can be signed in to, as its credential stands in the set `default`.

    `state` is that of the credential, `missing` without one, and `unknown` while the vault cannot be read. `agents` are
    those that use it by default, and `page` is where keys are made.
    """

    name: str
    label: str
    methods: tuple[str, ...]
    agents: tuple[str, ...]
    state: str
    expires: float | None
    account: str
    page: str


def ways() -> list[Way]:
    """Return every provider that a credential can be stored for, those that agents use by default first."""
    config, roster = SandboxConfig.load(), AgentRoster.shared()
    status = VaultStatus.load(config)
    opens = status.state in ("unlocked", "unprovisioned")
    rows = credential_status(config, roster.providers) if status.state == "unlocked" else []
    stored = {one.provider: one for one in rows if one.credential_set == "default"}
    agents: dict[str, list[str]] = {}
    for agent in roster.agents.values():
        agents.setdefault(agent.provider.default, []).append(agent.name)
    found = []
    for name, provider in roster.auth_providers.items():
        one = stored.get(name)
        found.append(
            Way(
                name=name,
                label=safe_text(provider.label, limit=60),
                methods=Authenticator(name, roster=roster, config=config).methods,
                agents=tuple(sorted(agents.get(name, ()))),
                state=one.state if one is not None else "missing" if opens else "unknown",
                expires=moment(one.expires_at) if one is not None else None,
                account=safe_text(one.account or "", limit=100) if one is not None else "",
                page=safe_text(provider.key_url, limit=200),
            )
        )
    return sorted(found, key=lambda way: (not way.agents, way.name))


def store_key(provider: str, key: str) -> str:
    """Store an API key and return what was done; RequestError for text that cannot be one."""
    register_secret(key.strip())
    return Authenticator(provider).store_key(key)


def session(provider: str, method: str, say: Callable[[str], None]) -> AuthSession:
    """Return a sign-in to be driven; `say` gets lines of progress while an image is built for it.

    Raises:
        TerokError: The provider has no such sign-in, or the image cannot be built.
    """
    image = ImageSettings.load()
    way = Authenticator(provider, base_image=image.base_image, family=image.family, on_line=say)
    return way.session(method)
