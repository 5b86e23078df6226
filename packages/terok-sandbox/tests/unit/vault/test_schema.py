from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from terok_sandbox.vault.store import SCHEMA_VERSION, CredentialDB, user_version

FIXTURES = Path(__file__).parent / "fixtures"
PASSPHRASE = "tvk-" + "0123456789abcdef" * 4


@pytest.mark.parametrize("name", sorted(path.name for path in FIXTURES.glob("v*.db")))
def test_every_released_version_is_brought_up_to_date(name: str, tmp_path: Path) -> None:
    path = tmp_path / "credentials.db"
    shutil.copyfile(FIXTURES / name, path)
    path.chmod(0o600)
    for _ in range(2):
        with CredentialDB(path, PASSPHRASE) as database:
            assert user_version(database._connection) == SCHEMA_VERSION
            assert database.load_credential("default", "anthropic") == {
                "type": "api_key",
                "key": "sk-fixture-0123456789",
            }
            assert database.load_credential("work", "openai")["refresh_token"] == "fixture-refresh"
            row = database.lookup("terok-p-" + "0" * 32)
            assert row is not None and row.container == "box"
            tables = {row[0] for row in database._connection.execute("SELECT name FROM sqlite_master")}
            assert {"ssh_keys", "ssh_key_assignments"} <= tables
