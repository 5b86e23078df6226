from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terok_sandbox.errors import SidecarError
from terok_sandbox.sidecar import GateWiring, PolicyTiers, ShieldWiring, Sidecar, VaultWiring

FULL = Sidecar(
    schema=1,
    version="0.1.0",
    container_name="box",
    scope="proj",
    runtime_dir=Path("/r/run/box"),
    state_dir=Path("/s/containers/box"),
    vault=VaultWiring(Path("/v/db"), Path("/v/routes.json"), Path("/s/audit"), Path("/r/session")),
    gate=GateWiring.for_token(Path("/s/gate/proj.git"), "proj", "token"),
    shield=ShieldWiring("filter", Path("/s/shield"), PolicyTiers(project_allow=("+ host:443",))),
)


def test_round_trip(tmp_path: Path) -> None:
    online = GateWiring.for_token(Path("/s/gate/proj.git"), "proj", "token", "https://forge.example.org/a/b")
    for sidecar in (FULL, replace(FULL, vault=None, gate=None), replace(FULL, gate=online)):
        path = tmp_path / "box.json"
        sidecar.save(path)
        assert path.stat().st_mode & 0o777 == 0o600
        assert Sidecar.load(path) == sidecar
        assert "token" not in path.read_text().replace("token_sha256", "")


def test_untrusted_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "box.json"
    with pytest.raises(SidecarError, match="no such sidecar"):
        Sidecar.load(path)
    FULL.save(path)
    for mode in (0o640, 0o602, 0o644):
        path.chmod(mode)
        with pytest.raises(SidecarError, match="lets other users in"):
            Sidecar.load(path)
    path.chmod(0o600)
    other = tmp_path / "other.json"
    path.rename(other)
    with pytest.raises(SidecarError, match="sidecar of 'box'"):
        Sidecar.load(other)
    path.symlink_to(other)
    with pytest.raises(SidecarError, match="symbolic link"):
        Sidecar.load(path)
    path.unlink()
    os.mkfifo(path, 0o600)
    with pytest.raises(SidecarError, match="not a regular file"):
        Sidecar.load(path)


def test_a_foreign_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "box.json"
    FULL.save(path)
    owner = os.geteuid()
    monkeypatch.setattr("os.geteuid", lambda: owner + 1)
    with pytest.raises(SidecarError, match=f"belongs to user {owner}"):
        Sidecar.load(path)


def test_schemas() -> None:
    document = json.loads(FULL.to_json())
    with pytest.raises(SidecarError, match="schema 2") as newer:
        Sidecar.from_json(json.dumps(document | {"schema": 2}))
    assert newer.value.hint and "newer" in newer.value.hint
    for schema in (0, True, "1", None, 1.0):
        with pytest.raises(SidecarError):
            Sidecar.from_json(json.dumps(document | {"schema": schema}))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
PLACES: list[tuple[str, ...]] = [
    *((key,) for key in ("version", "container_name", "scope", "runtime_dir", "vault", "gate", "shield", "extra")),
    *(("vault", "db_path"), ("vault", "passphrase_file"), ("gate", "mirror"), ("gate", "name"), ("gate", "x")),
    ("gate", "upstream"),
    *(("shield", "tiers"), ("shield", "enforcement"), ("shield", "tiers", "override")),
]


@given(st.sampled_from(PLACES), JSON | st.sampled_from(["relative", "/a/../b", "nul\0"]))
def test_any_other_document_is_refused_or_read_whole(place: tuple[str, ...], value: Any) -> None:
    document: Any = json.loads(FULL.to_json())
    node = document
    for key in place[:-1]:
        node = node[key]
    node[place[-1]] = value
    try:
        sidecar = Sidecar.from_json(json.dumps(document))
    except SidecarError:
        return
    assert json.loads(sidecar.to_json()) == document


@given(st.binary(max_size=60))
def test_bytes(data: bytes) -> None:
    with pytest.raises(SidecarError):
        Sidecar.from_json(data)
