from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terok_sandbox.config import SandboxConfig
from terok_sandbox.errors import EngineError
from terok_sandbox.runtime import probe
from terok_sandbox.runtime.probe import host_facts, parse_version, read_info
from terok_sandbox.values.host import choose_network

INFO: dict[str, Any] = {
    "host": {
        "cgroupControllers": ["memory"],
        "ociRuntime": {"name": "runc"},
        "security": {"rootless": True},
        "slirp4netns": {"executable": "/usr/bin/slirp4netns"},
    },
    "version": {"Version": "4.3.1"},
}


@pytest.mark.parametrize(
    ("version", "rootless", "slirp", "pasta", "network"),
    [
        ((4, 3, 1), True, True, True, "slirp4netns"),
        ((5, 4, 2), True, True, True, "pasta"),
        ((5, 4, 2), True, True, False, "slirp4netns"),
        ((4, 9, 0), True, False, True, None),
        ((5, 4, 2), False, True, True, "slirp4netns"),
        ((5, 4, 2), False, False, True, None),
    ],
)
def test_network(version: tuple[int, int, int], rootless: bool, slirp: bool, pasta: bool, network: str | None) -> None:
    assert choose_network(version, rootless=rootless, slirp=slirp, pasta=pasta) == network


def test_podman_is_asked_once(tmp_path: Path, fake_podman: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    conf = tmp_path / "containers.conf"
    monkeypatch.setenv("CONTAINERS_CONF", str(conf))
    base = tmp_path / "terok"
    config = SandboxConfig(state_dir=base, runtime_dir=base, config_dir=base, vault_dir=base)
    fake = fake_podman(info={"out": json.dumps(INFO)})
    first = host_facts(config)
    assert (first.version, first.controllers, first.network) == ((4, 3, 1), frozenset({"memory"}), "slirp4netns")
    assert host_facts(config) == first
    assert len(fake.asked) == 1
    conf.write_text("[engine]\n")
    host_facts(config)
    assert len(fake.asked) == 2
    group = tmp_path / f"user.slice/user-{os.geteuid()}.slice/user@{os.geteuid()}.service"
    group.mkdir(parents=True)
    (group / "cgroup.controllers").write_text("memory pids\n")
    monkeypatch.setattr(probe, "_CGROUPS", tmp_path)
    for _ in range(2):
        host_facts(config)
        assert len(fake.asked) == 3, "a new login may have more controllers"
    config.host_facts_path.write_text('{"key": 1}')
    assert host_facts(config) == first
    assert len(fake.asked) == 4


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["host", "version", "x"]), inner),
    max_leaves=5,
)


@given(st.sampled_from(["cgroupControllers", "ociRuntime", "security", "slirp4netns", "pasta"]), JSON)
def test_any_answer_is_read_or_refused(key: str, value: Any) -> None:
    document = {"host": INFO["host"] | {key: value}, "version": INFO["version"]}
    try:
        facts = read_info(json.dumps(document).encode(), "/usr/bin/podman", init=False)
    except EngineError:
        return
    assert facts.version == (4, 3, 1)


@given(st.binary(max_size=20) | JSON.map(lambda value: json.dumps(value).encode()))
def test_garbage_is_refused(data: bytes) -> None:
    with pytest.raises(EngineError):
        read_info(data, "/usr/bin/podman", init=False)


def test_versions() -> None:
    assert parse_version("5.0.0-rc1") == (5, 0, 0)
    assert parse_version("4.3") == (4, 3, 0)
    with pytest.raises(ValueError, match="invalid version"):
        parse_version("v5")


def test_where_podman_keeps_things_is_known() -> None:
    options = {
        "overlay.imagestore": "/srv/a,/srv/b",
        "overlay.additionalImageStores": ["/srv/c"],
        "overlay.mountopt": "x",
    }
    store = {"graphRoot": "/g", "runRoot": "/r", "graphOptions": options}
    host = {**INFO["host"], "memTotal": 2**33}
    facts = read_info(json.dumps({**INFO, "host": host, "store": store}).encode(), "/usr/bin/podman", init=True)
    assert (facts.store, facts.image_stores, facts.memory) == (("/g", "/r"), ("/srv/a", "/srv/b", "/srv/c"), 2**33)
