"""The errors of signing in.

ExecutorError
├── CredentialShapeError     exit 1   a vendor's file does not look as it should; the message names file and key
├── ConfigPatchError         exit 1   a configuration file cannot be changed without damage
└── LoginError               exit 1   a sign-in did not come to its end; nothing was stored
"""

from __future__ import annotations

from terok_executor.errors import ExecutorError


class CredentialShapeError(ExecutorError):
    """A credential file of a vendor has another shape than the roster says; its values are never shown."""


class ConfigPatchError(ExecutorError):
    """A configuration file is damaged, or has something else where a value is to be set."""


class LoginError(ExecutorError):
    """A sign-in failed or was given up."""
