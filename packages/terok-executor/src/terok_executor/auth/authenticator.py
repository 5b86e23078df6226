"""Authenticator: the ways to sign in to one provider, and signing in by one of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from terok_executor.auth.container import ContainerLogin
from terok_executor.auth.session import LOGIN_SECONDS, AuthSession
from terok_executor.credentials import DEFAULT_SET, store_credential, store_key
from terok_executor.errors import LoginError, RequestError
from terok_executor.image.builder import ImageBuilder
from terok_executor.image.podman import OnLine, silent
from terok_executor.image.reference import DEFAULT_BASE_IMAGE
from terok_executor.integrations.sandbox import Sandbox, SandboxConfig
from terok_executor.roster.provider import Provider
from terok_executor.roster.roster import AgentRoster
from terok_executor.roster.types import Agent

API_KEY = "api-key"


class Authenticator:
    """Signs in to the provider that `name` stands for: a provider, or an agent for its own provider.

    Raises RosterError for an unknown name.
    """

    def __init__(
        self,
        name: str,
        *,
        credential_set: str = DEFAULT_SET,
        roster: AgentRoster | None = None,
        config: SandboxConfig | None = None,
        base_image: str = DEFAULT_BASE_IMAGE,
        family: str | None = None,
        image: str | None = None,
        on_line: OnLine = silent,
    ) -> None:
        self.roster = roster or AgentRoster.load()
        self.provider: Provider = self.roster.credential_provider(name)
        self.agent: Agent | None = login_agent(self.roster, name, self.provider)
        agents = self.roster.agents.values()
        own = [one for one in agents if one.kind == "native" and one.provider.default == self.provider.name]
        near = [self.roster.agents[name]] if name in self.roster.agents else own
        self._note = next((one.account_note for one in near if one.account_note), "")
        self._config = config or SandboxConfig.load()
        self._set = credential_set
        self._base_image, self._family = base_image, family
        self._image = image
        self._on_line = on_line

    @property
    def methods(self) -> tuple[str, ...]:
        """The ways there are: `oauth`, `device` and `api-key`, as far as the provider has them."""
        login = self.agent.login if self.agent is not None else None
        return (*(login.methods if login else ()), *((API_KEY,) if "api_key" in self.provider.auth else ()))

    def store_key(self, key: str) -> str:
        """Store an API key and return what to tell the person; RequestError for text that cannot be one."""
        store_key(self._config, self.provider, key, self._set)
        return self._stored("API key")

    def session(
        self, method: str, *, label: str = "", mounts_dir: Path | None = None, timeout: float = LOGIN_SECONDS
    ) -> AuthSession:
        """Return a sign-in by `oauth` or `device`; an image with the agent is built if there is none.

        `label` goes into the container's name. `mounts_dir` is where its directories are made instead of the
        user's RAM file system.
        """
        if method not in self.methods or method == API_KEY or self.agent is None or self.agent.login is None:
            hint = self._note or f"there are: {', '.join(self.methods)}"
            raise RequestError(f"{self.provider.label} has no sign-in called {method!r}", hint=hint)
        builder = ImageBuilder(self._base_image, self._family, on_line=self._on_line)
        image = self._image or builder.ensure_default_l1([self.agent], self.roster.agents)
        login = self.agent.login
        spec = replace(login, paste="") if method == "device" else replace(login, code="")
        sandbox = Sandbox(self._config)
        driver = ContainerLogin(sandbox, self.agent, spec, method, image, label=label, mounts_dir=mounts_dir)
        return AuthSession(spec, driver, self._store, timeout=timeout)

    def _store(self, credential: dict[str, Any]) -> str:
        kind = str(credential.get("type", ""))
        if kind not in self.provider.auth:
            raise LoginError(
                f"the sign-in gave a credential of type {kind}, which provider {self.provider.name} does not take",
                hint=f"`auth:` of the provider's YAML file lists {', '.join(self.provider.auth)}",
            )
        store_credential(self._config, self.provider, credential, self._set)
        return self._stored("sign-in" if kind == "oauth" else "key")

    def _stored(self, what: str) -> str:
        self.roster.ensure_vault_routes(self._config)
        return f"stored the {what} of {self.provider.label} in the vault, set {self._set}"


def authenticate(
    project_id: str | None,
    provider: str,
    *,
    mounts_dir: Path | None = None,
    image: str | None = None,
    method: str | None = None,
    credential_set: str = DEFAULT_SET,
    choose: Callable[[tuple[str, ...]], str] | None = None,
    read_key: Callable[[Provider], str] | None = None,
) -> AuthSession | None:
    """Sign in to a provider: store the API key that `read_key` gives, or return the session to be driven.

    `choose` picks one of several methods; without it the first one counts. `project_id` is part of the container's
    name. Errors as for `Authenticator`.
    """
    authenticator = Authenticator(provider, credential_set=credential_set, image=image)
    methods = authenticator.methods
    picked = method or (choose(methods) if choose is not None and len(methods) > 1 else methods[0])
    if picked != API_KEY:
        return authenticator.session(picked, label=project_id or "", mounts_dir=mounts_dir)
    if read_key is None:
        raise RequestError("there is nobody to ask for a key", hint="give read_key, or use store_api_key")
    authenticator.store_key(read_key(authenticator.provider))
    return None


def login_agent(roster: AgentRoster, name: str, provider: Provider) -> Agent | None:
    """Return the agent whose sign-in gives this provider's credential: the one named, else the first of its own."""
    own = [agent for agent in roster.agents.values() if agent.provider.default == provider.name]
    near = [roster.agents[name]] if name in roster.agents else own
    return next((agent for agent in near if agent.login is not None), None)
