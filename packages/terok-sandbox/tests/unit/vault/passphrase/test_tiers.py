"""The two tiers that need a desktop or a newer systemd, against programs that answer as the real ones do."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from terok_sandbox.config import SandboxConfig
from terok_sandbox.vault.errors import VaultError
from terok_sandbox.vault.passphrase import tiers
from terok_sandbox.vault.passphrase.tiers import KeyringTier, SystemdCredsTier, best_tier

CREDS = """#!/bin/sh
[ "$1" = --version ] && { echo "systemd VERSION (test)"; exit 0; }
[ -e "$0.broken" ] && exit 1
case $1 in encrypt) printf 'sealed:'; cat;; decrypt) sed 's/^sealed://';; esac
"""
SECRET_TOOL = """#!/bin/sh
for last; do :; done
verb=$1
case $verb in
  store) cat > "$0.$last";;
  lookup) [ -e "$0.slow" ] && sleep 30; [ -e "$0.$last" ] && cat "$0.$last" || exit 1;;
  clear) rm -f "$0.$last";;
esac
"""


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TEROK_ROOT", str(tmp_path / "root"))
    directory = tmp_path / "bin"
    directory.mkdir()
    SandboxConfig().vault_dir.mkdir(parents=True)
    monkeypatch.setenv("PATH", f"{directory}:/usr/bin:/bin")
    return directory


def install(directory: Path, name: str, text: str) -> None:
    (directory / name).write_text(text)
    (directory / name).chmod(0o755)


def test_a_sealed_credential(programs: Path) -> None:
    cfg = SandboxConfig()
    tier = SystemdCredsTier(cfg)
    install(programs, "systemd-creds", CREDS.replace("VERSION", "252"))
    assert not tier.available()
    install(programs, "systemd-creds", CREDS.replace("VERSION", "257"))
    assert tier.available() and best_tier(cfg).name == "systemd-creds" and tier.read() is None
    tier.write("one")
    tier.write("two", coming=True)
    assert (tier.read(), tier.read(coming=True)) == ("one", "two")
    assert (cfg.vault_dir / "passphrase.cred").read_text() == "sealed:one"
    (programs / "systemd-creds.broken").touch()
    with pytest.raises(VaultError, match="cannot be opened on this machine"):
        tier.read()
    tier.clear()
    assert tier.read() is None


def test_a_keyring_that_answers_and_one_that_hangs(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tier = KeyringTier(SandboxConfig())
    install(programs, "secret-tool", SECRET_TOOL)
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS", raising=False)
    assert not tier.available()
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere")
    assert tier.available()
    tier.write("one")
    assert tier.read() == "one" and tier.read(coming=True) is None
    monkeypatch.setattr(tiers, "KEYRING_SECONDS", 0.3)
    (programs / "secret-tool.slow").touch()
    started = time.monotonic()
    assert tier.read() is None and time.monotonic() - started < 5
    with pytest.raises(VaultError, match="does not give back"):
        tier.write("two")
