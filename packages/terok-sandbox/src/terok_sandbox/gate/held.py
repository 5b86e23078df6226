"""Nothing the vault holds goes upstream: what a promotion would send is searched for the vault's own secrets.

The gateway that takes pushes holds no secret to compare with, so this is done on the host, where a person promotes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from terok_util.text import safe_text

from terok_sandbox.gate.errors import GateError
from terok_sandbox.gate.inspect.changes import SUBMODULE, Change, Commit
from terok_sandbox.gate.inspect.objects import Objects

if TYPE_CHECKING:
    from terok_sandbox.config import SandboxConfig
    from terok_sandbox.vault.scrub import Patterns

_MAX_ENTRIES: Final = 1_000_000


def held_patterns(config: SandboxConfig, *, interactive: bool = False) -> tuple[Patterns, ...]:
    """Return what betrays the credentials of the vault, nothing without a vault.

    Raises `VaultLocked` when no passphrase is at hand; with ``interactive``, a person at the terminal is asked first.
    """
    from terok_sandbox.vault.access import credential_of
    from terok_sandbox.vault.unlock import open_vault

    if not config.db_path.exists():
        return ()
    with open_vault(config, interactive=interactive) as database:
        stored = (database.load_credential(row.credential_set, row.provider) for row in database.list_credentials())
        return tuple(credential_of(data).patterns for data in stored if data)


def find_held(mirror: Path, tip: str, known: Iterable[str], patterns: Sequence[Patterns]) -> str:
    """Return where commits of ``tip`` that ``known`` have not hold a secret, in words; empty if nowhere."""
    held = [one for one in patterns if one.secrets]
    if not held:
        return ""
    search = Search(held)
    objects = Objects(mirror)
    places: dict[str, str] = {}
    names: list[str] = []

    def place(entry: Commit | Change) -> None:
        if len(places) >= _MAX_ENTRIES:
            raise GateError("the branch has too many commits to be searched for credentials")
        if isinstance(entry, Commit):
            places[entry.oid] = f"the message of {entry.oid[:12]}"
        elif not entry.removed:
            if search.holds(entry.path.encode("utf-8", "surrogateescape")):
                names.append(f"the name of a file in {entry.commit[:12]}")
            if entry.mode != SUBMODULE:
                places.setdefault(entry.oid, f"{safe_text(entry.path)} in {entry.commit[:12]}")

    objects.new_commits([tip], known, _MAX_ENTRIES, place)
    if names:
        return names[0]
    objects.read(places, search.take)
    return list(places.values())[search.found] if search.found is not None else ""


class Search:
    """Looks for secrets in objects that come in pieces, also across the edges of those."""

    def __init__(self, patterns: Sequence[Patterns]) -> None:
        self._patterns = patterns
        self.found: int | None = None
        self._overlap = max(one.longest for one in patterns) - 1
        self._number = -1
        self._tail = b""

    def take(self, number: int, _size: int, piece: bytes) -> None:
        """Search the next piece of an object; ``found`` is then the number of the first one with a secret."""
        window = self._tail + piece if number == self._number else piece
        self._number = number
        self._tail = window[len(window) - self._overlap :] if len(window) > self._overlap else window
        if self.found is None and self.holds(window):
            self.found = number

    def holds(self, data: bytes) -> bool:
        """Tell whether a secret is in ``data``."""
        return any(one.finds(data) for one in self._patterns)
