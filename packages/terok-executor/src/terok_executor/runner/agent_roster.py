"""The roster as programs see it: with the checks of containers, which stand above it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from terok_executor.roster import roster

if TYPE_CHECKING:
    from terok_executor.integrations.sandbox import DoctorCheck, SandboxConfig


class AgentRoster(roster.AgentRoster):
    """A snapshot of all agents, providers and tools."""

    __slots__ = ()

    def doctor_checks(self, config: SandboxConfig, container: str) -> tuple[DoctorCheck, ...]:
        """Return the checks of one agent's container, as `agent_doctor_checks` does."""
        from terok_executor.runner.doctor import agent_doctor_checks  # a list of agents opens no vault

        return agent_doctor_checks(config, self, container)
