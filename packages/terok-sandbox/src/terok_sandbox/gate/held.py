"""Nothing the vault holds goes upstream: what a promotion would send is searched for the vault's own secrets.

The gateway that takes pushes holds no secret to compare with, so this is done on the host, where a person promotes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from terok_util.text import safe_text

from terok_sandbox.gate.inspect.changes import SUBMODULE, Change
from terok_sandbox.gate.inspect.objects import Objects, batches

if TYPE_CHECKING:
    from terok_sandbox.config import SandboxConfig
    from terok_sandbox.vault.scrub import Patterns

_MAX_ENTRIES: Final = 1_000_000


def held_patterns(config: SandboxConfig) -> tuple[Patterns, ...]:
    """Return what betrays the credentials of the vault, nothing without a vault; raises `VaultLocked`."""
    from terok_sandbox.vault.access import credential_of
    from terok_sandbox.vault.unlock import open_vault

    if not config.db_path.exists():
        return ()
    with open_vault(config, interactive=True) as database:
        stored = (database.load_credential(row.credential_set, row.provider) for row in database.list_credentials())
        return tuple(credential_of(data).patterns for data in stored if data)


def find_held(mirror: Path, tip: str, known: Iterable[str], patterns: Sequence[Patterns]) -> str:
    """Return where commits of ``tip`` that ``known`` have not hold a secret, in words; empty if nowhere."""
    needles = [needle for one in patterns for needle in one.all]
    if not needles:
        return ""
    objects = Objects(mirror)
    entries = list(objects.new_commits([tip], known, _MAX_ENTRIES))
    places = {entry: f"the message of {entry[:12]}" for entry in entries if isinstance(entry, str)}
    for entry in entries:
        if isinstance(entry, Change) and not entry.removed and entry.mode != SUBMODULE:
            places.setdefault(entry.oid, f"{safe_text(entry.path)} in {entry.commit[:12]}")
    sizes = (info.size for info in objects.describe(places))
    for batch in batches(zip(places, sizes, strict=True)):
        for name, content in zip(batch, objects.contents(batch), strict=True):
            if content is not None and any(needle in content for needle in needles):
                return places[name]
    return ""
