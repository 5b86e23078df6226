"""PodmanRuntime does what every container engine must, and what the fake does in unit tests."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from support import ROOT, Shell
from terok_sandbox.runtime.podman import PodmanRuntime
from terok_sandbox.runtime.protocol import ContainerRuntime
from terok_sandbox.values.launch import LaunchPlan, Planned

sys.path.insert(0, str(ROOT / "packages/terok-sandbox/tests/unit/runtime"))
import conformance


def plan(runtime: ContainerRuntime, image: str, name: str) -> LaunchPlan:
    """Return a bare launch: the engine is what is tried here, not the sandbox."""
    podman = runtime.host_facts().podman
    words = ("run", "--detach", "--pull", "never", "--network", "none", "--name", name, image, "sleep", "600")
    return LaunchPlan(
        name=name,
        image=image,
        argv=(podman, *words),
        options=words,
        sealed=False,
        copies=(),
        **dict.fromkeys(("env_file", "resolv_conf", "hosts", "apt_conf", "hostname"), ""),
        timezone=None,
        planned=Planned(name, (), (), (), restricted=False, user_namespace=True),
        network=None,
        warnings=(),
    )


@pytest.fixture
def runtime(ready: Shell) -> PodmanRuntime:
    """Return the runtime of the private environment, which is this process's own."""
    return PodmanRuntime()


def test_life_of_a_container(runtime: PodmanRuntime, base_image: str, container: str, tmp_path: Path) -> None:
    conformance.check_life_of_a_container(runtime, plan, base_image, container, tmp_path)


def test_what_does_not_exist(runtime: PodmanRuntime, name: str, tmp_path: Path) -> None:
    conformance.check_what_does_not_exist(runtime, plan, name, tmp_path)


def test_images_and_ports(runtime: PodmanRuntime, base_image: str) -> None:
    conformance.check_images(runtime, base_image)
    conformance.check_ports(runtime)
