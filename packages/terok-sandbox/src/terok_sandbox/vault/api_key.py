"""Texts that are certainly not API keys, although somebody gives them as one."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Final

from terok_sandbox.config import SandboxConfig
from terok_sandbox.vault.connection import is_generated
from terok_sandbox.vault.errors import BadCredential, VaultError
from terok_sandbox.vault.store import CredentialDB
from terok_sandbox.vault.tokens import DEFAULT_SHAPE
from terok_sandbox.vault.unlock import resolve_passphrase

MAX_LENGTH: Final = 4096
_QUOTES: Final = "\"'`"
_ASSIGNMENT: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=[^=]")
_URL: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_BARE: Final = "give the bare key, without quotes, the name of a variable or of a header"


def check_key(key: str, cfg: SandboxConfig, database: CredentialDB) -> None:
    """Raise BadCredential for a text that cannot be the key of a provider; an error never quotes it."""
    from terok_sandbox.vault.scrub import MIN_SECRET

    if not MIN_SECRET <= len(key) <= MAX_LENGTH or not key.isascii() or not key.isprintable() or " " in key:
        raise BadCredential(
            f"that is not an API key: {MIN_SECRET} or more printable ASCII characters without spaces are expected",
            hint=_BARE,
        )
    if key[0] in _QUOTES or key[-1] in _QUOTES:
        raise BadCredential("that is not an API key: it has quotes around it", hint=_BARE)
    if _ASSIGNMENT.match(key):
        raise BadCredential("that is not an API key: it is an assignment, NAME=value", hint=_BARE)
    if _URL.match(key):
        raise BadCredential("that is not an API key: it is a URL", hint=_BARE)
    if _is_passphrase(key, cfg):
        raise BadCredential(
            "that is the vault's passphrase, not an API key", hint="keep it where the vault is not, and out of commands"
        )
    if DEFAULT_SHAPE.matches(key) or database.lookup(key) is not None:
        raise BadCredential(
            "that is a phantom token of a container, not an API key", hint="take the key from the provider's page"
        )


def _is_passphrase(key: str, cfg: SandboxConfig) -> bool:
    with suppress(VaultError):
        return is_generated(key) or key == resolve_passphrase(cfg)
    return False
