from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from terok_sandbox.config import SandboxConfig
from terok_sandbox.vault.connection import generate_passphrase
from terok_sandbox.vault.errors import CorruptDatabase, VaultError, VaultLocked, VaultMissing, WrongPassphrase
from terok_sandbox.vault.passphrase.tiers import FileTier
from terok_sandbox.vault.status import VaultStatus
from terok_sandbox.vault.unlock import (
    drop_session,
    open_vault,
    provision_session,
    read_session,
    resolve,
    resolve_passphrase,
    write_session,
)


@pytest.fixture
def cfg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SandboxConfig:
    monkeypatch.setenv("TEROK_ROOT", str(tmp_path / "root"))
    return SandboxConfig()


def test_provisioning_creates_once_and_then_finds(cfg: SandboxConfig) -> None:
    with pytest.raises(VaultMissing):
        open_vault(cfg)
    session = provision_session(cfg)
    before = session.read_bytes()
    assert session == cfg.vault_session_file and session.stat().st_mode & 0o777 == 0o600
    with open_vault(cfg) as database:
        database.store_credential("default", "p", {"key": "k"})
    assert provision_session(cfg).read_bytes() == before
    with open_vault(cfg) as database:
        assert database.load_credential("default", "p") == {"key": "k"}


def test_a_new_vault_takes_the_passphrase_that_is_kept_and_writes_over_none(cfg: SandboxConfig) -> None:
    session = provision_session(cfg, tier="file")
    passphrase = session.read_text()
    with open_vault(cfg) as database:
        database.store_credential("default", "p", {"key": "k"})
    backup = cfg.db_path.rename(cfg.db_path.with_name("backup"))
    provision_session(cfg)
    assert session.read_text() == (cfg.vault_dir / "passphrase").read_text() == passphrase
    write_session(cfg, generate_passphrase())
    cfg.db_path.unlink()
    (cfg.vault_dir / "passphrase.json").unlink()
    provision_session(cfg)
    assert session.read_text() == (cfg.vault_dir / "passphrase").read_text() == passphrase, "the durable one counts"
    backup.rename(cfg.db_path)
    with open_vault(cfg) as database:
        assert database.load_credential("default", "p") == {"key": "k"}, "the vault that was put back opens"
    shutil.rmtree(cfg.vault_dir)
    provision_session(cfg, tier="file")
    assert session.read_text() == passphrase
    drop_session(cfg)
    open_vault(cfg).close()


def test_an_empty_database_is_damage_and_no_new_vault(cfg: SandboxConfig) -> None:
    session = provision_session(cfg, tier="file")
    passphrase = session.read_text()
    os.truncate(cfg.db_path, 0)
    for attempt in (provision_session, open_vault):
        with pytest.raises(CorruptDatabase) as caught:
            attempt(cfg)
        assert "backup" in (caught.value.hint or "")
    assert cfg.db_path.stat().st_size == 0 and VaultStatus.load(cfg).state == "error"
    assert (cfg.vault_dir / "passphrase").read_text() == session.read_text() == passphrase


def test_a_vault_whose_making_was_interrupted_is_made_anew(cfg: SandboxConfig) -> None:
    cfg.vault_dir.mkdir(parents=True, mode=0o700)
    cfg.db_path.with_name(cfg.db_path.name + ".new").touch(0o600)
    provision_session(cfg)
    open_vault(cfg).close()
    assert not list(cfg.vault_dir.glob("*.new*"))


def test_no_hint_about_a_file_of_the_passphrase_says_to_remove_it(cfg: SandboxConfig) -> None:
    provision_session(cfg, tier="file")
    drop_session(cfg)
    kept = cfg.vault_dir / "passphrase"
    kept.chmod(0o644)
    with pytest.raises(VaultError) as caught:
        open_vault(cfg)
    assert f"chmod 600 {kept}" in (caught.value.hint or "") and "remove" not in (caught.value.hint or "")
    kept.chmod(0o600)
    open_vault(cfg).close()
    real = kept.rename(kept.with_name("elsewhere"))
    kept.symlink_to(real)
    with pytest.raises(VaultError) as caught:
        open_vault(cfg)
    assert "safe place" in (caught.value.hint or "") and "remove" not in (caught.value.hint or "")


@pytest.mark.parametrize("touch", ["passphrase", "key", "nothing"])
def test_a_process_that_has_secrets_leaves_no_core(cfg: SandboxConfig, touch: str) -> None:
    provision_session(cfg, tier="file")
    program = (
        "import ctypes, sys\n"
        "from terok_sandbox.config import SandboxConfig\nfrom terok_sandbox.vault import unlock\n"
        "if sys.argv[1] == 'passphrase': unlock.open_vault(SandboxConfig()).close()\n"
        "if sys.argv[1] == 'key': unlock.read_secret('', 'key')\n"
        "print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))\n"
    )
    done = subprocess.run([sys.executable, "-c", program, touch], input="sk-1234567890", text=True, capture_output=True,
                          check=True)  # fmt: skip
    assert done.stdout == ("1\n" if touch == "nothing" else "0\n"), "whether the process may be dumped"


def test_a_vault_without_passphrase_is_locked_not_replaced(cfg: SandboxConfig) -> None:
    provision_session(cfg, tier="none")
    assert drop_session(cfg) and not drop_session(cfg)
    for attempt in (provision_session, open_vault, resolve_passphrase):
        with pytest.raises(VaultLocked) as caught:
            attempt(cfg)
        assert caught.value.exit_code == 2 and "vault unlock" in (caught.value.hint or "")
    write_session(cfg, "wrong")
    with pytest.raises(WrongPassphrase):
        provision_session(cfg)


def test_a_wrong_session_file_is_named_and_passed_over(cfg: SandboxConfig, caplog: pytest.LogCaptureFixture) -> None:
    session = provision_session(cfg, tier="file")
    right = session.read_text()
    write_session(cfg, "wrong")
    open_vault(cfg).close()
    assert resolve(cfg).tier == "file" and "the session tier does not open the vault" in caplog.text
    status = VaultStatus.load(cfg)
    assert (status.state, status.tier) == ("unlocked", "file") and "wrong passphrase" in status.warnings[0]
    assert "wrong" in session.read_text(), "looking does not change what containers use"
    assert provision_session(cfg).read_text() == right and not VaultStatus.load(cfg).warnings[0].count("wrong")
    write_session(cfg, "wrong")
    FileTier(cfg).write("wrong as well")
    with pytest.raises(WrongPassphrase, match="session tier and of the file tier"):
        resolve(cfg)


def test_the_command_tier(cfg: SandboxConfig) -> None:
    with_command = replace(cfg, credentials_passphrase_command=("printf", "%s\n", "from the command"))
    provision_session(with_command)
    assert resolve(with_command).tier == "session" and read_session(cfg.vault_session_file) == "from the command"
    drop_session(cfg)
    assert resolve(with_command).passphrase == "from the command" and resolve(with_command).tier == "command"
    provision_session(with_command)
    open_vault(cfg).close()


@pytest.mark.parametrize(
    "command", [("false",), ("true",), ("/no/such/program",), ("printf", "a\nb"), ("printf", "\\377")]
)
def test_a_failing_command_fails_closed_and_repeats_nothing(cfg: SandboxConfig, command: tuple[str, ...]) -> None:
    with pytest.raises(VaultError) as caught:
        provision_session(replace(cfg, credentials_passphrase_command=command))
    assert caught.value.hint and not cfg.db_path.exists()


def test_a_session_file_must_be_trustworthy(tmp_path: Path) -> None:
    file = tmp_path / "session"
    assert read_session(file) is None
    file.write_text("secret\n")
    file.chmod(0o600)
    assert read_session(file) == "secret"
    link = tmp_path / "link"
    link.symlink_to(file)
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo, 0o600)
    for distrusted in (link, fifo, tmp_path):
        with pytest.raises(VaultError, match="not trusted"):
            read_session(distrusted)
    file.chmod(0o640)
    with pytest.raises(VaultError, match="other users"):
        read_session(file)
    file.chmod(0o600)
    for content in ("", "\n", "a\nb", "x" * 5000):
        file.write_text(content)
        with pytest.raises(VaultError):
            read_session(file)


def test_the_status_opens_the_vault_once(cfg: SandboxConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person's own passphrase is stretched at every opening, which takes a quarter of a second."""
    from terok_sandbox.vault import connection, store

    write_session(cfg, "a person's own passphrase")
    provision_session(cfg)
    opened: list[Path] = []
    real = connection.connect

    def counting(path: Path, passphrase: str, *, create: bool = False) -> object:
        opened.append(path)
        return real(path, passphrase, create=create)

    for module in (connection, store):
        monkeypatch.setattr(module, "connect", counting)
    assert VaultStatus.load(cfg).state == "unlocked"
    assert opened == [cfg.db_path]
