from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from terok_sandbox.errors import SupervisorError
from terok_sandbox.supervise import client

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Lab


def test_a_fork_server_gets_no_secret_and_no_loader_settings() -> None:
    environment = {
        "HOME": "/h",
        "PATH": "/bin",
        "TEROK_ROOT": "/r",
        "TEROK_VAULT_PASSPHRASE": "hush",
        "TEROK_API_TOKEN": "hush",
        "ANTHROPIC_API_KEY": "hush",
        "LD_PRELOAD": "/evil.so",
        "PYTHONPATH": "/evil",
        "SSL_CERT_FILE": "/ca.pem",
    }
    kept = {"HOME": "/h", "PATH": "/bin", "TEROK_ROOT": "/r", "SSL_CERT_FILE": "/ca.pem"}
    assert client.forkserver_environment(environment) == kept


def test_nobody_there_is_said_so(lab: Lab) -> None:
    with pytest.raises(client.NotRunningError):
        client.status(lab.cfg, "box")
    assert client.stop_supervisor(lab.cfg, "box") is False
    assert client.stop_forkserver(lab.cfg) is False


def test_a_fork_server_that_cannot_start_says_why(lab: Lab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho first; echo 'no module named nonsense' >&2; exit 1\n")
    broken.chmod(0o700)
    monkeypatch.setattr("sys.executable", str(broken))
    monkeypatch.setattr(client, "START_TIMEOUT", 0.3)
    with pytest.raises(SupervisorError, match="no module named nonsense"):
        client.ensure_forkserver(lab.cfg)


def test_the_real_fork_server_starts_once_and_is_found_again(lab: Lab) -> None:
    client.ensure_forkserver(lab.cfg)
    first = client.forkserver_status(lab.cfg)["pid"]
    client.ensure_forkserver(lab.cfg)
    client.supervise(lab.cfg, lab.wire())
    assert client.forkserver_status(lab.cfg)["pid"] == first
    assert client.stop_forkserver(lab.cfg)
