"""Errors of clearance.

::

    ClearanceError                1
    ├── UnknownRequest            1   no such request waits (any more)
    ├── TargetMismatch            1   the verdict is about another target than the request
    ├── BadVerdict                2   a verdict that cannot be given
    └── HubUnavailable            1   nobody listens for the container, or the connection has ended
"""

from __future__ import annotations

from typing import ClassVar

from terok_sandbox.errors import SandboxError


class ClearanceError(SandboxError):
    """Base of the errors that clearance raises."""


class UnknownRequest(ClearanceError):
    """No such request waits: it was answered, has expired, or never existed."""


class TargetMismatch(ClearanceError):
    """The verdict names another target than the request it answers."""


class BadVerdict(ClearanceError):
    """The verdict cannot be given: unknown scope, no minutes, no project."""

    exit_code: ClassVar[int] = 2


class HubUnavailable(ClearanceError):
    """Nobody listens on the container's clearance socket, or the connection has ended."""
