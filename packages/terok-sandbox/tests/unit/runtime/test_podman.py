from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from terok_sandbox.config import SandboxConfig
from terok_sandbox.errors import (
    ContainerNotFound,
    EngineError,
    EngineTimeout,
    ImageNotFound,
    LaunchError,
    NameTaken,
    PrerequisiteMissing,
    SandboxError,
)
from terok_sandbox.runtime.podman import PodmanRuntime, parents_archive
from terok_sandbox.runtime.protocol import RemoveResult
from terok_sandbox.values.host import ContainerState
from terok_sandbox.values.launch import LaunchPlan, Planned
from terok_util.process import ToolNotFound

Make = Callable[..., Any]
MISSING = {"code": 125, "err": 'Error: inspecting object: no such container "box"\n'}
ENDED = {"container": {"out": '[{"State": {"Status": "exited", "Pid": 0}}]'}}
BROKEN = {"code": 125, "err": "Error: database is locked\n"}


@pytest.fixture
def runtime(tmp_path: Path) -> PodmanRuntime:
    base = tmp_path / "terok"
    return PodmanRuntime(SandboxConfig(state_dir=base, runtime_dir=base, config_dir=base, vault_dir=base))


def plan(podman: Any) -> LaunchPlan:
    program = str(podman.directory / "podman")
    return LaunchPlan(
        name="box",
        image="localhost/app",
        argv=(program, "run", "--name", "box"),
        options=("--name", "box"),
        sealed=False,
        copies=(),
        env_file="",
        resolv_conf="",
        apt_conf="",
        hosts="",
        hostname="",
        timezone=None,
        planned=Planned("box", (), (), (), restricted=False, user_namespace=True),
        network=None,
        warnings=(),
    )


def test_states(runtime: PodmanRuntime, fake_podman: Make) -> None:
    fake = fake_podman()
    for said, state in [("running", "running"), ("exited", "exited"), ("stopped", "exited"), ("novel", "other")]:
        fake.says(container={"out": f'[{{"Id": "abc", "State": {{"Status": "{said}", "Pid": 7}}}}]'})
        assert runtime.container("box").state is ContainerState(state)
    assert runtime.container("box").pid == 7
    fake.says(container=MISSING)
    assert runtime.container("box").state is ContainerState.MISSING


@pytest.mark.parametrize("answer", [BROKEN, {"out": ""}, {"out": "[]"}, {"out": "[3]"}, {"out": "not json"}])
def test_a_failed_probe_is_never_nothing_there(
    runtime: PodmanRuntime, fake_podman: Make, answer: dict[str, object]
) -> None:
    fake_podman(container=answer, image=answer, ps=BROKEN)
    with pytest.raises(EngineError) as error:
        _ = runtime.container("box").state
    assert not isinstance(error.value, ContainerNotFound)
    with pytest.raises(EngineError):
        runtime.image("app").exists()
    with pytest.raises(EngineError):
        runtime.containers_with_prefix("box")


def test_images(runtime: PodmanRuntime, fake_podman: Make) -> None:
    fake = fake_podman(image={"out": '[{"Id": "abc", "Labels": null}]'})
    assert runtime.image("app").exists()
    assert runtime.image("app").labels() == {}
    fake.says(image={"code": 125, "err": "Error: app: image not known\n"})
    assert not runtime.image("app").exists()
    with pytest.raises(ImageNotFound):
        _ = runtime.image("app").id


def test_a_prefix_is_no_pattern(runtime: PodmanRuntime, fake_podman: Make) -> None:
    row = '{"Names": ["%s"], "Id": "i", "State": "running", "Image": "a", "Labels": null}'
    fake = fake_podman(ps={"out": f"[{row % 'a.b1'}, {row % 'aXb'}]"})
    assert [found.name for found in runtime.containers_with_prefix("a.b")] == ["a.b1"]
    assert "name=^a\\.b" in fake.asked[-1]


def test_waiting_tells_its_outcomes_apart(runtime: PodmanRuntime, fake_podman: Make) -> None:
    fake = fake_podman(wait={"out": "124\n"})
    assert runtime.container("box").wait(5) == 124
    fake.says(wait={"delay": 30})
    with pytest.raises(TimeoutError) as late:
        runtime.container("box").wait(0.3)
    assert isinstance(late.value, EngineTimeout)
    fake.says(wait=MISSING)
    with pytest.raises(ContainerNotFound):
        runtime.container("box").wait(5)
    for answer in (BROKEN, {"out": ""}):
        fake.says(wait=answer)
        with pytest.raises(EngineError):
            runtime.container("box").wait(5)


def test_a_refusal_of_the_hook_is_one_line(runtime: PodmanRuntime, fake_podman: Make) -> None:
    said = (
        'Error: OCI runtime error: runc: time="now" level=error msg="runc create failed: error running hook #0: exit '
        'status 1, stdout: , stderr: terok: container box not started: no rules, sorry; run `terok-sandbox setup`\\n"\n'
    )
    fake = fake_podman(run={"code": 126, "err": said})
    with pytest.raises(LaunchError) as refused:
        runtime.launch(plan(fake))
    assert refused.value.message == "container box not started: no rules, sorry"
    assert refused.value.hint == "run `terok-sandbox setup`"


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ('Error: creating container storage: the container name "box" is already in use by abc', NameTaken),
        ("Error: localhost/app: image not known", ImageNotFound),
        ("Error: something else\n\x1b[31mwent wrong", LaunchError),
        ("", LaunchError),
    ],
)
def test_launch_failures(runtime: PodmanRuntime, fake_podman: Make, said: str, kind: type[SandboxError]) -> None:
    fake = fake_podman(run={"code": 125, "err": said})
    with pytest.raises(kind) as error:
        runtime.launch(plan(fake))
    assert error.value.message.isprintable()


def test_the_id_is_the_last_line(runtime: PodmanRuntime, fake_podman: Make) -> None:
    assert runtime.launch(plan(fake_podman(run={"out": "a warning\nabc123\n"}))) == "abc123"


def test_removal(runtime: PodmanRuntime, fake_podman: Make) -> None:
    fake = fake_podman(rm={})
    assert runtime.force_remove(["box"]) == [RemoveResult("box")]
    fake.says(rm=MISSING)
    assert runtime.force_remove(["box"])[0].removed
    fake.says(rm=BROKEN)
    [result] = runtime.force_remove(["box"])
    assert not result.removed
    assert "database is locked" in result.error


def test_exec_tells_the_engine_from_the_command(runtime: PodmanRuntime, fake_podman: Make) -> None:
    fake = fake_podman(exec={"code": 125, "out": "o", "err": "mine\n"})
    assert runtime.exec("box", ["x"]) == (125, "o", "mine\n")
    fake.says(exec=MISSING)
    with pytest.raises(ContainerNotFound):
        runtime.exec("box", ["x"])


def test_binary_streams(runtime: PodmanRuntime, fake_podman: Make, tmp_path: Path) -> None:
    fake = fake_podman(exec={"out": "bytes", "code": 3})
    out = tmp_path / "out"
    with out.open("wb") as stdout, Path("/dev/null").open("rb") as stdin:
        assert runtime.exec_stdio("box", ["x"], stdin=stdin, stdout=stdout, stderr=stdout, env={"A": "b"}) == 3
        assert out.read_bytes() == b"bytes"
        assert fake.asked[-1] == ["exec", "--interactive", "--env", "A=b", "box", "x"]
        fake.says(exec={"delay": 30})
        with pytest.raises(EngineTimeout):
            runtime.exec_stdio("box", ["x"], stdin=stdin, stdout=stdout, stderr=stdout, timeout=0.3)


def test_logs_are_followed_until_the_reader_has_enough(runtime: PodmanRuntime, fake_podman: Make) -> None:
    fake = fake_podman(**ENDED, logs={"out": "one\ntwo\n", "err": "three\n"})
    lines: list[str] = []
    runtime.container("box").follow_logs(lines.append, timeout=10)
    assert sorted(lines) == ["one", "three", "two"]
    fake.says(**ENDED, logs={"out": "one\ntwo\n"})
    with pytest.raises(ZeroDivisionError):
        runtime.container("box").follow_logs(lambda line: 1 / 0, timeout=10)  # type: ignore[arg-type, return-value]
    fake.says(**ENDED, logs=BROKEN)
    with pytest.raises(EngineError):
        runtime.container("box").follow_logs(lambda line: None, timeout=10)


def test_no_podman(runtime: PodmanRuntime, monkeypatch: pytest.MonkeyPatch) -> None:
    def find_nothing(name: str) -> str:
        raise ToolNotFound(name)

    monkeypatch.setattr("terok_sandbox.runtime.engine.find_tool", find_nothing)
    with pytest.raises(PrerequisiteMissing):
        _ = runtime.container("box").state


def test_a_port_is_held_until_released(runtime: PodmanRuntime) -> None:
    import socket

    with runtime.reserve_port() as first, runtime.reserve_port() as second:
        assert first.port != second.port
        with socket.socket() as probe, pytest.raises(OSError):
            probe.bind(("127.0.0.1", first.port))
        first.release()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", first.port))
    with pytest.raises(SandboxError), runtime.reserve_port("192.0.2.1"):
        pass


def test_parents_leave_homes_alone() -> None:
    with tarfile.open(fileobj=io.BytesIO(parents_archive("/home/dev/.a/b/c"))) as archive:
        assert archive.getnames() == ["home/dev/.a", "home/dev/.a/b"]
    with tarfile.open(fileobj=io.BytesIO(parents_archive("/opt/a/f"))) as archive:
        assert archive.getnames() == ["opt", "opt/a"]
