from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from sqlcipher3 import dbapi2
from terok_sandbox.vault import connection
from terok_sandbox.vault import store as schema
from terok_sandbox.vault.connection import generate_passphrase
from terok_sandbox.vault.errors import (
    BadCredential,
    CorruptDatabase,
    NewerSchema,
    PlaintextDatabase,
    VaultBusy,
    VaultError,
    VaultMissing,
    WrongPassphrase,
)
from terok_sandbox.vault.store import CredentialDB
from terok_sandbox.vault.tokens import TokenShape

PASSPHRASE = generate_passphrase()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "credentials.db"


@pytest.fixture
def db(path: Path):
    with CredentialDB(path, PASSPHRASE, create=True) as database:
        yield database


def test_credentials_are_kept_by_set_and_provider(db: CredentialDB) -> None:
    db.store_credential("default", "anthropic", {"type": "api_key", "key": "first"})
    db.store_credential("work", "anthropic", {"type": "oauth", "access_token": "other"})
    db.store_credential("default", "anthropic", {"type": "api_key", "key": "second"})
    assert db.load_credential("default", "anthropic") == {"type": "api_key", "key": "second"}
    assert db.load_credential("default", "openai") is None
    assert [(row.credential_set, row.kind) for row in db.list_credentials()] == [
        ("default", "api_key"),
        ("work", "oauth"),
    ]
    assert [row.credential_set for row in db.list_credentials("work")] == ["work"]
    assert db.delete_credential("work", "anthropic") and not db.delete_credential("work", "anthropic")


def test_the_billing_of_a_credential(db: CredentialDB) -> None:
    db.store_credential("default", "anthropic", {"type": "api_key", "key": "k"})
    db.store_credential("work", "anthropic", {"type": "oauth", "access_token": "t"})
    assert [row.billing for row in db.list_credentials()] == ["metered", "plan"], "until somebody says otherwise"
    assert [db.billing(name, "anthropic") for name in ("default", "work", "none")] == ["metered", "plan", "metered"]
    assert db.set_billing("default", "anthropic", "plan") and not db.set_billing("none", "anthropic", "plan")
    db.store_credential("default", "anthropic", {"type": "api_key", "key": "another"})
    assert db.billing("default", "anthropic") == "plan", "a key that is renewed is still paid for in the same way"
    assert db.set_billing("work", "anthropic", "metered") and db.billing("work", "anthropic") == "metered"


def test_tokens_are_bound_stored_hashed_and_revoked_by_container(db: CredentialDB, path: Path) -> None:
    shape = TokenShape("sk-ant-api03-", 95, "base64url")
    token = db.create_token("one", "anthropic", "default", shape=shape)
    other = db.create_token("two", "anthropic", "default")
    row = db.lookup(token)
    assert row and (row.container, row.provider, row.credential_set) == ("one", "anthropic", "default")
    assert db.lookup(token[:-1]) is None
    assert db.revoke_tokens("one") == 1
    assert db.lookup(token) is None and db.lookup(other)
    assert [row.container for row in db.list_tokens()] == ["two"]


@pytest.mark.attack(id="TOK-3")
def test_neither_key_nor_token_is_readable_in_the_files(db: CredentialDB, path: Path) -> None:
    db.store_credential("default", "anthropic", {"key": "sk-the-real-key-0123456789"})
    token = db.create_token("one", "anthropic")
    blob = b"".join(file.read_bytes() for file in path.parent.iterdir())
    assert b"sk-the-real-key" not in blob and token.encode() not in blob and b"anthropic" not in blob
    rows = repr(db.rows("SELECT * FROM phantom_tokens"))
    assert token not in rows and token.removeprefix("terok-p-") not in rows, (
        "even the decrypted database must not give tokens away"
    )
    assert {file.stat().st_mode & 0o077 for file in path.parent.iterdir()} == {0}


def test_a_transaction_is_all_or_nothing(db: CredentialDB) -> None:
    with pytest.raises(RuntimeError), db.transaction():
        db.store_credential("default", "one", {"key": "k"})
        db.create_token("box", "one")
        raise RuntimeError
    assert not db.list_credentials() and not db.list_tokens()
    with db.transaction():
        db.store_credential("default", "one", {"key": "k"})
    assert len(db.list_credentials()) == 1


@pytest.mark.parametrize("passphrase", ["wrong", "tvk-" + "5a" * 32, "", "nul\0byte"])
def test_a_wrong_passphrase_is_told_from_damage(db: CredentialDB, path: Path, passphrase: str) -> None:
    db.close()
    with pytest.raises(WrongPassphrase):
        CredentialDB(path, passphrase)


def test_passphrases_people_choose_work(path: Path) -> None:
    for number, passphrase in enumerate(('it\'s "quoted"', "пароль", "x'00'")):
        file = path.with_name(f"{number}.db")
        CredentialDB(file, passphrase, create=True).close()
        CredentialDB(file, passphrase).close()


def test_files_that_are_no_vault_are_refused(db: CredentialDB, path: Path, tmp_path: Path) -> None:
    db.close()
    plain = tmp_path / "plain.db"
    with dbapi2.connect(str(plain)) as connection_:
        connection_.execute("CREATE TABLE t (x)")
    connection_.close()
    plain.chmod(0o600)
    with pytest.raises(PlaintextDatabase):
        CredentialDB(plain, PASSPHRASE)
    with pytest.raises(VaultMissing):
        CredentialDB(tmp_path / "none.db", PASSPHRASE)
    truncated = tmp_path / "truncated.db"
    truncated.write_bytes(path.read_bytes()[:5000])
    truncated.chmod(0o600)
    with pytest.raises(CorruptDatabase):
        CredentialDB(truncated, PASSPHRASE)
    link = tmp_path / "link.db"
    link.symlink_to(path)
    with pytest.raises(VaultError, match="cannot be opened"):
        CredentialDB(link, PASSPHRASE)
    path.chmod(0o640)
    with pytest.raises(VaultError, match="other users"):
        CredentialDB(path, PASSPHRASE)


def test_damage_past_the_first_page_is_reported_as_damage(db: CredentialDB, path: Path) -> None:
    for number in range(200):
        db.store_credential("default", f"p{number}", {"key": "k" * 500})
    db.close()
    size = path.stat().st_size
    with path.open("r+b") as file:
        for offset in range(4096, size, 4096):
            file.seek(offset + 100)
            file.write(os.urandom(64))
    with pytest.raises(CorruptDatabase), CredentialDB(path, PASSPHRASE) as database:
        database.list_credentials()


def test_a_full_disk_loses_nothing_that_was_stored(db: CredentialDB, path: Path) -> None:
    db.store_credential("default", "kept", {"key": "k" * 100})
    pages = path.stat().st_size // 4096 + 4
    db._connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(VaultError, match="no space left") as failure:
        db.store_credential("default", "large", {"key": "x" * 60_000})
    assert failure.value.hint
    assert db.load_credential("default", "kept") == {"key": "k" * 100}
    assert db.load_credential("default", "large") is None


def test_a_newer_schema_is_refused_and_left_alone(db: CredentialDB, path: Path) -> None:
    db._connection.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(NewerSchema):
        CredentialDB(path, PASSPHRASE)


def test_a_failing_migration_leaves_the_old_version(
    db: CredentialDB, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    db.close()
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, ("CREATE TABLE half (x)", "this is no SQL")))
    monkeypatch.setattr(schema, "SCHEMA_VERSION", schema.SCHEMA_VERSION + 1)
    with pytest.raises(VaultError):
        CredentialDB(path, PASSPHRASE)
    monkeypatch.undo()
    with CredentialDB(path, PASSPHRASE) as database:
        assert database.rows("SELECT name FROM sqlite_master WHERE name = 'half'") == []


def test_waiting_for_another_writer_is_bounded(db: CredentialDB, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "BUSY_SECONDS", 0.1)
    with CredentialDB(path, PASSPHRASE) as impatient, db.transaction(), pytest.raises(VaultBusy):
        impatient.create_token("box", "anthropic")


def test_concurrent_writers_lose_nothing(db: CredentialDB, path: Path) -> None:
    def work(number: int) -> None:
        with CredentialDB(path, PASSPHRASE) as mine:
            for _ in range(10):
                mine.create_token(f"box{number}", "anthropic")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(db.list_tokens()) == 40


@pytest.mark.parametrize("name", ["", "UPPER", "a b", "../x", "a" * 64, "x\n"])
def test_odd_names_are_refused(db: CredentialDB, name: str) -> None:
    with pytest.raises(BadCredential):
        db.create_token(name, "anthropic")
    with pytest.raises(BadCredential):
        db.store_credential("default", name, {"key": "k"})
