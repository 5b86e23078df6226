from __future__ import annotations

import base64
import copy
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terok_sandbox.config import SandboxConfig
from terok_sandbox.errors import SupervisorError
from terok_sandbox.launch.comparison import (
    MAX_CONFIG,
    ImageSettings,
    MadeContainer,
    check_made,
    excesses,
    find_setting,
    image_of,
)
from terok_sandbox.values.launch import Planned, digest

pytestmark = pytest.mark.attack("CNF-1")
RECORDED = Path(__file__).parent / "made"
"""What two versions of Podman made of `terok-sandbox run`, and what had been planned; of an image with a variable and a
volume."""
NAMES = sorted(path.stem for path in RECORDED.glob("*.json"))
IMAGE = ImageSettings(frozenset({"APP_HOME=/srv"}), frozenset({"/data"}))


def recorded(name: str) -> tuple[MadeContainer, Planned]:
    document = json.loads((RECORDED / f"{name}.json").read_text())
    raw = document["planned"]
    planned = Planned(
        **{key: tuple(value) if isinstance(value, list) else value for key, value in raw.items()}
        | {"mounts": tuple(map(tuple, raw["mounts"]))}
    )
    config = document["config"]
    shared = next(mount["source"] for mount in config["mounts"] if mount["destination"] == "/dev/shm")
    userdata = Path(shared).parent
    return MadeContainer(config, userdata.parent.name, userdata.parents[2], IMAGE), planned


def found(made: MadeContainer, planned: Planned) -> list[str]:
    return [one.what for one in excesses(made, planned, SandboxConfig)]


@pytest.mark.parametrize("name", NAMES)
def test_what_podman_makes_passes(name: str) -> None:
    made, planned = recorded(name)
    assert found(made, planned) == []
    assert found(made, planned.borrowed()) == []
    assert found(replace(made, image=ImageSettings()), planned) != [], (
        "of an image that is not found nothing is allowed"
    )


TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
PLACE = st.builds("/{}".format, TEXT) | st.sampled_from(
    ["/run/terok", "/run/terok/x", "/dev/shm", "/dev/fuse", "/proc", "/sys", "/data", "/run/secrets", "/etc/passwd"]
)
MOUNT = st.fixed_dictionaries(
    {"source": PLACE, "destination": PLACE, "options": st.lists(st.sampled_from(["ro", "rw", "rbind"]), max_size=2)},
    optional={"type": st.sampled_from(["bind", "tmpfs", "proc", "sysfs", "overlay", "cgroup"])},
)


@given(st.sampled_from(NAMES), st.data())
def test_anything_more_is_refused(name: str, data: st.DataObject) -> None:
    made, planned = recorded(name)
    config: Any = copy.deepcopy(made.config)
    namespaces = config["linux"]["namespaces"]
    match data.draw(st.sampled_from(["mount", "device", "env", "join", "share", "capability", "exchange", "lose"])):
        case "mount":
            config["mounts"].insert(data.draw(st.integers(0, len(config["mounts"]))), data.draw(MOUNT))
        case "device":
            config["linux"]["devices"] = [{"path": data.draw(PLACE), "type": "c"}]
        case "env":
            setting = f"X{data.draw(TEXT)}={data.draw(TEXT)}"
            config["process"]["env"].append(setting)
        case "join":
            data.draw(st.sampled_from(namespaces))["path"] = "/proc/1/ns/x"
        case "share":
            namespaces.remove(data.draw(st.sampled_from(namespaces)))
        case "capability":
            capabilities = config["process"].setdefault("capabilities", {})
            capabilities.setdefault(data.draw(st.sampled_from(["bounding", "ambient"])), []).append("CAP_NET_ADMIN")
        case "exchange":
            mount = data.draw(st.sampled_from([one for one in config["mounts"] if one.get("type") == "bind"]))
            mount["source"] = "/srv/another"
        case "lose":
            wanted = {destination for _, destination, _ in planned.mounts}
            mounts = [one for one in config["mounts"] if one["destination"] in wanted]
            config["mounts"].remove(data.draw(st.sampled_from(mounts)))
    assert found(replace(made, config=config), planned) != []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("linux", "seccomp"), None),
        (("linux", "seccomp"), {"defaultAction": "SCMP_ACT_ALLOW"}),
        (("linux", "maskedPaths"), []),
        (("linux", "readonlyPaths"), None),
        (("process", "noNewPrivileges"), False),
        (("process", "user"), {"uid": 0, "gid": 0}),
    ],
)
def test_confinement_that_is_taken_away_is_refused(path: tuple[str, str], value: object) -> None:
    made, planned = recorded("podman-5.4-restricted")
    config: Any = copy.deepcopy(made.config)
    config[path[0]][path[1]] = value
    assert found(replace(made, config=config), planned) != []


@pytest.mark.parametrize("name", NAMES)
def test_read_only_stays_read_only(name: str) -> None:
    made, planned = recorded(name)
    for number, mount in enumerate(made.config["mounts"]):
        if any(mount["destination"] == target and mode == "ro" for _, target, mode in planned.mounts):
            config: Any = copy.deepcopy(made.config)
            config["mounts"][number]["options"] = ["rw", "rbind"]
            assert found(replace(made, config=config), planned) != []


def test_a_caller_of_podman_mounts_what_a_launch_could(tmp_path: Path) -> None:
    made, planned = recorded("podman-4.3-airlock")
    place = tmp_path / "work"
    place.mkdir()
    for source, destination, passes in (
        (place, "/srv/x", True),
        ("/proc", "/srv/x", False),
        ("/dev/null", "/srv/x", False),
        (place, "/run/terok/x", False),
    ):
        config: Any = copy.deepcopy(made.config)
        mount = {"type": "bind", "source": str(source), "destination": destination, "options": ["rbind", "rw"]}
        config["mounts"].append(mount)
        config["process"]["env"].append("MINE=1")
        assert (found(replace(made, config=config), planned.borrowed()) == []) is passes, source


@given(
    st.binary(max_size=200) | st.recursive(st.none() | st.integers() | TEXT, st.lists).map(json.dumps).map(str.encode)
)
def test_what_is_no_configuration_is_refused(data: bytes) -> None:
    _, planned = recorded("podman-4.3-airlock")
    with pytest.raises(SupervisorError):
        check_made(data, planned, SandboxConfig, bundle=Path("/a/b/c/userdata"), container_id="x")


def test_a_configuration_is_read_to_a_limit() -> None:
    made, planned = recorded("podman-4.3-airlock")
    data = json.dumps(made.config).encode().ljust(MAX_CONFIG + 1)
    with pytest.raises(SupervisorError):
        check_made(data, planned, SandboxConfig, bundle=Path("/a/b/c/userdata"), container_id="x")


def test_the_image_is_found_in_the_storage(tmp_path: Path) -> None:
    containers, images, image = tmp_path / "overlay-containers", tmp_path / "overlay-images", "ab" * 32
    (images / image).mkdir(parents=True)
    containers.mkdir()
    key = base64.b64encode(f"sha256:{image}".encode()).decode()
    settings = {"config": {"Env": ["A=1"], "Volumes": {"/data": {}}}}
    (images / image / f"={key}").write_text(json.dumps(settings))
    bundle = containers / "c1/userdata"
    assert image_of(bundle, "c1") == ImageSettings()
    (containers / "volatile-containers.json").write_text(json.dumps([{"id": "c1", "image": image}]))
    assert image_of(bundle, "c1") == ImageSettings(frozenset({"A=1"}), frozenset({"/data"}))
    assert image_of(bundle, "c2") == ImageSettings()
    (tmp_path / "further").mkdir()
    images.rename(tmp_path / "further/overlay-images")
    assert image_of(bundle, "c1") == ImageSettings()
    assert image_of(bundle, "c1", [str(tmp_path / "further")]).volumes == {"/data"}


def test_the_file_that_asks_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    conf, receipt = tmp_path / "containers/containers.conf", tmp_path / "receipt"
    (tmp_path / "containers/containers.conf.d").mkdir(parents=True)
    later = tmp_path / "containers/containers.conf.d/9.conf"
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("CONTAINERS_CONF", raising=False)
    conf.write_text('[containers]\nenv = ["A=1"]\ncgroupns = "host"\n')
    later.write_text('[containers]\nenv = ["B=1"]\n')
    assert find_setting(("env",), "A", receipt) == (conf, "env")
    assert find_setting(("env",), "B", receipt) == (later, "env")
    assert find_setting(("cgroupns",), "", receipt) == (conf, "cgroupns")
    assert find_setting(("volumes", "devices"), "", receipt) is None
    later.write_text("[containers\n")
    assert find_setting(("env",), "B", receipt) is None


def test_a_plan_names_no_value() -> None:
    _, planned = recorded("podman-4.3-airlock")
    assert digest("FOO=bar") in (planned.env or ())
    assert "bar" not in str(planned.env)
