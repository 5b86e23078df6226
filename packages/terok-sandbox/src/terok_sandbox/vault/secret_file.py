"""Reading a file that holds one secret line, and only if nobody else could have written or read it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from terok_util import ExposedFile, read_private

from terok_sandbox.vault.errors import VaultError

if TYPE_CHECKING:
    from pathlib import Path

MAX_BYTES: Final = 4096
_UNLOCK_HINT = "run `terok-sandbox vault unlock`"
# The file may hold the only copy of the passphrase: no hint says to remove it.
_CLOSE = "run `chmod 600 {path}`; if somebody may have read it, `terok-sandbox vault passphrase change` as well"
_KEEP = f"move it to a safe place, it may hold the only copy of the passphrase, then {_UNLOCK_HINT}"


def read_secret_file(path: Path, what: str) -> str | None:
    """Return the line in the file at `path`, None if there is no file; `what` names it in errors.

    Raises:
        VaultError: a symlink, not a regular file, another owner, open to others, empty or too large.

    """
    leave_no_core()
    try:
        data = read_private(path, MAX_BYTES)
    except FileNotFoundError:
        return None
    except ExposedFile as error:
        raise _distrusted(path, what, error, _CLOSE.format(path=path)) from error
    except OSError as error:
        raise _distrusted(path, what, error) from error
    return one_line(data, f"{what} {path}")


def leave_no_core() -> None:
    """Make this process one that leaves no core file: from now on it has secrets in its memory."""
    from terok_sandbox.hygiene import not_dumpable

    not_dumpable()


def one_line(data: bytes, source: str) -> str:
    """Return `data` as one line of text without its end; VaultError, naming `source`, for anything else."""
    if len(data) > MAX_BYTES:
        raise VaultError(f"{source} gave more than {MAX_BYTES} bytes", hint=_UNLOCK_HINT)
    try:
        text = data.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        raise VaultError(f"{source} did not give text", hint=_UNLOCK_HINT) from None
    if not text or "\n" in text:
        raise VaultError(f"{source} did not give one line with a passphrase", hint=_UNLOCK_HINT)
    return text


def _distrusted(path: Path, what: str, error: OSError, hint: str = _KEEP) -> VaultError:
    return VaultError(f"{what} {path} is not trusted: {error.strerror}", hint=hint)
