"""What every ContainerRuntime must do: run against the fake here, against Podman in tests-integration."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from terok_sandbox.errors import ContainerNotFound, EngineError, EngineTimeout, ImageNotFound, NameTaken
from terok_sandbox.runtime.events import EventStream
from terok_sandbox.runtime.protocol import ContainerRuntime
from terok_sandbox.values.host import ContainerState
from terok_sandbox.values.launch import LaunchPlan

Plan = Callable[[ContainerRuntime, str, str], LaunchPlan]


def statuses(stream: EventStream, last: str) -> list[tuple[str, int | None]]:
    """Return the events up to the one with status *last*, of those that every engine has."""
    seen: list[tuple[str, int | None]] = []
    deadline = time.monotonic() + 20
    while not seen or seen[-1][0] != last:
        event = stream.get(5.0)
        assert time.monotonic() < deadline, seen
        if event is not None and event.status in ("create", "start", "died", "remove"):
            seen.append((event.status, event.exit_code))
    return seen


def check_life_of_a_container(runtime: ContainerRuntime, plan: Plan, image: str, name: str, tmp_path: Path) -> None:
    container = runtime.container(name)
    with runtime.events(name) as events:
        made = runtime.launch(plan(runtime, image, name))
        assert container.id == made
        assert (container.state, container.running) == (ContainerState.RUNNING, True)
        assert container.pid > 0
        assert 0 <= time.time() - (container.started_at or 0) < 600
        assert isinstance(container.mounts, list)
        assert isinstance(container.env, dict)
        assert container.rw_size >= 0
        with pytest.raises(NameTaken):
            runtime.launch(plan(runtime, image, name))
        with pytest.raises(EngineTimeout):
            container.wait(0.2)
        rows = [row for row in runtime.containers_with_prefix(name[:-1]) if row.name == name]
        assert [(row.id, row.state) for row in rows] == [(made, ContainerState.RUNNING)]
        assert runtime.exec(name, ["true"]).ok
        (tmp_path / "file").write_text("x")
        container.copy_in(tmp_path / "file", "/tmp/file")
        container.stop(0)
        container.stop(0)
        assert (container.state, container.pid) == (ContainerState.EXITED, 0)
        assert container.wait(5) == 137
        assert isinstance(container.logs(tail=5), str)
        with pytest.raises(EngineError):
            runtime.exec(name, ["true"])
        container.start()
        assert container.running
        assert [result.removed for result in runtime.force_remove([name, name])] == [True, True]
        assert container.state is ContainerState.MISSING
        assert statuses(events, "remove")[:3] == [("create", None), ("start", None), ("died", 137)]
    with pytest.raises(EngineError):
        events.get(0.1)


def check_what_does_not_exist(runtime: ContainerRuntime, plan: Plan, name: str, tmp_path: Path) -> None:
    container = runtime.container(name)
    assert (container.state, container.running) == (ContainerState.MISSING, False)
    asks: list[Callable[[], object]] = [
        lambda: container.id,
        lambda: container.pid,
        lambda: container.labels,
        lambda: container.env,
        lambda: container.mounts,
        lambda: container.started_at,
        lambda: container.rw_size,
        container.start,
        container.stop,
        lambda: container.wait(1),
        container.logs,
        lambda: runtime.exec(name, ["true"]),
        lambda: container.copy_in(tmp_path, "/tmp"),
    ]
    for ask in asks:
        with pytest.raises(ContainerNotFound):
            ask()
    image = runtime.image("localhost/terok-nowhere:none")
    assert not image.exists()
    for look in (lambda: image.id, image.labels, image.history, image.remove):
        with pytest.raises(ImageNotFound):
            look()
    with pytest.raises(ImageNotFound):
        runtime.launch(plan(runtime, "localhost/terok-nowhere:none", name))
    assert [result.removed for result in runtime.force_remove([name])] == [True]
    assert runtime.containers_with_prefix(name) == []


def check_images(runtime: ContainerRuntime, image: str) -> None:
    assert runtime.image(image).exists()
    row = next(row for row in runtime.images() if image in row.tags)
    assert row.id == runtime.image(image).id
    assert row.labels == runtime.image(image).labels()
    assert isinstance(runtime.image(image).history(), list)
    assert not [row for row in runtime.images(dangling_only=True) if row.tags]


def check_ports(runtime: ContainerRuntime) -> None:
    with runtime.reserve_port() as first, runtime.reserve_port() as second:
        assert 0 < first.port != second.port
        first.release()
        first.release()
