from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from terok_sandbox.config import SandboxConfig
from terok_sandbox.vault.errors import VaultError, VaultLocked, VaultMissing, WrongPassphrase
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


def test_a_session_file_of_a_vault_that_is_gone_does_not_keep_the_new_one_from_its_tier(cfg: SandboxConfig) -> None:
    session = provision_session(cfg, tier="file")
    left = session.read_text()
    shutil.rmtree(cfg.vault_dir)
    provision_session(cfg, tier="file")
    assert session.read_text() != left
    drop_session(cfg)
    open_vault(cfg).close()


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
