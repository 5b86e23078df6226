from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from terok_sandbox.config import SandboxConfig
from terok_sandbox.vault.errors import VaultBusy, VaultError, VaultLocked, WrongPassphrase
from terok_sandbox.vault.passphrase import change
from terok_sandbox.vault.passphrase.record import read_record, record_path, update_record
from terok_sandbox.vault.passphrase.session import resolve
from terok_sandbox.vault.passphrase.tiers import FileTier
from terok_sandbox.vault.store import CredentialDB
from terok_sandbox.vault.unlock import drop_session, open_vault, provision_session


@pytest.fixture
def cfg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SandboxConfig:
    monkeypatch.setenv("TEROK_ROOT", str(tmp_path / "root"))
    cfg = SandboxConfig()
    provision_session(cfg)
    with open_vault(cfg) as database:
        database.store_credential("default", "p", {"key": "kept"})
    return cfg


def kept(cfg: SandboxConfig) -> bool:
    with open_vault(cfg) as database:
        return database.load_credential("default", "p") == {"key": "kept"}


def test_a_reboot_does_not_lose_the_vault(cfg: SandboxConfig) -> None:
    assert read_record(cfg).tier == "file" and drop_session(cfg)
    assert resolve(cfg).tier == "file" and kept(cfg)
    assert provision_session(cfg).exists()
    assert (cfg.vault_dir / "passphrase").stat().st_mode & 0o777 == 0o600


def test_the_old_passphrase_opens_nothing_after_a_change(cfg: SandboxConfig) -> None:
    old = resolve(cfg).passphrase
    update_record(cfg, acknowledged=True)
    new = change.change_passphrase(cfg)
    assert new != old and not read_record(cfg).acknowledged and kept(cfg)
    drop_session(cfg)
    assert resolve(cfg).passphrase == new and kept(cfg)
    with pytest.raises(WrongPassphrase):
        CredentialDB(cfg.db_path, old)
    assert not (cfg.vault_dir / "passphrase.coming").exists()
    change.change_passphrase(cfg, "chosen by a person")
    drop_session(cfg)
    assert kept(cfg)


@pytest.mark.parametrize("step", ["coming", "record", "rekey-before", "rekey-after", "current", "session"])
@pytest.mark.parametrize("reboot", [False, True])
def test_whatever_step_fails_the_vault_opens(
    cfg: SandboxConfig, monkeypatch: pytest.MonkeyPatch, step: str, reboot: bool
) -> None:
    class Crash(BaseException):
        pass

    def crash(*_: object, **__: object) -> None:
        raise Crash

    real_rekey, real_write = change.rekey, FileTier.write

    def rekey_then_crash(*arguments: str) -> None:
        real_rekey(*arguments)
        raise Crash

    def write(self: FileTier, passphrase: str, *, coming: bool = False) -> None:
        real_write(self, passphrase, coming=coming)
        if coming == (step == "coming"):
            raise Crash

    with monkeypatch.context() as patch:
        if step in ("coming", "current"):
            patch.setattr(FileTier, "write", write)
        elif step == "record":
            patch.setattr(change, "update_record", crash)
        elif step == "session":
            patch.setattr("terok_sandbox.vault.passphrase.change.write_session", crash)
        else:
            patch.setattr(change, "rekey", crash if step == "rekey-before" else rekey_then_crash)
        with pytest.raises(Crash):
            change.change_passphrase(cfg)
    if reboot:
        drop_session(cfg)
    assert kept(cfg)
    assert not read_record(cfg).rekeying
    drop_session(cfg)
    assert kept(cfg)
    change.change_passphrase(cfg)
    assert kept(cfg)


def test_killing_the_change_at_any_time(cfg: SandboxConfig) -> None:
    program = (
        "from terok_sandbox.config import SandboxConfig as C\nfrom terok_sandbox.vault.passphrase.change import *\n"
    )
    program += "import sys\nprint('go', flush=True)\nwhile True: change_passphrase(C())\n"
    for delay in (0.003, 0.011, 0.02, 0.045, 0.07):
        child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
        assert child.stdout is not None and child.stdout.readline() == b"go\n"
        time.sleep(delay)
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        child.stdout.close()
        drop_session(cfg)
        assert kept(cfg)


def test_a_vault_in_use_is_not_changed(cfg: SandboxConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("terok_sandbox.vault.connection.BUSY_SECONDS", 0.2)
    before = resolve(cfg).passphrase
    with open_vault(cfg) as database:
        database.list_tokens()
        with pytest.raises(VaultBusy):
            change.change_passphrase(cfg)
        assert database.load_credential("default", "p") == {"key": "kept"}
    assert resolve(cfg).passphrase == before and kept(cfg) and not read_record(cfg).rekeying
    with pytest.raises(VaultError, match="passphrase_command"):
        change.change_passphrase(replace(cfg, credentials_passphrase_command=("true",)))


def test_moving_between_tiers(cfg: SandboxConfig) -> None:
    with pytest.raises(VaultError, match="nobody has it yet"):
        change.move_to(cfg, "none")
    for missing in ("systemd-creds", "keyring"):
        with pytest.raises(VaultError, match="does not offer"):
            change.move_to(cfg, missing)
    update_record(cfg, acknowledged=True)
    assert change.move_to(cfg, "none") == "file" and not (cfg.vault_dir / "passphrase").exists() and kept(cfg)
    assert change.move_to(cfg, "file") == "none" and drop_session(cfg) and kept(cfg)


def test_a_damaged_record_is_an_error(cfg: SandboxConfig) -> None:
    drop_session(cfg)
    for text in ("", "[]", '{"tier":"other"}', '{"tier":"file","locked":1}', '{"x":1}'):
        record_path(cfg).write_text(text)
        with pytest.raises(VaultError, match="damaged"):
            resolve(cfg)


def test_ending_an_interrupted_change_does_not_unlock_a_locked_vault(
    cfg: SandboxConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(change, "_make_current", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            change.change_passphrase(cfg)
    update_record(cfg, locked=True)
    drop_session(cfg)
    with pytest.raises(VaultLocked):
        kept(cfg)
    assert not cfg.vault_session_file.exists()
    update_record(cfg, locked=False)
    assert kept(cfg) and not read_record(cfg).rekeying


def test_a_random_passphrase_that_nothing_would_keep_is_not_taken(cfg: SandboxConfig) -> None:
    update_record(cfg, acknowledged=True)
    change.move_to(cfg, "none")
    with pytest.raises(VaultError, match="a reboot would lose"):
        change.change_passphrase(cfg)
    change.change_passphrase(cfg, "chosen by a person")
    assert kept(cfg) and not list(cfg.vault_dir.glob("passphrase.com*"))
