"""Errors of the shield.

::

    ShieldError                    1
    ├── PolicyError                2   a policy line cannot be used; the container stays closed
    │   └── SpellingError          2   a host is not spelled the one accepted way
    ├── NotInForce                69   the container runs, and the change is not in force
    ├── NotKept                   74   the change is in force, but a restart would undo it
    ├── NoAnswer                   1   a gateway did not reply: the outcome of the request is unknown
    │   └── ShieldNotRunning       1   the container has no running gateway
    ├── RulesetMismatch            1   the kernel does not hold the rules that were loaded
    └── BadMessage                 1   a line is not a message of the control protocol
"""

from __future__ import annotations

from typing import ClassVar

from terok_sandbox.errors import ShieldError


class PolicyError(ShieldError):
    """A policy line cannot be used; nothing of the policy is in force then."""

    exit_code: ClassVar[int] = 2


class SpellingError(PolicyError):
    """A host is not spelled the one accepted way."""


class NotInForce(ShieldError):
    """The container runs, and the change is not in force."""

    exit_code: ClassVar[int] = 69


class NotKept(ShieldError):
    """The change is in force, but a restart would undo it, because it could not be written to disk."""

    exit_code: ClassVar[int] = 74


class NoAnswer(ShieldError):
    """A gateway did not reply: the outcome of the request is unknown."""


class ShieldNotRunning(NoAnswer):
    """The container has no running gateway."""


class RulesetMismatch(ShieldError):
    """The kernel does not hold the rules that were loaded."""


class BadMessage(ShieldError):
    """A line is not a message of the control protocol."""
