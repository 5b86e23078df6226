from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from terok_sandbox.vault.cli import SSH_VERBS as VERBS
from terok_util import CommandTree, run_cli


@pytest.fixture
def ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]):
    monkeypatch.setenv("TEROK_ROOT", str(tmp_path / "root"))

    def run(*arguments: str, code: int = 0) -> str:
        got = run_cli(CommandTree(VERBS), prog="test", distribution="terok-sandbox", argv=list(arguments))
        captured = capfd.readouterr()
        assert got == code, captured.err
        return captured.out if code == 0 else captured.err

    return run


def test_a_key_s_life(ssh, tmp_path: Path) -> None:
    line = ssh("add", "proj").strip()
    assert line.startswith("ssh-ed25519 ") and line.endswith(" proj-1") and ssh("pub", "proj").strip() == line
    target = Path(ssh("export", "proj", "--out-dir", str(tmp_path / "out")).strip())
    assert target.stat().st_mode & 0o777 == 0o600
    shown = subprocess.run(["ssh-keygen", "-y", "-f", str(target)], check=True, capture_output=True, text=True).stdout
    assert shown.split()[:2] == line.split()[:2]
    ssh("export", "proj", "--out-dir", str(tmp_path / "out"), code=1)
    ssh("import", "other", "--private-key", str(target), "-c", "ignored: it is there already")
    (first, second) = json.loads(ssh("list", "--json"))["keys"]
    assert first["fingerprint"] == second["fingerprint"] and {first["scope"], second["scope"]} == {"proj", "other"}
    ssh("add", "proj", "--key-type", "ed25519", "-c", "second")
    number = json.loads(ssh("list", "--scope", "proj", "--json"))["keys"][1]["id"]
    ssh("default", "proj", str(number))
    assert ssh("pub", "proj").strip().endswith("second")
    ssh("link", "third", "--key-id", str(number))
    ssh("rename", first["fingerprint"], "another name")
    assert "another name" in ssh("list") and "(default)" in ssh("list")
    assert "no longer use 1 key" in ssh("remove", "--scope", "other")
    ssh("remove", "--fingerprint", first["fingerprint"], code=2)
    ssh("remove", "--fingerprint", first["fingerprint"], "--yes")
    assert first["fingerprint"] not in ssh("list")


def test_mistakes(ssh, tmp_path: Path) -> None:
    for words in (("pub", "none"), ("rename", "SHA256:x", "c"), ("export", "none", "--out-dir", "/tmp")):
        assert "no vault" in ssh(*words, code=1)
    ssh("add", "proj")
    assert "invalid scope" in ssh("add", "a/b", code=1)
    assert "cannot be read" in ssh("import", "proj", "--private-key", str(tmp_path / "none"), code=1)
    assert "comment" in ssh("add", "proj", "-c", "a\nb", code=1)
    assert "name a scope" in ssh("remove", code=2)
    assert "hint: `terok-sandbox ssh list`" in ssh("pub", "none", code=1)
