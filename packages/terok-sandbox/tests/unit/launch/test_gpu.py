from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terok_sandbox.errors import GpuConfigError
from terok_sandbox.launch.gpu import (
    GPU_VENDORS,
    cdi_grants,
    gpu_args,
    granted,
    installed_cdi_devices,
    normalize_gpus,
    read_description,
)

NVIDIA = ("nvidia.com/gpu=0", "nvidia.com/gpu=1", "nvidia.com/gpu=all")


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("all", [("all", "all")]),
        ("nvidia,all", [("all", "all")]),
        ("nvidia", [("nvidia", "all")]),
        ("amd:1, nvidia:0,amd:0", [("nvidia", "0"), ("amd", "0"), ("amd", "1")]),
        ("intel:0,intel", [("intel", "all")]),
        ("nvidia:GPU-1a2b", [("nvidia", "GPU-1a2b")]),
    ],
)
def test_selectors(text: str, kinds: list[tuple[str, str]]) -> None:
    assert [tuple(selector) for selector in normalize_gpus(text)] == kinds


@given(st.text(max_size=40) | st.lists(st.sampled_from(["all", "nvidia", "amd:0", "x", ":", ""])).map(",".join))
def test_any_text_is_understood_or_refused(text: str) -> None:
    try:
        selectors = normalize_gpus(text)
    except GpuConfigError as error:
        assert error.exit_code == 2
        return
    assert selectors
    assert {selector.vendor for selector in selectors} <= {*GPU_VENDORS, "all"}
    assert normalize_gpus(",".join(f"{s.vendor}:{s.device}" if s.device != "all" else s.vendor for s in selectors))


def test_devices_of_the_host_only() -> None:
    assert gpu_args(None, NVIDIA, runtime="crun") == []
    assert gpu_args("all", NVIDIA, runtime="crun") == ["--device", "nvidia.com/gpu=all"]
    assert gpu_args("nvidia:1", NVIDIA, runtime="crun") == ["--device", "nvidia.com/gpu=1"]
    both = ["--device", "amd.com/gpu=0", "--device", "amd.com/gpu=1"]
    assert gpu_args("amd", [*NVIDIA, "amd.com/gpu=1", "amd.com/gpu=0"], runtime="runc") == both
    assert gpu_args("amd", ["amd.com/gpu=1", "amd.com/gpu=0"], runtime="crun") == [*both, "--group-add", "keep-groups"]


@pytest.mark.parametrize(
    ("wanted", "devices", "hint"),
    [
        ("all", (), "nvidia-ctk"),
        ("all", ("vendor.example/nic=0",), "nvidia-ctk"),
        ("amd", NVIDIA, "amd-ctk"),
        ("nvidia:7", NVIDIA, "0, 1, all"),
    ],
)
def test_what_the_host_lacks_is_refused_with_the_way_to_get_it(
    wanted: str, devices: tuple[str, ...], hint: str
) -> None:
    with pytest.raises(GpuConfigError) as refused:
        gpu_args(wanted, devices, runtime="crun")
    assert hint in (refused.value.hint or "")


def test_descriptions_are_read_from_their_directories(tmp_path: Path) -> None:
    assert installed_cdi_devices([tmp_path / "missing"]) == frozenset()
    amd = {"kind": "amd.com/gpu", "devices": [{"name": "0"}, {"name": "--privileged"}, {}, 7]}
    (tmp_path / "amd.json").write_text(json.dumps(amd, indent="\t"))
    (tmp_path / "nvidia.yaml").write_text("cdiVersion: 0.5.0\nkind: nvidia.com/gpu\ndevices:\n- name: '0'\n")
    assert installed_cdi_devices([tmp_path]) == {"amd.com/gpu=0", "nvidia.com/gpu=0"}
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(GpuConfigError, match=r"broken\.json"):
        installed_cdi_devices([tmp_path])


@given(st.recursive(st.none() | st.text() | st.integers(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)))
def test_any_document_is_read(document: object) -> None:
    assert read_description(document) == set()


def test_what_descriptions_grant_is_known(tmp_path: Path) -> None:
    edits = {
        "deviceNodes": [{"path": "/dev/nvidia0", "hostPath": "/dev/dxg"}, "x"],
        "mounts": [{"hostPath": "/usr/lib/a.so", "containerPath": "/usr/lib/b.so"}],
        "env": ["NVIDIA_VISIBLE_DEVICES=void"],
    }
    description = {"kind": "nvidia.com/gpu", "containerEdits": {"env": ["A=1"]}, "devices": [{"containerEdits": edits}]}
    (tmp_path / "a.json").write_text(json.dumps(description))
    (tmp_path / "b.json").write_text(json.dumps({**description, "kind": "vendor.com/net"}))
    expected = {"/dev/nvidia0", "/dev/dxg", "/usr/lib/a.so", "/usr/lib/b.so", "NVIDIA_VISIBLE_DEVICES", "A"}
    assert set(cdi_grants([tmp_path])) == expected
    for damaged in (None, [], {"kind": "amd.com/gpu", "devices": ["x", None], "containerEdits": []}):
        assert granted(damaged) == set()
