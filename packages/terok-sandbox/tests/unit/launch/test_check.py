from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from terok_sandbox.errors import SpecError
from terok_sandbox.launch.check import check_image_reference, check_spec
from terok_sandbox.launch.spec import RunSpec, Wiring
from terok_sandbox.values.launch import VolumeSpec

SPEC = RunSpec(container_name="box", image="localhost/app")


@pytest.mark.parametrize(
    "reference",
    [
        *("app", "localhost/app:1.2", "Registry.example:5000/team/app:tag@sha256:" + "0" * 64),
        *("ghcr.io/a/b__c/d-e.f", "0123456789ab", "sha256:" + "a" * 64),
    ],
)
def test_image_references(reference: str) -> None:
    check_image_reference(reference)


@pytest.mark.parametrize(
    "reference",
    ["", "-v", "--help", "a b", "a:", "/a", "a//b", "a\n", "UPPER", "a@sha256:12", "a:b:c", "docker://a", "a" * 600],
)
def test_what_is_no_image_reference(reference: str) -> None:
    with pytest.raises(SpecError):
        check_image_reference(reference)


@pytest.mark.parametrize(
    "change",
    [
        {"container_name": "-box"},
        {"container_name": "Box"},
        {"container_name": "a" * 64},
        {"env": {"A=B": "x"}},
        {"container_name": "cafe"},
        {"wiring": Wiring(ssh_scope="../x")},
        {"wiring": Wiring(ssh_scope="")},
        {"wiring": Wiring(unasked=("News.example.org",))},
        {"env": {"A": "x\ny"}},
        {"env": {"A": "\udcff"}},
        {"env": {"A": "x" * 65536}},
        {"memory": "-1"},
        {"memory": "4x"},
        {"cpus": float("nan")},
        {"cpus": 0.0},
        {"pids": 0},
        {"hostname": "-h"},
        {"runtime": "/bin/sh"},
        {"annotations": {"terok.sandbox.sidecar": "/elsewhere"}},
        {"annotations": {"dossier.meta_path": "a,b"}},
        {"workdir": "relative"},
        {"command": ("a\0b",)},
        {"extra_args": ("--privileged",)},
        {"extra_args": ("--volume", "/:/host")},
        {"extra_args": ("-v/:/host",)},
        {"extra_args": ("--mount=type=bind,src=/,dst=/h",)},
        {"extra_args": ("--pid=host",)},
        {"extra_args": ("--label",)},
        {"extra_args": ("--label", "ai.terok.sandbox=0")},
        {"extra_args": ("--tmpfs", "/run/terok")},
        {"extra_args": ("--tmpfs", "/x:dev")},
        {"extra_args": ("--ulimit", "host")},
        {"extra_args": ("--oom-score-adj", "-1000")},
        {"extra_args": ("--security-opt", "seccomp=unconfined")},
        {"annotations": {"krun.cpus": "4;5"}},
        {"annotations": {"run.oci.keep_original_groups": "1"}},
        {"gpus": "nvidia;amd"},
        {"timezone": "../../etc/shadow"},
        {"timezone": "/etc/localtime"},
        {"opt_outs": ("unconfined",)},
        {"ephemeral": True, "sealed": True},
    ],
)
def test_refused(change: dict[str, object]) -> None:
    check_spec(SPEC)
    with pytest.raises(SpecError):
        check_spec(replace(SPEC, **change))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("host", "container"),
    [
        ("relative", "/x"),
        ("/a:b", "/x"),
        ("/a,b", "/x"),
        ("/a\nb", "/x"),
        ("/a/../b", "/x"),
        ("/a", "x"),
        ("/a", "/"),
        ("/a", "/run"),
        ("/a", "/run/terok"),
        ("/a", "/run/terok/vault.sock"),
        ("/a", "/etc"),
        ("/a", "/etc/resolv.conf"),
        ("/a", "/proc/sys"),
        ("/a", "/dev/shm"),
        ("/a", "/x:ro"),
        ("/a", "/x/"),
        ("/a", "/x/../run/terok"),
        ("/a", "//run/terok"),
    ],
)
def test_refused_mounts(host: str, container: str) -> None:
    with pytest.raises(SpecError):
        check_spec(replace(SPEC, volumes=(VolumeSpec(Path(host), container),)))
