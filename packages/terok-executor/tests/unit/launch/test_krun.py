from __future__ import annotations

from pathlib import Path

import pytest
from terok_executor.errors import PrerequisiteError, RequestError
from terok_executor.launch.prepared import KrunHost, require_krun
from terok_sandbox import KrunRuntime, SandboxConfig


def test_a_guest_has_keys_of_its_own_that_stay(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path_factory.mktemp("r")
    monkeypatch.setenv("TEROK_ROOT", str(root))
    (root / "run").mkdir(mode=0o700)
    config = SandboxConfig()
    host, other = KrunHost("one", config), KrunHost("two", config)
    assert host.keypair.identity.read_bytes() == host.keypair.identity.read_bytes()
    assert host.keypair.identity.read_bytes() != other.keypair.identity.read_bytes()
    assert host.keypair.identity.stat().st_mode & 0o777 == 0o600
    assert isinstance(host.runtime(), KrunRuntime)
    assert all(volume.read_only for volume in host.volumes())
    assert host.keypair.identity not in [volume.host_path for volume in host.volumes()]


def test_microvms_are_an_experiment(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="experimental"):
        require_krun({})
    with pytest.raises(PrerequisiteError):
        require_krun({"TEROK_EXPERIMENTAL": "1"}, tmp_path / "kvm")
    (tmp_path / "kvm").touch()
    require_krun({"TEROK_EXPERIMENTAL": "1"}, tmp_path / "kvm")
