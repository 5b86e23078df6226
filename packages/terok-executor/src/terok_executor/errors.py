"""The errors of this wheel.

ExecutorError                exit 1
├── RosterError              exit 2   an agent or provider is unknown, or two do not go together
│   └── RosterFileError      exit 78  a roster or lock file is wrong
├── RequestError             exit 2   a run was asked for that cannot be: repository, prompt, base image
├── PrerequisiteError        exit 5   the host lacks something: podman, mmdebstrap, a readable CA bundle
├── CredentialShapeError     exit 1   a vendor's file does not look as it should; the message names file and key
├── ConfigPatchError         exit 1   a configuration file cannot be changed without damage
├── LoginError               exit 1   a sign-in did not come to its end; nothing was stored
├── BuildError               exit 6   an image build started and failed
└── UndeliveredError         exit 75  work would be lost with a container
"""

from __future__ import annotations

from terok_util import TerokError


class ExecutorError(TerokError):
    """Base of every error this wheel raises."""


class RosterError(ExecutorError):
    """A name is not in the roster, or what it names cannot be used as asked."""

    exit_code = 2


class RosterFileError(RosterError):
    """A roster or lock file cannot be used; the message names file, line and key."""

    exit_code = 78


class RequestError(ExecutorError):
    """The request itself is wrong, whatever the state of the host."""

    exit_code = 2


class PrerequisiteError(ExecutorError):
    """Something the host has to provide is missing or unusable."""

    exit_code = 5


class UndeliveredError(ExecutorError):
    """A container holds work that is nowhere else."""

    exit_code = 75


class BuildError(ExecutorError, RuntimeError):
    """An image could not be built. A RuntimeError too, as its callers have been promised."""

    exit_code = 6


class CredentialShapeError(ExecutorError):
    """A credential file of a vendor has another shape than the roster says; its values are never shown."""


class ConfigPatchError(ExecutorError):
    """A configuration file is damaged, or has something else where a value is to be set."""


class LoginError(ExecutorError):
    """A sign-in failed or was given up."""
