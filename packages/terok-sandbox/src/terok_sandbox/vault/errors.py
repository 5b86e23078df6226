"""Errors of the vault, all of them children of `VaultError`."""

from __future__ import annotations

from typing import ClassVar

from terok_sandbox.errors import VaultError as VaultError


class VaultLocked(VaultError):
    """The database exists, but no tier gives its passphrase."""

    exit_code: ClassVar[int] = 2


class VaultMissing(VaultError):
    """There is no database at the configured path."""


class WrongPassphrase(VaultError):
    """The passphrase does not open the database."""


class PlaintextDatabase(VaultError):
    """The file at the vault's path is an unencrypted SQLite database."""


class NewerSchema(VaultError):
    """The database was written by a newer version of terok."""


class CorruptDatabase(VaultError):
    """The database file is truncated or damaged."""


class VaultBusy(VaultError):
    """The database stayed locked by another process past the busy time-out."""


class BadCredential(VaultError):
    """A credential, a name or a token shape that the vault does not accept."""


class BudgetError(VaultError):
    """A decision about a budget names no limit of it, or no larger number."""

    exit_code: ClassVar[int] = 2


class RoutesError(VaultError):
    """The routes file cannot be read or does not say what it must.

    `key` is the key of one provider's entry that is wrong, dotted, and `problem` what is wrong with it.
    """

    key: str = ""
    problem: str = ""
