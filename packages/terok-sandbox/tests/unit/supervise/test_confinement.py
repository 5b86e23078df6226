from __future__ import annotations

import os
from pathlib import Path

import pytest
from terok_sandbox.sidecar import GateWiring, PolicyTiers, ShieldWiring, Sidecar, VaultWiring
from terok_sandbox.supervise import worker
from terok_sandbox.supervise.worker import confinement_of


def wired(base: Path) -> Sidecar:
    state = base / "state/containers/box"
    vault = base / "vault"
    return Sidecar(
        schema=1,
        version="1",
        container_name="box",
        scope="lab",
        runtime_dir=base / "run/box",
        state_dir=state,
        vault=VaultWiring(vault / "credentials.db", vault / "routes.json", state / "audit", base / "session/file"),
        gate=GateWiring(base / "gate/lab.git", "lab", "0" * 64),
        shield=ShieldWiring("filter", state / "gateway/audit", PolicyTiers()),
    )


def covers(paths: tuple[Path, ...], wanted: Path) -> bool:
    return any(wanted.is_relative_to(path) for path in paths)


def test_the_broker_reaches_the_vault_and_no_mirror(tmp_path: Path) -> None:
    allowed = confinement_of("broker", wired(tmp_path))
    assert allowed.execute == ()
    assert set(allowed.write) == {tmp_path / "vault", tmp_path / "state/containers/box"}
    assert covers(allowed.read, tmp_path / "session/file")
    assert not covers(allowed.read + allowed.write, tmp_path / "gate/lab.git")
    assert allowed.connect is None


def test_the_gateway_reaches_its_mirror_and_no_vault(tmp_path: Path) -> None:
    allowed = confinement_of("gateway", wired(tmp_path))
    asking = {tmp_path / "run/box/clearance", tmp_path / "run/box/guest/clearance"}
    assert set(allowed.write) == {tmp_path / "gate/lab.git", tmp_path / "state/containers/box/gateway", *asking}
    everything = allowed.read + allowed.write + allowed.execute
    for secret in ("vault/credentials.db", "session/file", "gate/other.git", "state/containers/box/audit"):
        assert not covers(everything, tmp_path / secret)
    assert allowed.connect == (53,)
    assert covers(allowed.execute, tmp_path / "gate/lab.git/hooks/pre-receive")
    assert not covers(allowed.execute, tmp_path / "gate/lab.git/objects")


def test_home_is_in_no_lane(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("broker", "gateway"):
        allowed = confinement_of(name, wired(tmp_path))
        everything = allowed.read + allowed.write + allowed.execute + allowed.devices
        assert not covers(everything, Path("/root/.ssh/id"))
        assert not covers(everything, Path("/home/someone/.ssh/id"))
        assert Path("/") not in everything


def test_a_symlinked_file_brings_the_directory_it_lives_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "run/resolve").mkdir(parents=True)
    (tmp_path / "run/resolve/stub.conf").write_text("nameserver 127.0.0.53\n")
    (tmp_path / "resolv.conf").symlink_to("run/resolve/stub.conf")
    (tmp_path / "dangling").symlink_to("nowhere/file")
    assert worker.targets([str(tmp_path / "resolv.conf"), str(tmp_path / "dangling")]) == [tmp_path / "run/resolve"]
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "resolv.conf"))
    assert covers(confinement_of("broker", wired(tmp_path)).read, tmp_path / "run/resolve/stub.conf")


def test_the_interpreter_that_runs_this_stays_readable() -> None:
    assert covers(tuple(worker.interpreter()), Path(os.path.realpath(os.__file__)))
    assert covers(tuple(worker.interpreter()), Path(os.path.realpath(worker.__file__)))
