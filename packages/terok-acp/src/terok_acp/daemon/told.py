"""Who follows the host, and who is told by it."""

from __future__ import annotations

from typing import Protocol

from terok_acp.conductor.host_questions import HostQuestion


class Told(Protocol):
    """Whoever is told, the conductor with the daemon's loop around it."""

    def host_asked(self, question: HostQuestion) -> None:
        """Take a question of the host."""

    def host_question_over(self, number: str) -> None:
        """Take note that a question needs no answer any more."""

    def host_notice(self, text: str) -> None:
        """Tell every session a line."""

    def spent(self, dollars: float) -> None:
        """Take note of what the container has cost."""


class Watch(Protocol):
    """Whoever follows the host while editors are connected."""

    def start(self) -> None:
        """Begin to follow."""

    def stop(self) -> None:
        """Follow no longer."""

    def decide(self, number: str, choice: str) -> None:
        """Carry a person's answer out."""
