"""The roster as programs see it: with the checks of containers, which stand above it."""

from __future__ import annotations

from terok_executor.integrations.sandbox import DoctorCheck, SandboxConfig
from terok_executor.roster import roster
from terok_executor.runner.doctor import agent_doctor_checks


class AgentRoster(roster.AgentRoster):
    """A snapshot of all agents, providers and tools."""

    __slots__ = ()

    def doctor_checks(self, config: SandboxConfig, container: str) -> tuple[DoctorCheck, ...]:
        """Return the checks of one agent's container, as `agent_doctor_checks` does."""
        return agent_doctor_checks(config, self, container)
