"""PodmanRuntime does what every container engine must, and what the fake does in unit tests."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest
from support import ROOT, Shell
from terok_sandbox.errors import EngineError
from terok_sandbox.runtime.ephemeral import follow_to_removal, recorded_exit_code
from terok_sandbox.runtime.podman import PodmanRuntime
from terok_sandbox.runtime.protocol import ContainerRuntime, EphemeralEnd
from terok_sandbox.values.host import ContainerState
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


def test_an_ephemeral_container_is_followed_to_its_removal(
    runtime: PodmanRuntime, base_image: str, container: str, tmp_path: Path
) -> None:
    log, monitor_pid = tmp_path / "log", tmp_path / "monitor.pid"
    bare = plan(runtime, base_image, container)
    files = ("--log-driver", "k8s-file", "--log-opt", f"path={log}", "--conmon-pidfile", str(monitor_pid))
    words = ("sh", "-c", "echo one; sleep 0.4; echo two; exit 9")
    argv = (*bare.argv[:2], "--rm", *files, *bare.argv[2:-2], *words)
    lines: list[str] = []
    made = runtime.launch(replace(bare, argv=argv))
    with pytest.raises(ZeroDivisionError):
        follow_to_removal(made, log=log, monitor_pid=monitor_pid, on_line=lambda line: [][1 // 0])
    end = runtime.container(container).follow_to_removal(made, log=log, monitor_pid=monitor_pid, on_line=lines.append)
    assert (end, lines) == (EphemeralEnd(9, removed=True), ["one", "two"])
    assert runtime.container(container).state is ContainerState.MISSING
    assert follow_to_removal(made, log=log, monitor_pid=monitor_pid, on_line=lines.append) == end, (
        "from Podman's events"
    )
    with pytest.raises(EngineError, match="exit code"):
        recorded_exit_code("0" * 64)
