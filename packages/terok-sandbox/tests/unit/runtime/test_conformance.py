from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terok_sandbox.errors import EngineError
from terok_sandbox.launch.argv import LaunchPaths, plan_launch
from terok_sandbox.launch.spec import RunSpec
from terok_sandbox.runtime.events import PodmanEvents, read_event
from terok_sandbox.runtime.fake import FakeRuntime
from terok_sandbox.runtime.podman_image import read_image
from terok_sandbox.runtime.protocol import ContainerRuntime
from terok_sandbox.values.launch import LaunchPlan

sys.path.insert(0, str(Path(__file__).parent))
import conformance

LINE = {
    "ContainerExitCode": 137,
    "ID": "e2dd",
    "Name": "box",
    "Status": "died",
    "Time": "2026-01-02T03:04:05.846491895Z",
    "Type": "container",
}


def plan(runtime: ContainerRuntime, image: str, name: str) -> LaunchPlan:
    paths = LaunchPaths(**{field: Path("/x") for field in LaunchPaths.__slots__})
    spec = RunSpec(container_name=name, image=image)
    return plan_launch(spec, runtime.host_facts(), paths, enforcement="filter")


@pytest.fixture
def runtime() -> FakeRuntime:
    return FakeRuntime(images={"localhost/app": {"a": "b"}})


def test_conformance_of_the_fake(runtime: FakeRuntime, tmp_path: Path) -> None:
    conformance.check_what_does_not_exist(runtime, plan, "box", tmp_path)
    conformance.check_life_of_a_container(runtime, plan, "localhost/app", "box", tmp_path)
    conformance.check_images(runtime, "localhost/app")
    conformance.check_ports(runtime)


def test_an_image_in_use_stays(runtime: FakeRuntime) -> None:
    runtime.launch(plan(runtime, "localhost/app", "box"))
    with pytest.raises(EngineError):
        runtime.image("localhost/app").remove()
    runtime.force_remove(["box"])
    runtime.image("localhost/app").remove()
    assert runtime.images() == []


def test_event_lines() -> None:
    event = read_event(json.dumps(LINE).encode())
    assert event is not None
    assert event[1:] == ("box", "e2dd", "died", 137)
    assert event.time == pytest.approx(1767323045.846491)
    newer = {key: value for key, value in LINE.items() if key != "Time"} | {"timeNano": 5_500_000_000, "time": 5}
    started = read_event(json.dumps({**newer, "Status": "start"}).encode())
    assert started is not None and started[0] == 5.5 and started.exit_code is None
    assert read_event(json.dumps({**LINE, "Type": "image"}).encode()) is None


@given(
    st.binary(max_size=80) | st.dictionaries(st.sampled_from([*LINE]), st.text()).map(lambda d: json.dumps(d).encode())
)
def test_any_line_is_an_event_or_none(line: bytes) -> None:
    assert read_event(line) is None or b"Type" in line


def test_events_of_podman_arrive_line_by_line_and_its_end_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "podman"
    later = json.dumps({**LINE, "Time": "2999-01-01T00:00:00Z"})
    program.write_text(f"""#!/bin/sh
echo garbage
echo '{json.dumps(LINE)}'
printf '%s' '{later[:40]}'
sleep 0.3
echo '{later[40:]}'
""")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with PodmanEvents("bo") as events:
        assert events.get(0.0) is None
        event = events.get(5.0)
        assert event is not None and event.status == "died"
        with pytest.raises(EngineError, match="has ended"):
            events.get(5.0)


def test_image_rows() -> None:
    row = {"Id": "ab", "Names": None, "Size": 5, "Created": 7, "Labels": None}
    assert read_image(row) == ("ab", (), 5, 7.0, {})
    with pytest.raises(KeyError):
        read_image({"Id": "ab"})
