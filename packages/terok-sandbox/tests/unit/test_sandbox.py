from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from terok_sandbox.clearance.dossier import DOSSIER_FILE, read_dossier
from terok_sandbox.config import SandboxConfig
from terok_sandbox.errors import (
    ContainerBusy,
    EngineError,
    GpuConfigError,
    ImageNotFound,
    LaunchError,
    NameTaken,
    SpecError,
    SupervisionError,
)
from terok_sandbox.launch.resources import launch_lock
from terok_sandbox.launch.spec import LifecycleHooks, RunSpec, Wiring
from terok_sandbox.launch.supervision import FakeSupervisor, was_supervised
from terok_sandbox.runtime.fake import FakeRecord, FakeRuntime
from terok_sandbox.sandbox.sandbox import Sandbox
from terok_sandbox.sidecar import GateWiring, PolicyTiers, Sidecar
from terok_sandbox.values.host import ContainerState
from terok_sandbox.values.launch import VolumeSpec
from terok_sandbox.vault.store import CredentialDB
from terok_sandbox.vault.unlock import open_vault, provision_session

SPEC = RunSpec(
    container_name="box",
    image="localhost/app",
    env={"TOKEN": "phantom"},
    wiring=Wiring(scope="proj", tiers=PolicyTiers(project_allow=("+ host:443",))),
)


class Lab:
    def __init__(self, base: Path) -> None:
        dirs = {name: base / name[0] for name in ("state_dir", "runtime_dir", "config_dir", "vault_dir")}
        self.config = SandboxConfig(**dirs)  # type: ignore[arg-type]
        self.runtime = FakeRuntime(images={"localhost/app": {}})
        self.supervision = FakeSupervisor()
        self.warnings: list[str] = []
        self.sandbox = Sandbox(
            self.config, runtime=self.runtime, supervision=self.supervision, warn=self.warnings.append
        )

    def left(self) -> list[str]:
        """Files of the container that are still there."""
        found = [path for base in (self.config.state_dir, self.config.runtime_dir) for path in base.rglob("*box*")]
        return [path.name for path in found]


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


def test_a_launch_wires_starts_and_verifies(lab: Lab) -> None:
    seen: list[str] = []

    def pre_start() -> None:
        assert lab.config.sidecar_path("box").exists()
        assert (lab.config.container_runtime_dir("box") / "env").read_text() == "TOKEN=phantom\n"
        assert (lab.config.container_runtime_dir("box") / "env").stat().st_mode & 0o777 == 0o600
        seen.append("pre")

    hooks = LifecycleHooks(pre_start=pre_start, post_start=lambda: seen.append("post"))
    assert lab.sandbox.run(SPEC, hooks) == lab.runtime.container("box").id
    assert seen == ["pre", "post"]
    assert lab.supervision.calls == [("prepare", "box"), ("verify", "box")]
    assert not (lab.config.container_runtime_dir("box") / "env").exists()
    assert lab.config.guest_dir("box").is_dir()
    sidecar = Sidecar.load(lab.config.sidecar_path("box"))
    assert sidecar.scope == "proj"
    assert sidecar.shield.tiers.project_allow == ("+ host:443",)
    assert sidecar.vault is not None and sidecar.vault.passphrase_file == lab.config.vault_session_file
    assert sidecar.gate is None
    etc = lab.config.container_state_dir("box") / "etc"
    assert (etc / "resolv.conf").read_text() == "nameserver 127.0.0.1\noptions timeout:8\n"


def test_what_is_known_of_the_task_lies_beside_its_state(lab: Lab, tmp_path: Path) -> None:
    about = tmp_path / "task.json"
    about.write_text('{"task": "old name", "agent": "demo"}')
    wiring = replace(SPEC.wiring, dossier={"task": "fix the bug"})
    lab.sandbox.run(replace(SPEC, annotations={"dossier.meta_path": str(about)}, wiring=wiring))
    found = read_dossier(lab.config.gateway_dir("box") / DOSSIER_FILE)
    assert found == {"task": "fix the bug", "agent": "demo"}


def test_life_and_removal(lab: Lab) -> None:
    lab.sandbox.run(SPEC)
    lab.sandbox.stop("box")
    assert lab.config.sidecar_path("box").exists()
    lab.sandbox.start("box")
    assert lab.runtime.container("box").running
    lab.runtime.finish("box", exit_code=124, output="one\nready\n")
    assert lab.sandbox.wait_for_exit("box") == 124
    assert lab.sandbox.stream_logs("box", 5, lambda line: line == "ready")
    assert not lab.sandbox.stream_logs("box", 5, lambda line: line == "never")
    assert [result.removed for result in lab.sandbox.rm(["box", "other"])] == [True, True]
    assert lab.left() == []
    with pytest.raises(LaunchError, match="no sandboxed container"):
        lab.sandbox.start("box")


def test_an_ephemeral_container_leaves_nothing_but_what_another_launch_has_made(lab: Lab) -> None:
    lines: list[str] = []

    def replaced(line: str) -> None:
        Sidecar.load(lab.config.sidecar_path("box")).save(lab.config.sidecar_path("box"))

    made = lab.sandbox.run(replace(SPEC, ephemeral=True))
    lab.runtime.finish("box", exit_code=3, output="one\ntwo\n")
    assert lab.sandbox.follow_to_removal("box", made, lines.append) == 3
    assert lines == ["one", "two"]
    assert (lab.left(), lab.supervision.calls[-1]) == ([], ("end", "box"))
    made = lab.sandbox.run(replace(SPEC, ephemeral=True))
    lab.runtime.finish("box", exit_code=4, output="one\n")
    del lab.supervision.calls[:]
    assert lab.sandbox.follow_to_removal("box", made, replaced) == 4
    assert lab.config.sidecar_path("box").exists(), "the other launch's"
    assert ("end", "box") not in lab.supervision.calls


def test_removal_revokes_tokens(lab: Lab) -> None:
    provision_session(lab.config)
    with open_vault(lab.config) as vault:
        vault.store_credential("default", "stub", {"type": "api_key", "key": "k" * 20})
        mine, others = vault.create_token("box", "stub"), vault.create_token("other", "stub")
    lab.sandbox.run(SPEC)
    lab.sandbox.rm("box")
    with open_vault(lab.config) as vault:
        assert isinstance(vault, CredentialDB)
        assert vault.lookup(mine) is None
        assert vault.lookup(others) is not None


def test_a_container_that_is_not_sandboxed_is_left_alone(lab: Lab) -> None:
    lab.runtime.records["postgres"] = FakeRecord("localhost/own", ContainerState.RUNNING)
    [result] = lab.sandbox.rm("postgres")
    assert "not sandboxed" in result.error
    with pytest.raises(LaunchError, match="not sandboxed"):
        lab.sandbox.stop("postgres")
    with pytest.raises(SpecError, match="invalid timeout -1"):
        lab.sandbox.stop("postgres", -1)
    assert lab.runtime.container("postgres").running


def test_no_name_can_be_taken_for_the_id_of_another_container(lab: Lab) -> None:
    for name in ("a", "7", "deadbeef", "0" * 63):
        for act in (lab.sandbox.rm, lab.sandbox.stop, lab.sandbox.start, lab.sandbox.cleanup):
            with pytest.raises(SpecError, match="invalid container name"):
                act(name)
        with pytest.raises(SpecError):
            lab.sandbox.run(replace(SPEC, container_name=name))
    lab.sandbox.run(replace(SPEC, container_name="a-1"))


def test_what_a_failed_launch_could_not_remove_keeps_its_files(lab: Lab) -> None:
    lab.supervision.prepared = False
    lab.runtime.failures["remove"] = "busy"
    with pytest.raises(SupervisionError):
        lab.sandbox.run(SPEC)
    assert lab.config.sidecar_path("box").exists()
    assert "terok-sandbox rm box" in lab.warnings[-1]


def test_a_start_that_fails_ends_no_supervisor_of_a_living_container(lab: Lab) -> None:
    lab.sandbox.run(SPEC)
    lab.runtime.records["box"].state = ContainerState.PAUSED
    lab.runtime.failures["start"] = "it is paused"
    with pytest.raises(LaunchError, match="paused"):
        lab.sandbox.start("box")
    assert ("end", "box") not in lab.supervision.calls
    with pytest.raises(LaunchError, match="still runs"):
        lab.sandbox.cleanup("box")
    lab.runtime.records["box"].state = ContainerState.EXITED
    with pytest.raises(LaunchError, match="paused"):
        lab.sandbox.start("box")
    assert ("end", "box") in lab.supervision.calls


def test_what_cannot_be_removed_keeps_its_files(lab: Lab) -> None:
    lab.sandbox.run(SPEC)
    lab.runtime.failures["remove"] = "busy"
    [result] = lab.sandbox.rm("box")
    assert (result.removed, result.error) == (False, "busy")
    assert lab.config.sidecar_path("box").exists()


@pytest.mark.attack("LAUNCH-UNSUPERVISED")
def test_without_verified_supervision_nothing_stays(lab: Lab) -> None:
    lab.supervision.prepared = False
    with pytest.raises(SupervisionError, match="has not prepared"):
        lab.sandbox.run(SPEC)
    assert lab.runtime.records == {}
    assert lab.left() == []
    lab.supervision.prepared = True
    lab.sandbox.run(SPEC)
    lab.sandbox.stop("box")
    lab.supervision.prepared = False
    with pytest.raises(SupervisionError):
        lab.sandbox.start("box")
    assert lab.runtime.container("box").state is ContainerState.EXITED


@pytest.mark.parametrize("stage", ["launch", "image", "pre_start", "interrupt"])
def test_a_failed_launch_leaves_nothing(lab: Lab, stage: str) -> None:
    spec, hooks, kind = SPEC, LifecycleHooks(), BaseException

    def fail() -> None:
        raise KeyboardInterrupt if stage == "interrupt" else LaunchError("cancelled")

    if stage == "launch":
        lab.runtime.failures["launch"] = "the hook says no"
        kind = LaunchError
    elif stage == "image":
        lab.runtime.known_images.clear()
        kind = ImageNotFound
    else:
        hooks = LifecycleHooks(pre_start=fail)
    with pytest.raises(kind):
        lab.sandbox.run(spec, hooks)
    assert lab.runtime.records == {}
    assert lab.left() == []


def test_a_name_in_use_is_left_alone(lab: Lab) -> None:
    lab.sandbox.run(SPEC)
    before = lab.config.sidecar_path("box").read_bytes()
    with pytest.raises(NameTaken):
        lab.sandbox.run(SPEC)
    assert lab.runtime.container("box").running
    assert lab.config.sidecar_path("box").read_bytes() == before


def test_another_program_s_container_of_that_name_survives(lab: Lab) -> None:
    lab.sandbox.run(SPEC)
    record = lab.runtime.records["box"]
    lab.sandbox.rm("box")
    lab.runtime.records["box"] = record
    with pytest.raises(NameTaken):
        lab.sandbox.run(SPEC)
    assert lab.runtime.records["box"] is record
    assert lab.left() == []


def test_an_engine_that_does_not_answer_never_frees_a_name(lab: Lab) -> None:
    lab.sandbox.run(SPEC)
    lab.runtime.failures["inspect"] = "database is locked"
    with pytest.raises(EngineError):
        lab.sandbox.run(SPEC)
    assert lab.config.sidecar_path("box").exists()


def test_files_of_a_container_removed_behind_our_back_are_cleared(lab: Lab) -> None:
    lab.sandbox.run(SPEC)
    (lab.config.container_state_dir("box") / "supervisor.log").write_text("old")
    lab.runtime.records.clear()
    lab.sandbox.run(SPEC)
    assert not (lab.config.container_state_dir("box") / "supervisor.log").exists()


def test_what_mounts_really_are_is_written_down(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "link").symlink_to("work")
    volumes = (VolumeSpec(tmp_path / "link", "/workspace"), VolumeSpec(tmp_path / "work", "/seed", live=True))
    lab.sandbox.run(replace(SPEC, volumes=volumes))
    pairs = [(str(tmp_path / name), str(tmp_path / "work")) for name in ("link", "work")]
    assert Sidecar.load(lab.config.sidecar_path("box")).mounts == tuple(pairs)
    lab.sandbox.rm("box")
    lab.sandbox.run(replace(SPEC, volumes=volumes, sealed=True))
    assert Sidecar.load(lab.config.sidecar_path("box")).mounts == (pairs[1],), "what is copied is no mount"


def test_a_sealed_container_is_filled_before_it_starts(lab: Lab, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    spec = RunSpec(container_name="box", image="localhost/app", sealed=True, volumes=(VolumeSpec(work, "/workspace"),))
    lab.sandbox.create(spec)
    assert lab.runtime.container("box").state is ContainerState.CREATED
    assert lab.runtime.records["box"].copied == [(work, "/workspace")]
    assert lab.supervision.calls == []
    lab.sandbox.start("box")
    assert lab.supervision.calls == [("prepare", "box"), ("verify", "box")]
    lab.sandbox.rm("box")
    lab.sandbox.run(spec)
    assert lab.runtime.container("box").running
    with pytest.raises(LaunchError, match="sealed"):
        lab.sandbox.create(SPEC)


def test_refusals_come_before_any_effect(lab: Lab, tmp_path: Path) -> None:
    with pytest.raises(SpecError):
        lab.sandbox.run(RunSpec(container_name="box", image="--privileged"))
    with pytest.raises(SpecError):
        lab.sandbox.run(
            RunSpec(container_name="box", image="localhost/app", volumes=(VolumeSpec(lab.config.vault_dir, "/v"),))
        )
    deep = Lab(tmp_path / ("d" * 60))
    with pytest.raises(SpecError, match="too long"):
        deep.sandbox.run(RunSpec(container_name="x" * 40, image="localhost/app"))
    assert lab.left() == []
    assert lab.runtime.plans == []


def test_a_launch_can_be_judged_without_being_carried_out(lab: Lab) -> None:
    lab.config.vault_dir.mkdir()
    lab.sandbox.check(replace(SPEC, image="localhost/not-built"), new_name=True)
    with pytest.raises(SpecError, match="scope"):
        lab.sandbox.check(replace(SPEC, wiring=Wiring(scope="My.Project")))
    with pytest.raises(SpecError, match="state of the sandbox"):
        lab.sandbox.check(replace(SPEC, volumes=(VolumeSpec(lab.config.vault_dir, "/v"),)))
    with pytest.raises(GpuConfigError):
        lab.sandbox.check(replace(SPEC, gpus="nvidia:none-such"))
    lab.runtime.records["box"] = FakeRecord("localhost/own", ContainerState.RUNNING)
    lab.sandbox.check(SPEC)
    with pytest.raises(NameTaken):
        lab.sandbox.check(SPEC, new_name=True)
    assert lab.left() == lab.runtime.plans == lab.supervision.calls == lab.warnings == []


def test_a_claimed_name_is_cleared_once_and_then_belongs_to_one_launch(lab: Lab) -> None:
    provision_session(lab.config)
    lab.sandbox.run(SPEC)
    with open_vault(lab.config) as vault:
        vault.store_credential("default", "stub", {"type": "api_key", "key": "k" * 20})
        old = vault.create_token("box", "stub")
    lab.runtime.records.clear()
    free: list[bool] = []

    def post_start() -> None:
        with launch_lock(lab.config, "box", timeout=0):
            free.append(True)

    with lab.sandbox.claim("box") as claim:
        with open_vault(lab.config) as vault:
            assert vault.lookup(old) is None
            new = vault.create_token("box", "stub")
        with pytest.raises(ContainerBusy), launch_lock(lab.config, "box", timeout=0):
            pass
        with pytest.raises(SpecError, match="box, not other"):
            claim.run(replace(SPEC, container_name="other"))
        claim.run(SPEC, LifecycleHooks(post_start=post_start))
        assert free == []
    assert free == [True]
    with open_vault(lab.config) as vault:
        assert vault.lookup(new) is not None
    with pytest.raises(NameTaken), lab.sandbox.claim("box"):
        raise AssertionError("the name is in use")


def test_gate_addresses(lab: Lab) -> None:
    token = lab.sandbox.mint_gate_token()
    assert token.startswith("terok-g-") and len(token) == 40
    assert token != lab.sandbox.mint_gate_token()
    assert lab.sandbox.gate_url("proj", token) == f"http://{token}@127.0.0.1:9418/proj.git"
    assert token not in repr(GateWiring.for_token(Path("/m"), "proj", token))


def test_a_container_that_ended_at_once_was_supervised_only_if_its_log_says_so() -> None:
    log = "2025-01-02T03:04:05Z supervisor[1]: supervises abcdef012345 (pid 7)\n"
    moment = 1735787045.9
    assert was_supervised(log, "abcdef0123456789", moment)
    assert not was_supervised(log, "abcdef0123456789", moment + 1)
    assert not was_supervised(log, "bbcdef0123456789", moment)
    assert not was_supervised("x" + log, "abcdef0123456789", moment)
    assert not was_supervised("", "", moment)
    assert not was_supervised(log, "abcdef0123456789", moment, to_its_end=True)
    other = log + "2025-01-02T03:04:06Z supervisor[2]: the container has ended\n"
    assert not was_supervised(other, "abcdef0123456789", moment, to_its_end=True), "another supervisor's container"
    ended = log + "2025-01-02T03:04:06Z supervisor[1]: gateway[9] ended\n2025-01-02T03:04:06Z supervisor[1]: "
    assert was_supervised(ended + "the container has ended\n", "abcdef0123456789", moment, to_its_end=True)
    assert not was_supervised(ended + "the container has ended\n", "", moment, to_its_end=True)


def test_a_container_of_somebody_else_s_making(lab: Lab) -> None:
    arguments = lab.sandbox.pre_start_args(SPEC)
    assert lab.runtime.plans == []
    assert lab.supervision.calls == [("prepare", "box")]
    assert "--env-file" not in arguments and "localhost/app" not in arguments
    [sidecar] = [word.partition("=")[2] for word in arguments if word.startswith("terok.sandbox.sidecar=")]
    assert Sidecar.load(Path(sidecar)).container_name == "box"
    lab.runtime.records["box"] = FakeRecord("localhost/own", ContainerState.RUNNING)
    with pytest.raises(NameTaken):
        lab.sandbox.pre_start_args(SPEC)
    with pytest.raises(LaunchError, match="still runs"):
        lab.sandbox.cleanup("box")
    lab.runtime.finish("box")
    lab.sandbox.cleanup("box")
    assert lab.left() == []
    lab.sandbox.cleanup("box")
    with pytest.raises(SpecError):
        lab.sandbox.pre_start_args(replace(SPEC, sealed=True, volumes=(VolumeSpec(Path("/usr"), "/x"),)))


def test_opt_outs_of_configuration_and_launch_add_up(lab: Lab) -> None:
    lab.sandbox.config = replace(lab.config, seccomp_opt_outs=("nested",))
    lab.sandbox.run(replace(SPEC, opt_outs=("perf",)))
    assert f"seccomp={lab.config.seccomp_dir}/nested+perf.json" in lab.runtime.plans[0].argv


def test_words_of_the_hook_that_the_runtime_swallowed_are_heard(lab: Lab) -> None:
    log = lab.config.container_state_dir("box") / "hook.log"

    def say(operation: str) -> None:
        if operation == "launch":
            log.write_text("terok: container box not started: no rules; run `terok-sandbox doctor`\n")
            raise LaunchError("crun: error executing hook `/usr/bin/python3` (exit code: 1)")

    lab.runtime.answer = say  # type: ignore[method-assign]
    with pytest.raises(LaunchError, match="container box not started: no rules") as refused:
        lab.sandbox.run(SPEC)
    assert refused.value.hint == "run `terok-sandbox doctor`"
    assert lab.left() == []
