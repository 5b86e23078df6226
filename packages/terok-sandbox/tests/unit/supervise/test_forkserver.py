from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from terok_sandbox import unix_sockets
from terok_sandbox.errors import SupervisorError
from terok_sandbox.supervise import client, frames, hook
from terok_sandbox.vault_addr import LOOPBACK_GATE_PORT

if TYPE_CHECKING:
    from conftest import Lab

DUMMY = Path(__file__).parent / "dummy_workers.py"


def test_one_supervisor_per_container_however_often_it_is_asked(lab: Lab) -> None:
    lab.serve()
    path = lab.wire()
    for _ in range(3):
        client.supervise(lab.cfg, path)
    client.supervise(lab.cfg, lab.wire("other"))
    assert set(client.forkserver_status(lab.cfg)["supervisors"]) == {"box", "other"}
    assert lab.status()["pid"] == client.forkserver_status(lab.cfg)["supervisors"]["box"]


def test_only_one_fork_server_serves(lab: Lab) -> None:
    argv = [sys.executable, str(DUMMY), str(lab.cfg.runtime_dir)]
    racers = [subprocess.Popen(argv) for _ in range(3)]
    try:
        lab.wait_for(lambda: sum(one.poll() is None for one in racers) == 1)
        assert client.forkserver_status(lab.cfg)["pid"] in {one.pid for one in racers}
        assert sorted(one.poll() or 0 for one in racers) == [0, 0, 0]
    finally:
        client.stop_forkserver(lab.cfg)
        for one in racers:
            assert one.wait(10) == 0


def test_a_dying_one_leaves_its_successor_s_socket(lab: Lab) -> None:
    lab.serve()
    old = lab.server
    assert old is not None
    for path in (lab.cfg.runtime_dir / "forkserver.lock", lab.cfg.forkserver_socket):
        path.unlink()  # as when the runtime directory is made anew
    try:
        lab.serve()
        old.terminate()
        assert old.wait(10) == 0
        assert client.forkserver_status(lab.cfg)["pid"] == lab.server.pid  # type: ignore[union-attr]
    finally:
        old.kill()
        old.wait(10)


def both(status: dict[str, Any]) -> bool:
    return len(status["workers"]) == 2 and all(one["pid"] for one in status["workers"].values())


def test_a_client_of_another_build_replaces_it_and_its_children_live_on(lab: Lab) -> None:
    lab.serve()
    path = lab.wire()
    container = lab.container()
    lab.run_hook(path, container.pid)
    old = lab.await_status(both)
    with unix_sockets.connect(lab.cfg.forkserver_socket, timeout=5) as channel:
        frame = frames.encode("supervise", sidecar=str(path), replace=True).replace(hook.BUILD.encode(), b"99.0")
        channel.send(frame)
        answer = frames.receive(channel)
    assert answer is not None
    assert answer.fields["replaced"] is True
    assert lab.server is not None
    assert lab.server.wait(10) == 0
    assert not lab.cfg.forkserver_socket.exists()

    lab.serve()
    client.supervise(lab.cfg, path)
    assert lab.status()["pid"] == old["pid"]
    assert lab.ask(container.pid, LOOPBACK_GATE_PORT, "")["pid"] == old["workers"]["gateway"]["pid"]


def test_the_hook_of_another_build_does_not_replace_it(lab: Lab, tmp_path: Path) -> None:
    lab.serve()
    path = lab.wire()
    other = tmp_path / "hook.py"
    other.write_text(Path(hook.__file__).read_text().replace(f'BUILD = "{hook.BUILD}"', 'BUILD = "0.0.1"'))
    assert lab.run_hook(path, lab.container().pid, script=other).stderr == ""
    assert lab.server is not None
    assert lab.server.poll() is None


def test_changed_sources_end_it(lab: Lab, tmp_path: Path) -> None:
    source = tmp_path / "terok_lab_worker.py"
    source.write_text("from dummy_workers import broker\n")
    os.environ["PYTHONPATH"] = str(tmp_path)
    try:
        lab.serve(broker="terok_lab_worker:broker")
    finally:
        del os.environ["PYTHONPATH"]
    client.supervise(lab.cfg, lab.wire("before"))
    os.utime(source, (1, 1))
    answer = client._ask(lab.cfg.forkserver_socket, "supervise", sidecar=str(lab.wire()), replace=True)
    assert answer["replaced"] is True


def test_a_sidecar_of_another_tree_is_refused(lab: Lab) -> None:
    lab.serve()
    path = lab.wire()
    path.write_text(path.read_text().replace(str(lab.cfg.runtime_dir), "/tmp/elsewhere"))
    with pytest.raises(SupervisorError, match="not below"):
        client.supervise(lab.cfg, path)


def test_both_killed_a_new_pair_takes_over(lab: Lab) -> None:
    lab.serve()
    path = lab.wire()
    container = lab.container()
    lab.run_hook(path, container.pid)
    old = lab.await_status(both)
    lab.wait_for((lab.cfg.container_runtime_dir("box") / "supervisor.json").exists)
    assert lab.server is not None
    lab.server.kill()
    lab.server.wait()
    assert lab.status()["pid"] == old["pid"]
    os.kill(old["pid"], signal.SIGKILL)
    lab.serve()
    took = client.redo_handover(lab.cfg, "box", container.pid)
    assert 0 < took < 5000
    new = lab.await_status(lambda one: one["pid"] != old["pid"] and both(one))
    assert new["container_pid"] == container.pid
    assert lab.ask(container.pid, LOOPBACK_GATE_PORT, "")["container"] == "box"


def test_a_stop_leaves_the_supervisors(lab: Lab) -> None:
    lab.serve()
    client.supervise(lab.cfg, lab.wire())
    assert client.stop_forkserver(lab.cfg)
    assert not client.stop_forkserver(lab.cfg)
    assert lab.status()["prepared"] is False
