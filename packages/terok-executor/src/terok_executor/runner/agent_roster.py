"""The roster as programs see it: with the checks of containers, which stand above it."""

from __future__ import annotations

from functools import cache

from terok_executor.integrations.sandbox import DoctorCheck, SandboxConfig
from terok_executor.roster import roster
from terok_executor.runner.doctor import agent_doctor_checks


class AgentRoster(roster.AgentRoster):
    """A snapshot of all agents, providers and tools."""

    __slots__ = ()

    @classmethod
    def shared(cls) -> AgentRoster:
        """Return the roster as this process first read it; RosterError if a file is wrong."""
        return _shared()

    def doctor_checks(self, config: SandboxConfig, container: str) -> tuple[DoctorCheck, ...]:
        """Return the checks of one agent's container, as `agent_doctor_checks` does."""
        return agent_doctor_checks(config, self, container)


@cache
def _shared() -> AgentRoster:
    known = roster.AgentRoster.shared()
    return AgentRoster(known.agents, known.providers, known.tools)
