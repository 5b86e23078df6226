from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from terok_sandbox import unix_sockets
from terok_sandbox.config.model import RECORD_FILE
from terok_sandbox.errors import SupervisorError
from terok_sandbox.supervise import client, frames, handover
from terok_sandbox.vault_addr import LOOPBACK_GATE_PORT, LOOPBACK_VAULT_PORT

if TYPE_CHECKING:
    from conftest import Lab


def test_a_handover_serves_the_container_until_it_ends(lab: Lab) -> None:
    lab.serve()
    path = lab.wire()
    client.supervise(lab.cfg, path)
    assert lab.status()["prepared"] is False
    container = lab.container()
    assert lab.run_hook(path, container.pid).stderr == ""

    status = lab.status()
    assert status["prepared"] is True
    assert status["container_pid"] == container.pid
    gateway = lab.ask(container.pid, LOOPBACK_GATE_PORT, "nft list table inet terok")
    broker = lab.ask(container.pid, LOOPBACK_VAULT_PORT, "")
    assert "policy drop" in gateway["nft"]
    assert broker["container"] == "box"
    assert broker["pid"] != gateway["pid"]
    assert {one["pid"] for one in lab.status()["workers"].values()} == {broker["pid"], gateway["pid"]}
    vault = lab.cfg.guest_dir("box") / "vault.sock"
    assert vault.stat().st_mode & 0o777 == 0o666

    container.kill()
    container.wait()
    lab.wait_for(lambda: not vault.exists())
    for pid in (broker["pid"], gateway["pid"], status["pid"]):
        lab.wait_for(lambda pid=pid: not alive(pid))
    left = {one.name for one in lab.cfg.container_runtime_dir("box").iterdir()}
    assert left == {"guest", "clearance", "activity"}
    assert not list((lab.cfg.container_runtime_dir("box") / "activity").iterdir())
    with pytest.raises(client.NotRunningError):
        lab.status()
    assert "vault serves box" in lab.log()


def test_the_hook_finds_a_supervisor_through_the_fork_server(lab: Lab) -> None:
    lab.serve()
    path = lab.wire(vault=False)
    container = lab.container()
    assert lab.run_hook(path, container.pid).stderr == ""
    status = lab.await_status(lambda one: bool(one["workers"]))
    assert set(status["workers"]) == {"gateway"}
    with pytest.raises(ConnectionRefusedError):
        lab.connect_inside(container.pid, LOOPBACK_VAULT_PORT)


def test_a_worker_holds_its_own_and_is_confined(lab: Lab) -> None:
    lab.serve()
    pids = []
    for name in ("one", "two"):
        path = lab.wire(name)
        container = lab.container()
        assert lab.run_hook(path, container.pid).stderr == ""
        pids.append(container.pid)
    for port, count in ((LOOPBACK_GATE_PORT, 7), (LOOPBACK_VAULT_PORT, 4)):
        states = [lab.ask(pid, port, "state") for pid in pids]
        for state in states:
            inherited = {int(number) for number in state["descriptors"]} - set(range(3)) - set(state["own"])
            made = {state["descriptors"][str(number)] for number in inherited}
            assert len(state["own"]) == count
            # asyncio's poll, its pair of wake-up sockets and this connection: nothing that was inherited
            assert len(made) == 4
            assert state["no_new_privs"] == "1"
            assert int(state["signals"], 16) == 0
            assert state["group"] == state["pid"]
            assert state["core"] == "0"
            assert state["memory_owner"] == 0 or os.geteuid() == 0
        shared = set(states[0]["descriptors"].values()) & set(states[1]["descriptors"].values())
        assert {one for one in shared if one.startswith(("socket:", "pipe:"))} == set()


def test_a_client_waits_while_its_worker_is_made_again(lab: Lab) -> None:
    lab.serve()
    path = lab.wire()
    container = lab.container()
    lab.run_hook(path, container.pid)
    for port, name in ((LOOPBACK_VAULT_PORT, "broker"), (LOOPBACK_GATE_PORT, "gateway")):
        before = lab.ask(container.pid, port, "")
        lab.ask(container.pid, port, "crash")
        with lab.connect_inside(container.pid, port) as waiting:
            waiting.sendall(b"\n")
            waiting.settimeout(5)
            after = json.loads(waiting.makefile().readline())
        assert after["pid"] != before["pid"]
        status = lab.await_status(lambda one, name=name: one["workers"][name]["restarts"] == 1)
        assert status["workers"][name]["pid"] == after["pid"]
    assert "nft" in lab.ask(container.pid, LOOPBACK_GATE_PORT, "nft list table inet terok")


@pytest.mark.attack("ACC-1")
def test_a_worker_that_takes_too_much_memory_is_made_again(lab: Lab) -> None:
    """ACC-1: supervisor and workers have a ceiling; at a worker's its connections end, and the next one serves."""
    lab.serve(worker_memory=256 * 1024**2)
    path = lab.wire()
    container = lab.container()
    lab.run_hook(path, container.pid)
    before = lab.ask(container.pid, LOOPBACK_VAULT_PORT, "state")
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    assert before["limits"] == [256 * 1024**2, min(hard, 65536)]
    supervisor = Path(f"/proc/{lab.status()['pid']}/limits").read_text()
    assert str(512 * 1024**2) in supervisor.partition("Max data size")[2].splitlines()[0]
    with lab.connect_inside(container.pid, LOOPBACK_VAULT_PORT) as greedy:
        greedy.settimeout(20)
        greedy.sendall(b"hoard\n")
        with suppress(ConnectionError):
            assert greedy.recv(10) == b""
    after = lab.ask(container.pid, LOOPBACK_VAULT_PORT, "")
    assert after["pid"] != before["pid"], lab.log()
    assert "more memory than a worker may have" in lab.log()


def test_a_gateway_without_its_nft_is_made_again(lab: Lab) -> None:
    lab.serve()
    path = lab.wire()
    container = lab.container()
    lab.run_hook(path, container.pid)
    before = lab.ask(container.pid, LOOPBACK_GATE_PORT, "")
    for pid in children(lab.status()["pid"]):
        if os.path.basename(os.readlink(f"/proc/{pid}/exe") if readable(pid) else "") == "nft":
            os.kill(pid, signal.SIGKILL)
    lab.await_status(lambda one: one["workers"]["gateway"]["restarts"] == 1)
    after = lab.ask(container.pid, LOOPBACK_GATE_PORT, "nft list table inet terok")
    assert after["pid"] != before["pid"]
    assert "policy drop" in after["nft"]


def test_a_worker_that_cannot_start_backs_off_and_hurts_nobody(lab: Lab) -> None:
    lab.serve(broker="dummy_workers:crashing")
    path = lab.wire()
    container = lab.container()
    assert lab.run_hook(path, container.pid).stderr == ""
    lab.await_status(lambda one: one["workers"].get("broker", {}).get("restarts", 0) >= 3)
    first = lab.status()["workers"]["broker"]["restarts"]
    time.sleep(0.5)
    assert lab.status()["workers"]["broker"]["restarts"] - first <= 2
    assert lab.ask(container.pid, LOOPBACK_GATE_PORT, "")["container"] == "box"
    assert "this worker cannot start" in lab.log()


def ignores_term(pid: int) -> bool:
    (ignored,) = (line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("SigIgn:"))
    return bool(int(ignored.split()[1], 16) >> (signal.SIGTERM - 1) & 1)


def test_a_worker_that_will_not_stop_is_killed(lab: Lab) -> None:
    lab.serve(gateway="dummy_workers:stubborn", stop_grace=0.3)
    path = lab.wire()
    container = lab.container()
    lab.run_hook(path, container.pid)
    pid = lab.await_status(lambda one: bool(one["workers"].get("gateway", {}).get("pid")))["workers"]["gateway"]["pid"]
    lab.wait_for(lambda: ignores_term(pid), 5)
    assert client.stop_supervisor(lab.cfg, "box")
    lab.wait_for(lambda: not alive(pid), 3)
    lab.wait_for(lambda: "SIGKILL" in lab.log(), 3)


def test_rules_that_do_not_load_stop_the_container(lab: Lab) -> None:
    lab.serve(rules="dummy_workers:broken_rules")
    path = lab.wire()
    done = lab.run_hook(path, lab.container().pid)
    assert done.returncode == 1
    assert "nft" in done.stderr
    assert lab.status()["prepared"] is False
    assert lab.status()["workers"] == {}


def test_rules_that_are_not_those_meant_stop_the_container(lab: Lab) -> None:
    lab.serve(rules="dummy_workers:unverified_rules")
    path = lab.wire()
    assert lab.run_hook(path, lab.container().pid).returncode == 1
    assert lab.status()["prepared"] is False


WAY_OUT = """\
#!/bin/sh
while [ "$1" != --pid ]; do shift; done
echo $$ > {started}.new
mv {started}.new {started}
echo $$ > "$2"
exec sleep 300
"""


def test_only_before_a_container_runs_may_its_way_out_start_beside_its_rules(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = lab.wire(network="pasta")
    started = lab.cfg.container_state_dir("box") / "started"
    program = tmp_path / "pasta"
    program.write_text(WAY_OUT.format(started=started))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    lab.serve(rules="dummy_workers:late_rules")
    with pytest.raises(SupervisorError, match="not the rules"):
        client.redo_handover(lab.cfg, "box", lab.container().pid)
    assert not started.exists(), "a container that runs would have had a network without rules"
    assert lab.run_hook(path, lab.container().pid).returncode == 1
    process = int(started.read_text())
    lab.wait_for(lambda: not alive(process))


def test_the_next_run_of_a_container_replaces_the_last(lab: Lab) -> None:
    lab.serve()
    path = lab.wire()
    first, second = lab.container(), lab.container()
    assert lab.run_hook(path, first.pid).stderr == ""
    first.kill()
    first.wait()
    assert lab.run_hook(path, second.pid).stderr == ""
    status = lab.await_status(lambda one: one["container_pid"] == second.pid and len(one["workers"]) == 2)
    assert status["prepared"] is True
    assert lab.ask(second.pid, LOOPBACK_GATE_PORT, "")["container"] == "box"


def test_another_container_cannot_take_the_place_of_a_running_one(lab: Lab) -> None:
    lab.serve()
    path = lab.wire()
    first, second = lab.container(), lab.container()
    assert lab.run_hook(path, first.pid, container_id="aaa").stderr == ""
    done = lab.run_hook(path, second.pid, container_id="bbb")
    assert done.returncode == 1
    assert "another container runs as box" in done.stderr
    assert lab.status()["container_pid"] == first.pid


def test_a_hook_of_another_protocol_is_told_to_run_setup(lab: Lab) -> None:
    lab.serve()
    client.supervise(lab.cfg, lab.wire())
    with unix_sockets.connect(lab.cfg.control_socket("box"), timeout=5) as channel:
        channel.send(b'{"v": 2, "build": "9.9", "type": "handover"}')
        answer = frames.receive(channel)
    assert answer is not None
    assert answer.kind == "error"
    assert "protocol 2" in answer.text("message")
    assert "terok-sandbox setup" in answer.text("hint")


def test_descriptors_that_do_not_belong_together_are_refused(lab: Lab) -> None:
    lab.serve()
    path = lab.wire()
    client.supervise(lab.cfg, path)
    one, two = lab.container(), lab.container()
    mixed = [os.open(f"/proc/{one.pid}/ns/net", os.O_RDONLY), os.pidfd_open(two.pid)]
    other = [os.open(f"/proc/{two.pid}/ns/net", os.O_RDONLY), os.pidfd_open(one.pid)]
    for descriptors in (mixed, other, mixed[:1], [], [mixed[1], mixed[0]]):
        with unix_sockets.connect(lab.cfg.control_socket("box"), timeout=5) as channel:
            frames.send(channel, "handover", descriptors=descriptors, sidecar=str(path), container_id="x", pid=two.pid)
            answer = frames.receive(channel)
        assert answer is not None
        assert answer.kind == "error"
    for number in (*mixed, *other):
        os.close(number)


@pytest.mark.attack("NET-3")
def test_the_host_s_own_network_is_never_taken_for_a_container_s(lab: Lab) -> None:
    """As root, its rules would close the whole machine."""
    lab.serve()
    path = lab.wire()
    with subprocess.Popen(["sleep", "300"]) as process:
        try:
            done = lab.run_hook(path, process.pid)
            assert done.returncode == 1
            assert "--network host" in done.stderr
            with pytest.raises(SupervisorError, match="network namespace"):
                client.redo_handover(lab.cfg, "box", process.pid)
        finally:
            process.kill()
    assert lab.status()["prepared"] is False


def test_a_killed_supervisor_is_made_again(lab: Lab) -> None:
    lab.serve()
    path = lab.wire()
    container = lab.container()
    lab.run_hook(path, container.pid)
    old = lab.await_status(lambda one: len(one["workers"]) == 2)
    lab.wait_for((lab.cfg.container_runtime_dir("box") / RECORD_FILE).exists)
    os.kill(old["pid"], signal.SIGKILL)
    new = lab.await_status(lambda one: one["pid"] != old["pid"] and one["prepared"] and len(one["workers"]) == 2)
    assert new["container_pid"] == container.pid
    for port in (LOOPBACK_GATE_PORT, LOOPBACK_VAULT_PORT):
        assert lab.ask(container.pid, port, "")["container"] == "box"
    for worker in old["workers"].values():
        assert not alive(worker["pid"])


def test_a_record_of_a_process_that_was_replaced_is_not_believed(lab: Lab) -> None:
    lab.serve()
    path = lab.wire()
    container = lab.container()
    target = handover.open_first_process(container.pid)
    record = handover.HandoverRecord(
        pid=1,
        sidecar=str(path),
        container_id="x",
        container=handover.ProcessId(container.pid, target.start_time - 1),
        netns=target.netns_id,
    )
    target.close()
    record.save(lab.cfg.container_runtime_dir("box") / RECORD_FILE)
    client.supervise(lab.cfg, path)
    assert lab.status()["prepared"] is False
    assert "cannot take over" in lab.log()


def test_a_record_is_read_back_or_refused(lab: Lab) -> None:
    lab.wire()
    path = lab.cfg.container_runtime_dir("box") / RECORD_FILE
    record = handover.HandoverRecord(
        pid=5,
        sidecar="/s",
        container_id="x",
        container=handover.ProcessId(7, 8),
        netns=(1, 2),
        workers={"broker": handover.ProcessId(9, 10)},
    )
    record.save(path)
    assert handover.read_record(path) == record
    for damaged in ("", "[]", '{"schema": 2}', '{"schema": 1, "pid": 1}', path.read_text().replace("netns", "x")):
        path.write_text(damaged)
        with pytest.raises(SupervisorError):
            handover.read_record(path)


def test_a_supervisor_without_a_container_ends(lab: Lab) -> None:
    lab.serve(handover_timeout=0.3)
    client.supervise(lab.cfg, lab.wire())
    lab.wait_for(lambda: not client.forkserver_status(lab.cfg)["supervisors"], 5)
    assert "no container came" in lab.log()


def test_a_silent_client_blocks_nobody(lab: Lab) -> None:
    lab.serve()
    path = lab.wire()
    client.supervise(lab.cfg, path)
    address = lab.cfg.control_socket("box")
    silent = [unix_sockets.connect(address, timeout=5) for _ in range(5)]
    assert lab.status()["prepared"] is False
    for one in silent:
        one.close()


def alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def readable(pid: int) -> bool:
    try:
        os.readlink(f"/proc/{pid}/exe")
    except OSError:
        return False
    return True


def children(pid: int) -> list[int]:
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(one) for one in file.read().split()]


def test_what_a_killed_worker_has_started_ends_with_it(lab: Lab) -> None:
    lab.serve()
    path, container = lab.wire(), lab.container()
    assert lab.run_hook(path, container.pid).stderr == ""
    told = lab.ask(container.pid, LOOPBACK_GATE_PORT, "spawn")
    group = told["spawned"]
    os.kill(told["pid"], signal.SIGKILL)
    lab.wait_for(lambda: not _in_session(group))
    assert lab.ask(container.pid, LOOPBACK_GATE_PORT, "")["pid"] != told["pid"]


def _in_session(session: int) -> list[int]:
    found = []
    for entry in filter(str.isdecimal, os.listdir("/proc")):
        with suppress(OSError):
            if os.getsid(int(entry)) == session:
                found.append(int(entry))
    return found
