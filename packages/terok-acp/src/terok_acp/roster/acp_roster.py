"""The agents of one container that an editor can be offered."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from typing import Any, Final

from terok_util import safe_text

from terok_acp.adapters.process import WRAPPER
from terok_acp.adapters.spec import AdapterSpec, Quirks
from terok_acp.errors import AgentBindError, ProbeError
from terok_acp.integrations.executor import (
    AcpSpec,
    AgentRoster,
    ExecutorError,
    credential_set_of,
    further_agent,
)
from terok_acp.integrations.sandbox import Sandbox
from terok_acp.protocol.frames import Frame
from terok_acp.roster.cache import AgentRosterCache, CacheKey
from terok_acp.roster.offer import Offer
from terok_acp.roster.probe import PROBE_SECONDS, probe_offer
from terok_acp.roster.signed_in import credential_states

AGENTS_LABEL: Final = "ai.terok.agents"
CONTENT_LABEL: Final = "ai.terok.content"
_MOST_WORDS: Final = 4096
"""Bytes of an error of the wrapper that are read."""


class ACPRoster:
    """Agents of a container's image that have an adapter and whose provider has a credential; for one thread at a time.

    Making one asks Podman and the vault: EngineError, VaultError, RosterError. `refresh` asks the vault again.
    """

    def __init__(
        self,
        container: str,
        *,
        sandbox: Sandbox | None = None,
        roster: AgentRoster | None = None,
        cache: AgentRosterCache | None = None,
    ) -> None:
        self.container = container
        self._sandbox = sandbox if sandbox is not None else Sandbox()
        self._roster = roster if roster is not None else AgentRoster.shared()
        self._cache = cache if cache is not None else AgentRosterCache()
        made = self._sandbox.runtime.container(container)
        labels, env = made.labels, made.env
        self._installed = frozenset(labels.get(AGENTS_LABEL, "").split(","))
        self._image = labels.get(CONTENT_LABEL) or made.id
        self._own = env.get("TEROK_AGENT", "")
        self._own_provider = env.get("TEROK_PROVIDER", "")
        self._free = env.get("TEROK_UNRESTRICTED") == "1"
        self._equipped = {self._own}
        self._states: dict[str, str] = {}
        self._keys: dict[str, CacheKey] = {}
        self.refresh()

    def refresh(self) -> None:
        """Read anew which credentials there are."""
        config = self._sandbox.config
        self._states = credential_states(config, credential_set_of(config, self.container))
        self._keys = {name: self._key(name) for name in self._roster.agents}

    def agents(self) -> tuple[AdapterSpec, ...]:
        """Return what can be started, the container's own agent first."""
        names = [name for name in self._roster.agents if self._provider(name) in self._states]
        specs = [self._spec(name) for name in sorted(names, key=lambda name: (name != self._own, name))]
        return tuple(spec for spec in specs if spec is not None)

    def offer(self, agent: str) -> Offer | None:
        """Return what an agent offers, as far as it was learned before."""
        return self._cache.get(self._keys[agent])

    def failure(self, agent: str) -> str | None:
        """Return why the last probe of an agent failed a moment ago."""
        return self._cache.failure(self._keys[agent])

    def learned(self, agent: str, initialize: Frame, session: Frame) -> None:
        """Keep what an adapter has said when it was used."""
        offered = {name: value for name, value in session.items() if name != "sessionId"}
        self._cache.put(self._keys[agent], Offer(agent, self._roster.agent(agent).label, initialize, offered))

    def probe(self, agent: str, timeout: float = PROBE_SECONDS) -> Offer:
        """Ask an agent's adapter what it offers; ProbeError if it does not say, or did not a moment ago."""
        spec = next((spec for spec in self.agents() if spec.agent == agent), None)
        if spec is None:
            hint = f"see `terok-acp list {self.container}`"
            raise ProbeError(f"agent {agent} cannot be used in {self.container}", hint=hint)
        key = self._keys[agent]
        if (problem := self._cache.failure(key)) is not None:
            raise ProbeError(problem, hint="wait half a minute and try again")
        try:
            self.equip(agent)
            offer = probe_offer(spec, self.container, self._sandbox.runtime, timeout)
        except (ProbeError, AgentBindError, ExecutorError) as error:
            self._cache.failed(key, error.message)
            raise
        self._cache.put(key, offer)
        return offer

    def equip(self, agent: str) -> None:
        """Give the container what an agent beside its own needs: configuration, variables and a phantom token, once.

        Blocks. AgentBindError if the container does not take it; raises as `terok_executor.further_agent`.
        """
        if agent in self._equipped:
            return
        self._equipped |= self._ready()
        if agent not in self._equipped:
            given = further_agent(self._sandbox, self._roster, self.container, agent)
            self._hand_over(agent, {"env": dict(given.env), "files": dict(given.files)})
            self._equipped.add(agent)

    def _ready(self) -> set[str]:
        """Return the agents that the container has all for."""
        done = self._sandbox.runtime.exec(self.container, (WRAPPER, "list"))
        try:
            return {str(row["name"]) for row in json.loads(done.stdout) if row["ready"] is True}
        except (ValueError, KeyError, TypeError):
            hint = "start a new task: its image is made by this version"
            raise AgentBindError(f"{self.container} cannot start adapters", hint=hint) from None

    def _hand_over(self, agent: str, given: Mapping[str, Any]) -> None:
        # By way of memory: what is on a command line or a disk can be read by others.
        streams = [os.memfd_create(name, os.MFD_CLOEXEC) for name in ("equipment", "answer")]
        try:
            os.write(streams[0], json.dumps(given).encode())
            os.lseek(streams[0], 0, os.SEEK_SET)
            command = (WRAPPER, "equip", agent)
            code = self._sandbox.runtime.exec_stdio(
                self.container, command, stdin=streams[0], stdout=streams[1], stderr=streams[1], timeout=30.0
            )
            if code != 0:
                words = safe_text(os.pread(streams[1], _MOST_WORDS, 0).decode("utf-8", "replace"), limit=300)
                hint = f"see `terok-acp probe {self.container} {agent}`"
                raise AgentBindError(f"{self.container} does not take agent {agent}: {words}", hint=hint)
        finally:
            for stream in streams:
                os.close(stream)

    def _provider(self, name: str) -> str:
        if name == self._own and self._own_provider:
            return self._own_provider
        try:
            return self._roster.bind(self._roster.agent(name)).name
        except ExecutorError:
            return ""

    def _spec(self, name: str) -> AdapterSpec | None:
        agent = self._roster.agent(name)
        if agent.acp is None or name not in self._installed:
            return None
        return AdapterSpec(name, agent.label, quirks_of(agent.acp, free=self._free))

    def _key(self, agent: str) -> CacheKey:
        provider = self._provider(agent)
        described = repr((provider, self._states.get(provider), self._roster.agent(agent).acp, self._free))
        return CacheKey(self._image, hashlib.blake2b(described.encode(), digest_size=16).hexdigest(), agent)


def quirks_of(acp: AcpSpec, *, free: bool) -> Quirks:
    """Return what is particular about an adapter in a container whose agent acts `free`ly, or asks."""
    return Quirks(
        models_legacy=acp.models_legacy,
        replay_after_reply=acp.replay_after_reply,
        share_process=acp.share_process,
        asks_permission=acp.asks_permission,
        stop_signal=acp.stop_signal,
        resume_by=acp.resume_by,
        default_mode=acp.free_mode if free else acp.default_mode,
    )
