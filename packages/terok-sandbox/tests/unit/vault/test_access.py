from __future__ import annotations

import asyncio

import pytest
from terok_sandbox.vault import access
from terok_sandbox.vault.access import FRESH_SECONDS, VaultAccess

from .conftest import CONTAINER, Vault

TWO_SECONDS = 2_000_000_000


async def current(vault: VaultAccess) -> None:
    await asyncio.sleep(2 * FRESH_SECONDS)
    assert await vault.ready() is None


async def test_a_commit_shows_also_where_the_time_and_size_of_the_log_do_not_change(
    files: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    def coarse(path: str | None) -> access.Stamp | None:
        """Return what a file system tells whose clock ticks every two seconds."""
        stamp = real(path)
        return None if stamp is None else (stamp[0] // TWO_SECONDS * TWO_SECONDS, stamp[1], 0)

    real = access.stamp_of
    monkeypatch.setattr(access, "stamp_of", coarse)
    files.routes(stub={"upstream": "http://127.0.0.1:1"})
    vault = VaultAccess(files.wiring)
    await current(vault)
    assert vault.token(files.token) is not None
    await current(vault)
    files.db.revoke_tokens(CONTAINER)
    await current(vault)
    assert vault.token(files.token) is None
    vault.close()
    files.db.close()
