"""The durable tiers: a sealed systemd credential, the desktop's keyring, an owner-only file.

Each keeps two values: the passphrase, and while it is being changed the coming one. None of them ever asks or waits for
more than its time-out: what does not answer counts as absent (keyring) or as an error (sealed credential).
"""

from __future__ import annotations

import hashlib
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Final

from terok_util import ExposedFile, TerokError, process, read_private, write_sensitive_file

from terok_sandbox.config import SandboxConfig
from terok_sandbox.vault.errors import VaultError
from terok_sandbox.vault.passphrase.record import TierName

MAX_BYTES: Final = 4096
_UNLOCK_HINT = "run `terok-sandbox vault unlock`"
# The file may hold the only copy of the passphrase: no hint says to remove it.
_CLOSE = "run `chmod 600 {path}`; if somebody may have read it, `terok-sandbox vault passphrase change` as well"
_KEEP = f"move it to a safe place, it may hold the only copy of the passphrase, then {_UNLOCK_HINT}"


def read_secret_file(path: Path, what: str) -> str | None:
    """Return the line in the owner-only file at `path`, None if there is none; `what` names it in VaultErrors."""
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


KEYRING_SECONDS: Final = 3.0
SEAL_SECONDS: Final = 20.0
MIN_SYSTEMD: Final = 257
CREDENTIAL_NAME: Final = "terok-sandbox.vault-passphrase"


class _InFiles:
    """The two values of a tier in a file each, beside the database; `coming` selects the one that comes."""

    def __init__(self, current: Path, coming: str) -> None:
        self._files = {False: current, True: current.with_suffix(coming)}

    def clear(self, *, coming: bool = False) -> None:
        """Forget a value."""
        self._files[coming].unlink(missing_ok=True)


class FileTier(_InFiles):
    """An owner-only file: no protection against whoever acts as this account."""

    name: TierName = "file"

    def __init__(self, cfg: SandboxConfig) -> None:
        super().__init__(cfg.vault_dir / "passphrase", ".coming")

    def available(self) -> bool:
        """Tell whether this machine offers the tier."""
        return True

    def read(self, *, coming: bool = False) -> str | None:
        """Return the value, None if there is none."""
        return read_secret_file(self._files[coming], "the passphrase file")

    def write(self, passphrase: str, *, coming: bool = False) -> None:
        """Keep a value."""
        _write(self._files[coming], passphrase + "\n")


class SystemdCredsTier(_InFiles):
    """A credential sealed by systemd to this host, its TPM, or both; cannot be opened elsewhere."""

    name: TierName = "systemd-creds"

    def __init__(self, cfg: SandboxConfig, key: str = "auto") -> None:
        super().__init__(cfg.vault_dir / "passphrase.cred", ".cred-coming")
        self._key = key

    def available(self) -> bool:
        """Tell whether systemd is new enough for credentials of unprivileged users and seals something here."""
        with suppress(TerokError):
            text = process.run(["systemd-creds", "--version"], timeout=SEAL_SECONDS).text
            found = re.match(r"systemd (\d+)", text)
            return found is not None and int(found[1]) >= MIN_SYSTEMD and bool(self._creds("encrypt", b"probe"))
        return False

    def read(self, *, coming: bool = False) -> str | None:
        """Return the value, None if there is none."""
        path = self._files[coming]
        try:
            sealed = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._unsealable(path) from error
        try:
            return self._creds("decrypt", sealed).decode("ascii")
        except (TerokError, UnicodeDecodeError) as error:
            raise self._unsealable(path) from error

    def write(self, passphrase: str, *, coming: bool = False) -> None:
        """Keep a value."""
        try:
            _write(self._files[coming], self._creds("encrypt", passphrase.encode()).decode("ascii"))
        except TerokError as error:
            raise VaultError("systemd-creds could not seal the passphrase", hint=_OTHER_TIER) from error

    def _creds(self, verb: str, data: bytes) -> bytes:
        argv = ["systemd-creds", verb, *((f"--with-key={self._key}",) if verb == "encrypt" else ())]
        argv += ["--user", f"--name={CREDENTIAL_NAME}", "-", "-"]
        return process.run(argv, timeout=SEAL_SECONDS, input=data).stdout

    def _unsealable(self, path: Path) -> VaultError:
        return VaultError(
            f"the sealed passphrase {path} cannot be opened on this machine",
            hint="give the recovery key to `terok-sandbox vault unlock --recover`, then seal it again",
        )


class KeyringTier:
    """The Secret Service of a desktop session, through `secret-tool` in a child that is given three seconds."""

    name: TierName = "keyring"

    def __init__(self, cfg: SandboxConfig) -> None:
        self._vault = hashlib.sha256(os.fsencode(cfg.db_path)).hexdigest()[:16]

    def available(self) -> bool:
        """Tell whether there is a session bus and the keyring keeps what it is given."""
        kept = False
        with suppress(TerokError):
            if os.environ.get("DBUS_SESSION_BUS_ADDRESS"):
                self._tool(["store", "--label=terok vault (probe)"], "probe", b"probe")
                found = self._tool(["lookup"], "probe").strip() == b"probe"
                self._tool(["clear"], "probe")
                kept = found
        return kept

    def read(self, *, coming: bool = False) -> str | None:
        """Return the value, None if there is none."""
        try:
            return self._tool(["lookup"], _slot(coming)).decode("utf-8").strip() or None
        except (TerokError, UnicodeDecodeError):
            return None

    def write(self, passphrase: str, *, coming: bool = False) -> None:
        """Keep a value."""
        try:
            self._tool(["store", "--label=terok vault"], _slot(coming), passphrase.encode())
        except TerokError as error:
            raise VaultError("the keyring did not take the passphrase", hint=_OTHER_TIER) from error
        if self.read(coming=coming) != passphrase:
            raise VaultError("the keyring does not give back what it was given", hint=_OTHER_TIER)

    def clear(self, *, coming: bool = False) -> None:
        """Forget a value."""
        with suppress(TerokError):
            self._tool(["clear"], _slot(coming))

    def _tool(self, words: list[str], slot: str, data: bytes = b"") -> bytes:
        argv = ["secret-tool", *words, "service", "terok-sandbox", "vault", self._vault, "value", slot]
        return process.run(argv, timeout=KEYRING_SECONDS, input=data, max_output=4096).stdout


Tier = SystemdCredsTier | KeyringTier | FileTier


def tiers(cfg: SandboxConfig, *, key: str = "auto") -> tuple[Tier, ...]:
    """Return the durable tiers, the strongest first; the last, a file, is on every machine."""
    return SystemdCredsTier(cfg, key), KeyringTier(cfg), FileTier(cfg)


def tier_named(cfg: SandboxConfig, name: TierName, *, key: str = "auto") -> Tier | None:
    """Return the durable tier of that name, None for `none`."""
    return next((tier for tier in tiers(cfg, key=key) if tier.name == name), None)


def best_tier(cfg: SandboxConfig) -> Tier:
    """Return the strongest durable tier this machine offers."""
    return next(tier for tier in tiers(cfg) if tier.available())


_OTHER_TIER = "choose another tier: `terok-sandbox vault passphrase to-file`"


def _slot(coming: bool) -> str:
    return "coming" if coming else "current"


def _write(path: Path, text: str) -> None:
    try:
        write_sensitive_file(path, text)
    except (OSError, TerokError) as error:
        raise VaultError(f"{path}: cannot be written: {error}") from error
