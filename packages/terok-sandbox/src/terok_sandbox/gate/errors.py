"""Errors of the gate.

GateError
├── GitFailed            git ended with an error; `.status` is its exit code
├── GitTimeout           git did not end in time
├── RepoNotUnderstood    a repository argument is neither a path nor a URL
├── UpstreamRefused      the upstream's address has credentials or an unsupported transport
├── UpstreamUnreachable  the upstream did not answer, or refused us
├── InspectionPolicyError  an inspection policy is not understood
├── PromotionRefused     a branch is not sent upstream as things are
├── NoCredential         the vault has nothing for the upstream, or is closed
└── MirrorError          the mirror is missing, damaged, or lacks what was asked for
    └── NoSuchBranch     it has no such branch
"""

from __future__ import annotations

from terok_util.text import safe_text

from terok_sandbox.errors import GateError

__all__ = [
    "GateError",
    "GitFailed",
    "GitTimeout",
    "InspectionPolicyError",
    "MirrorError",
    "NoCredential",
    "NoSuchBranch",
    "PromotionRefused",
    "RepoNotUnderstood",
    "UpstreamRefused",
    "UpstreamUnreachable",
]


class GitFailed(GateError):
    """Git ended with an error."""

    def __init__(self, message: str, *, status: int, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.status = status


class GitTimeout(GateError):
    """Git did not end in the time it was given; its process group was killed."""


class RepoNotUnderstood(GateError):
    """A repository argument is neither an existing path nor a URL the gate can fetch."""


class UpstreamRefused(GateError):
    """The upstream's address holds credentials or uses a transport the gate does not speak."""


class UpstreamUnreachable(GateError):
    """The upstream did not answer, or answered with an error."""


class MirrorError(GateError):
    """The mirror is missing or damaged, or has no such branch."""


class NoSuchBranch(MirrorError):
    """The mirror has no branch of that name."""

    def __init__(self, branch: str, scope: str) -> None:
        hint = f"terok-sandbox gate branches {scope}"
        super().__init__(f"the mirror {scope} has no branch {safe_text(branch)!r}", hint=hint)


class InspectionPolicyError(GateError):
    """An inspection policy names a rule or verdict that does not exist, or cannot be read."""


class PromotionRefused(GateError):
    """A branch is not sent upstream: it was not reviewed, has changed since, or does not follow the upstream."""


class NoCredential(GateError):
    """The vault holds no credential for the upstream, or cannot be opened."""
