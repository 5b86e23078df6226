from __future__ import annotations

import itertools
import os
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terok_sandbox.errors import PrerequisiteMissing, SpecError
from terok_sandbox.launch.argv import DROPPED_CAPABILITIES, SUDO_CAPABILITIES, LaunchPaths, plan_launch
from terok_sandbox.launch.spec import RunSpec, Wiring
from terok_sandbox.runtime.probe import low_disk
from terok_sandbox.sidecar import PolicyTiers
from terok_sandbox.values.host import HostFacts
from terok_sandbox.values.launch import LaunchPlan, Sharing, VolumeSpec

GOLDEN = Path(__file__).parent / "golden"
PATHS = LaunchPaths(
    sidecar=Path("/s/sidecar/box.json"),
    guest_dir=Path("/r/run/box/guest"),
    resolv_conf=Path("/s/containers/box/etc/resolv.conf"),
    hosts=Path("/s/containers/box/etc/hosts"),
    apt_conf=Path("/s/containers/box/etc/apt.conf"),
    hostname=Path("/s/containers/box/etc/hostname"),
    containerenv=Path("/s/containers/box/etc/containerenv"),
    localtime=Path("/s/containers/box/etc/localtime"),
    env_file=Path("/r/run/box/env"),
    monitor_pid=Path("/r/run/box/monitor.pid"),
    seccomp_dir=Path("/s/seccomp"),
    log=Path("/state/box/output.log"),
)
OLD = HostFacts(
    podman="/usr/bin/podman",
    version=(4, 3, 1),
    rootless=True,
    controllers=frozenset(),
    runtime="runc",
    network="slirp4netns",
    init=False,
    selinux=False,
)
NEW = replace(
    OLD, version=(5, 4, 2), controllers=frozenset({"cpu", "memory", "pids"}), runtime="crun", network="pasta", init=True
)
SPEC = RunSpec(container_name="box", image="localhost/app:1", command=("agent", "--flag"))
FULL = replace(
    SPEC,
    env={"B": "two words", "A": "-1"},
    volumes=(
        VolumeSpec(Path("/srv/repo"), "/workspace"),
        VolumeSpec(Path("/cfg/agent"), "/home/dev/.agent", Sharing.PRIVATE, read_only=True, live=True),
    ),
    memory="4g",
    cpus=1.5,
    pids=512,
    hostname="agent-1",
    runtime="crun",
    annotations={"dossier.meta_path": "/d/meta.json"},
    extra_args=("--label", "team=a", "--tmpfs=/scratch:size=1g,mode=1777", "--shm-size", "256m"),
    wiring=Wiring(scope="proj"),
)

CDI = ("nvidia.com/gpu=0", "nvidia.com/gpu=1", "amd.com/gpu=all", "amd.com/gpu=0")
CASES: dict[str, tuple[RunSpec, HostFacts, str]] = {
    "slirp4netns": (SPEC, OLD, "filter"),
    "pasta": (SPEC, NEW, "filter"),
    "airlock": (SPEC, NEW, "airlock"),
    "selinux": (FULL, replace(NEW, selinux=True), "filter"),
    "opt_outs": (replace(SPEC, opt_outs=("perf", "nested")), NEW, "filter"),
    "gpu_all": (replace(SPEC, gpus="all"), NEW, "filter"),
    "gpu_one": (replace(SPEC, gpus="nvidia:1"), OLD, "filter"),
    "process": (replace(SPEC, init=False, ephemeral=True, timezone="Europe/Berlin"), NEW, "airlock"),
    "microvm": (replace(SPEC, runtime="krun", annotations={"krun.cpus": "4", "krun.ram_mib": "4096"}), NEW, "filter"),
    "restricted": (replace(SPEC, unrestricted=False), NEW, "filter"),
    "full": (FULL, NEW, "filter"),
    "full_without_controllers": (FULL, OLD, "filter"),
    "sealed": (replace(FULL, sealed=True), NEW, "filter"),
    "podman_4_2": (SPEC, replace(OLD, version=(4, 2, 0)), "filter"),
    "root": (SPEC, replace(OLD, rootless=False), "filter"),
    "no_workdir": (replace(SPEC, workdir=None), NEW, "filter"),
}


def rendered(plan: LaunchPlan) -> str:
    lines = [shlex.quote(word) for word in plan.argv]
    parts = ["\n".join(lines), plan.env_file, plan.hosts, *([plan.apt_conf] if plan.apt_conf else []), *plan.warnings]
    parts += [f"copy {volume.host_path} to {volume.container_path}" for volume in plan.copies]
    return "\n--\n".join(part.rstrip("\n") for part in parts) + "\n"


@pytest.mark.parametrize("case", CASES)
def test_golden(case: str) -> None:
    spec, facts, enforcement = CASES[case]
    text = rendered(plan_launch(spec, facts, PATHS, enforcement=enforcement, cdi_devices=CDI))  # type: ignore[arg-type]
    path = GOLDEN / f"{case}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text)
    assert text == path.read_text()


def test_every_capability_is_either_kept_or_dropped() -> None:
    kept, dropped = set(SUDO_CAPABILITIES), set(DROPPED_CAPABILITIES)
    assert not kept & dropped
    assert len(kept | dropped) == 41
    assert not kept & {"NET_ADMIN", "NET_RAW", "SYS_ADMIN", "SYS_PTRACE"}


def test_without_a_network_program_only_airlock_works() -> None:
    bare = replace(OLD, network=None)
    with pytest.raises(PrerequisiteMissing):
        plan_launch(SPEC, bare, PATHS, enforcement="filter")
    assert "none" in plan_launch(SPEC, bare, PATHS, enforcement="airlock").argv


def test_the_network_is_left_to_the_supervisor() -> None:
    assert [plan_launch(SPEC, facts, PATHS, enforcement="filter").network for facts in (OLD, NEW)] == [
        "slirp4netns",
        "pasta",
    ]
    assert plan_launch(SPEC, NEW, PATHS, enforcement="airlock").network is None
    assert plan_launch(replace(SPEC, runtime="krun"), NEW, PATHS, enforcement="filter").network is None


TEXT = st.text(max_size=30) | st.sampled_from(
    ["-v", "--privileged", "a\nb", "a\0b", "/a:/b", "/a,b", "x=--cap-add", "a b", "../x", "/x/../y", "", "#", '"']
)


@given(
    st.builds(
        RunSpec,
        container_name=st.just("box") | TEXT,
        image=st.just("localhost/a") | TEXT,
        command=st.lists(TEXT, max_size=3).map(tuple),
        env=st.dictionaries(TEXT | st.just("NAME"), TEXT, max_size=3),
        volumes=st.lists(
            st.builds(VolumeSpec, host_path=TEXT.map(Path), container_path=TEXT | st.just("/workspace")), max_size=2
        ).map(tuple),
        memory=st.none() | TEXT,
        cpus=st.none() | st.floats(),
        pids=st.none() | st.integers(),
        hostname=st.none() | TEXT,
        runtime=st.none() | TEXT,
        workdir=st.none() | TEXT,
        gpus=st.none() | TEXT | st.just("nvidia:1,amd"),
        timezone=st.none() | TEXT,
        ephemeral=st.booleans(),
        opt_outs=st.lists(st.sampled_from(["perf", "debug", "nested"]) | TEXT, max_size=2).map(tuple),
        annotations=st.dictionaries(TEXT | st.just("dossier.meta_path"), TEXT, max_size=1),
        extra_args=st.lists(
            TEXT | st.sampled_from(["--label", "--tmpfs", "--label=a=b", "--umask", "0027", "--cpu-shares=5"]),
            max_size=3,
        ).map(tuple),
        wiring=st.builds(Wiring, scope=TEXT),
    )
)
def test_no_value_becomes_another_argument(spec: RunSpec) -> None:
    try:
        plan = plan_launch(spec, NEW, PATHS, enforcement="filter", cdi_devices=CDI)
    except SpecError:
        return
    ours, command = list(plan.argv), list(spec.command)
    if command:
        assert ours[-len(command) :] == command
        ours = ours[: -len(command)]
    assert ours[-1] == spec.image
    assert not any("\0" in word or "\n" in word for word in ours)
    assert len(plan.env_file.splitlines()) <= plan.env_file.count("\n") + 5  # separators other than \n are values
    assert plan.env_file.count("\n") == len(spec.env)
    flags = [word.split("=")[0] for word in ours if word.startswith("-")]
    assert set(flags) <= ALLOWED_FLAGS
    assert [word for word in ours if word.startswith("--cap-drop")] == [f"--cap-drop={','.join(DROPPED_CAPABILITIES)}"]
    options = [value for flag, value in itertools.pairwise(ours) if flag == "--security-opt"]
    assert [option.startswith("seccomp=/s/seccomp/") for option in options] == [True]
    assert ours.count("--volume") == 5 + (spec.timezone is not None) + len(spec.volumes)
    assert ours.count("--annotation") == 3 + len(spec.annotations)


ALLOWED_FLAGS = {
    *("--detach", "--name", "--hostname", "--pull", "--init", "--runtime", "--annotation", "--label", "--userns"),
    *("--cap-drop", "--http-proxy", "--sdnotify", "--systemd", "--log-driver", "--log-opt", "--network", "--memory"),
    *("--cpus", "--pids-limit", "--tmpfs", "--ulimit", "--shm-size", "--volume", "--env-file", "--workdir"),
    *("--pid", "--ipc", "--uts", "--cgroupns", "--env-host", "--privileged", "--no-healthcheck"),
    *("--rm", "--security-opt", "--device", "--group-add", "--umask", "--cpu-shares"),
}


def test_a_micro_vm_needs_a_network() -> None:
    with pytest.raises(SpecError, match="airlock"):
        plan_launch(replace(SPEC, runtime="krun"), NEW, PATHS, enforcement="airlock")


def test_policy_tiers_stay_out_of_the_arguments() -> None:
    wiring = Wiring(tiers=PolicyTiers(project_allow=("+ secret.example:443",)))
    plan = plan_launch(replace(SPEC, wiring=wiring, env={"TOKEN": "s3cret"}), NEW, PATHS, enforcement="filter")
    assert "secret" not in " ".join(plan.argv)
    assert "s3cret" not in " ".join(plan.argv)


@pytest.mark.attack("RES-1")
def test_memory_has_a_default_where_it_can_be_limited() -> None:
    """RES-1: one container that takes all memory stops the host."""
    facts = replace(NEW, memory=8 * 2**30)
    argv = plan_launch(SPEC, facts, PATHS, enforcement="filter").argv
    assert argv[argv.index("--memory") + 1] == f"{6 * 2**30}b"
    argv = plan_launch(replace(SPEC, memory="1g"), facts, PATHS, enforcement="filter").argv
    assert argv[argv.index("--memory") + 1] == "1g"
    assert "--memory" not in plan_launch(SPEC, replace(OLD, memory=2**30), PATHS, enforcement="filter").argv


@pytest.mark.attack("RES-1")
def test_a_disk_that_is_nearly_full_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert low_disk([str(tmp_path / "missing")]) == ""
    monkeypatch.setattr("terok_sandbox.runtime.probe.LOW_DISK", 2**63)
    assert str(tmp_path) in low_disk([str(tmp_path)])
