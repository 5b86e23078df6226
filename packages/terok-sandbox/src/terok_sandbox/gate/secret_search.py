"""Search what a promotion would send for secrets stored in the vault.

The gateway that takes pushes has no secrets to compare with, so this is done on the host, where a person promotes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from terok_util.text import safe_text

from terok_sandbox.config import SandboxConfig
from terok_sandbox.gate.errors import GateError
from terok_sandbox.gate.inspect.objects import SUBMODULE, Change, Commit, Objects
from terok_sandbox.gate.secret_encodings import Dump, Gunzip, Reading, readings
from terok_sandbox.vault.scrub import Patterns

_MAX_ENTRIES: Final = 1_000_000
_MAX_LAYERS: Final = 2
_BLOCK: Final = 1024 * 1024


def vault_patterns(config: SandboxConfig, *, interactive: bool = False) -> tuple[Patterns, ...]:
    """Return patterns of the vault's credentials, asking for its passphrase if `interactive`; `VaultLocked`."""
    from terok_sandbox.vault.access import credential_of
    from terok_sandbox.vault.unlock import open_vault

    if not config.db_path.exists():
        return ()
    with open_vault(config, interactive=interactive) as database:
        stored = (database.load_credential(row.credential_set, row.provider) for row in database.list_credentials())
        return tuple(credential_of(data).patterns for data in stored if data)


def find_secret(
    mirror: Path, tip: str, known: Iterable[str], patterns: Sequence[Patterns], names: Iterable[str] = ()
) -> str:
    """Return where `names`, or commits that are in `tip` and not in `known`, contain a secret; empty if nowhere."""
    from terok_sandbox.vault.scrub import Patterns

    secrets = [secret for pattern in patterns for secret in pattern.secrets]
    if not secrets:
        return ""
    search = SecretSearch(Patterns(secrets))
    if any(search.contains(name.encode("utf-8", "surrogateescape")) for name in names):
        return "the name of the branch"
    objects = Objects(mirror)
    places: dict[str, str] = {}
    matches: list[str] = []

    def add_place(entry: Commit | Change) -> None:
        if len(places) >= _MAX_ENTRIES:
            raise GateError("the branch has too many commits to be searched for credentials")
        if isinstance(entry, Commit):
            places[entry.oid] = f"the message of {entry.oid[:12]}"
        elif not entry.removed:
            if search.contains(entry.path.encode("utf-8", "surrogateescape")):
                matches.append(f"the name of a file in {entry.commit[:12]}")
            if entry.mode != SUBMODULE:
                places.setdefault(entry.oid, f"{safe_text(entry.path)} in {entry.commit[:12]}")

    objects.new_commits([tip], known, add_place)
    if matches:
        return matches[0]
    objects.read(places, search.add_piece)
    search.finish()
    return list(places.values())[search.found] if search.found is not None else ""


class SecretSearch:
    """Searches objects in pieces, in all `readings`; `found` is the number of the first one with a secret."""

    def __init__(self, patterns: Patterns) -> None:
        self._patterns = patterns
        self.found: int | None = None
        self._number = -1
        self._text: _Text | None = None

    def add_piece(self, number: int, _size: int, piece: bytes) -> None:
        """Search the next piece of an object."""
        if number != self._number:
            self.finish()
            self._number, self._text = number, _Text(self._patterns, layers=_MAX_LAYERS)
        if self.found is None and self._text is not None and self._text.contains(piece):
            self.found = number

    def finish(self) -> None:
        """Search what is left of the last object."""
        if self.found is None and self._text is not None and self._text.rest_contains():
            self.found = self._number

    def contains(self, data: bytes) -> bool:
        """Whether a secret is in the whole `data`."""
        text = _Text(self._patterns, layers=_MAX_LAYERS)
        return text.contains(data) or text.rest_contains()


class _Text:
    def __init__(self, patterns: Patterns, layers: int) -> None:
        self._patterns = patterns
        self._overlap = patterns.longest - 1
        self._readings: list[Reading] = [bytes, *readings()]
        self._tails = [b""] * len(self._readings)
        self._pending = bytearray()
        self._gunzip: Gunzip | None = Gunzip() if layers else None
        self._inside: _Text | None = None
        self._layers = layers

    def contains(self, piece: bytes) -> bool:
        """Whether a secret is in what has come so far; pieces wait until they fill a block."""
        self._pending += piece
        while len(self._pending) >= _BLOCK:
            block = bytes(self._pending[:_BLOCK])
            del self._pending[:_BLOCK]
            if self._block_contains(block):
                return True
        return False

    def rest_contains(self) -> bool:
        """Whether a secret is in the rest of the object."""
        if self._block_contains(bytes(self._pending)):
            return True
        dumps = ((at, read) for at, read in enumerate(self._readings) if isinstance(read, Dump))
        if any(self._in_reading(at, dump.end()) for at, dump in dumps):
            return True
        return self._inside is not None and self._inside.rest_contains()

    def _block_contains(self, block: bytes) -> bool:
        if any(self._in_reading(at, read(block)) for at, read in enumerate(self._readings)):
            return True
        for inflated in self._gunzip.pieces(block) if self._gunzip else ():
            self._inside = self._inside or _Text(self._patterns, self._layers - 1)
            if self._inside.contains(inflated):
                return True
        return False

    def _in_reading(self, at: int, text: bytes) -> bool:
        if not text:
            return False
        window = self._tails[at] + text
        self._tails[at] = window[-self._overlap :]
        return self._patterns.finds(window)
