"""Real rootless Podman, real nft: a container is supervised, or it does not start."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from supervised import Supervised, wait_for
from terok_sandbox.supervise import client, hook
from terok_sandbox.values.launch import Network

IMAGE = os.environ.get("TEROK_TEST_IMAGE", "localhost/terok-base:trixie")
pytestmark = pytest.mark.usefixtures("base_image")
REAL_RULES = {"rules": "terok_sandbox.supervise.rules:rules_for"}
GATEWAY, BROKER = 9418, 9419


class Host(Supervised):
    """The dummy workers behind the real rules, and Podman with our hook."""

    def __init__(self, base: Path) -> None:
        super().__init__(base)
        self.cfg.hooks_dir.mkdir(parents=True)
        script = shutil.copy(hook.__file__, self.cfg.hooks_dir)
        descriptor = {
            "version": "1.0.0",
            "hook": {"path": "/usr/bin/python3", "args": ["python3", "-I", "-S", script]},
            "when": {"annotations": {r"^terok\.sandbox\.sidecar$": ".+"}},
            "stages": ["createRuntime"],
        }
        (self.cfg.hooks_dir / "terok.json").write_text(json.dumps(descriptor))

    def serve(self, **settings: Any) -> None:
        super().serve(**REAL_RULES | settings)

    def podman(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        argv = ["podman", "--hooks-dir", str(self.cfg.hooks_dir), *arguments]
        return subprocess.run(argv, check=check, capture_output=True, text=True, timeout=60)

    def name(self, suffix: str, network: Network | None = None) -> str:
        name = f"sup-{os.getpid()}-{suffix}"
        self.wire(name, network=network)
        return name

    def interfaces(self, name: str) -> list[str]:
        return self.podman("exec", name, "cat", "/proc/net/dev").stdout.splitlines()[2:]

    def refusal(self, name: str) -> str:
        """Try to start a container that must not start; return what the hook said, which crun tells nobody."""
        assert self.run(name, check=False).returncode != 0
        assert self.podman("inspect", "--format={{.State.Running}}", name).stdout.strip() == "false"
        return (self.cfg.container_state_dir(name) / "hook.log").read_text()

    def run(self, name: str, *, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self.podman(
            "run",
            "--detach",
            f"--name={name}",
            "--userns=keep-id:uid=1000,gid=1000",
            "--cap-drop=all",
            "--network=none",
            f"--annotation={hook.ANNOTATION}={self.cfg.sidecar_path(name)}",
            f"--volume={self.cfg.guest_dir(name)}:/run/terok:ro",
            IMAGE,
            "sleep",
            "300",
            check=check,
        )

    def ask(self, name: str, port: int, line: str = "") -> dict[str, Any]:
        """Ask a dummy worker from within the container."""
        script = f"exec 3<>/dev/tcp/127.0.0.1/{port} && echo '{line}' >&3 && cat <&3"
        return dict(json.loads(self.podman("exec", name, "timeout", "20", "bash", "-c", script).stdout or "{}"))

    def status(self, name: str, ready: Callable[[dict[str, Any]], bool] = lambda one: True) -> dict[str, Any]:
        return self.await_status(ready, name)

    def close(self) -> None:
        for name in self.names:
            self.podman("rm", "--force", "--time=0", name, check=False)
        super().close()


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    made = Host(tmp_path)
    yield made
    made.close()


def both(status: dict[str, Any]) -> bool:
    return len(status.get("workers", {})) == 2 and all(one["pid"] for one in status["workers"].values())


def network() -> Network:
    """Return the program that connects a rootless container here."""
    version = subprocess.run(["podman", "--version"], check=True, capture_output=True, text=True).stdout.split()[-1]
    return "slirp4netns" if int(version.split(".")[0]) < 5 else "pasta"


@pytest.mark.parametrize("kind", ["none", "default"])
def test_a_supervised_container_has_rules_and_listeners_before_its_first_process(host: Host, kind: str) -> None:
    host.serve()
    name = host.name(kind, network=None if kind == "none" else network())
    client.supervise(host.cfg, host.cfg.sidecar_path(name))
    host.run(name)
    assert host.status(name)["prepared"] is True
    assert len(host.interfaces(name)) == (1 if kind == "none" else 2)
    rules = host.ask(name, GATEWAY, "nft list table inet terok")["nft"]
    assert "hook output priority filter; policy drop;" in rules
    assert host.ask(name, BROKER)["container"] == name
    refused = host.podman("exec", name, "timeout", "5", "bash", "-c", "echo > /dev/tcp/192.0.2.1/80", check=False)
    assert refused.returncode != 0
    assert host.podman("exec", name, "test", "-S", "/run/terok/vault.sock", check=False).returncode == 0


@pytest.mark.attack("CNF-1")
def test_the_way_out_ends_with_the_supervisor_and_comes_back_with_it(host: Host) -> None:
    host.serve()
    name = host.name("uplink", network=network())
    host.run(name)
    record = host.cfg.container_runtime_dir(name) / "supervisor.json"

    def uplink() -> int:
        return int(json.loads(record.read_text())["workers"].get("uplink", {}).get("pid", 0)) if record.exists() else 0

    host.status(name, both)
    wait_for(lambda: uplink() > 0)
    first = uplink()
    os.kill(host.status(name)["pid"], signal.SIGSTOP)
    host.podman("unshare", "kill", "-9", str(first))
    wait_for(lambda: len(host.interfaces(name)) == 1)
    os.kill(json.loads(record.read_text())["pid"], signal.SIGCONT)
    wait_for(lambda: uplink() not in (0, first) and len(host.interfaces(name)) == 2)
    assert host.server is not None
    host.server.send_signal(signal.SIGSTOP)
    os.kill(host.status(name)["pid"], signal.SIGKILL)
    wait_for(lambda: len(host.interfaces(name)) == 1)
    host.server.send_signal(signal.SIGCONT)
    wait_for(lambda: len(host.interfaces(name)) == 2)
    host.podman("stop", "--time=0", name)
    wait_for(lambda: not record.exists())


def test_what_cannot_be_connected_does_not_start(host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / network()
    broken.write_text("#!/bin/sh\necho no tunnel for you >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    host.serve()
    name = host.name("broken", network=network())
    assert "could not connect the container" in host.refusal(name)
    assert "no tunnel for you" in (host.cfg.container_state_dir(name) / "supervisor.log").read_text()


def test_nobody_takes_the_handover_the_container_does_not_start(host: Host) -> None:
    name = host.name("alone")
    assert f"terok: container {name} not started: no supervisor is running" in host.refusal(name)


@pytest.mark.parametrize("rules", ["broken_rules", "unverified_rules"])
def test_the_rules_cannot_be_loaded_or_verified_the_container_does_not_start(host: Host, rules: str) -> None:
    host.serve(rules=f"dummy_workers:{rules}")
    name = host.name("broken")
    assert f"terok: container {name} not started: " in host.refusal(name)


def test_a_worker_dies_while_a_client_waits(host: Host) -> None:
    host.serve()
    name = host.name("worker")
    host.run(name)
    for port, worker in ((BROKER, "broker"), (GATEWAY, "gateway")):
        old = host.status(name, both)["workers"][worker]["pid"]
        os.kill(old, signal.SIGSTOP)
        script = f"exec 3<>/dev/tcp/127.0.0.1/{port} && echo >&3 && cat <&3"
        argv = ["podman", "exec", name, "timeout", "20", "bash", "-c", script]
        waiting = subprocess.Popen(argv, stdout=subprocess.PIPE)
        time.sleep(0.5)
        os.kill(old, signal.SIGKILL)
        told, _ = waiting.communicate(timeout=20)
        assert json.loads(told)["pid"] == host.status(name, both)["workers"][worker]["pid"] != old
        assert host.status(name)["workers"][worker]["restarts"] == 1


def test_a_killed_supervisor_is_made_again_and_serves_again(host: Host) -> None:
    host.serve()
    name = host.name("phoenix")
    host.run(name)
    old = host.status(name, both)
    wait_for((host.cfg.container_runtime_dir(name) / "supervisor.json").exists)
    os.kill(old["pid"], signal.SIGKILL)
    new = host.status(name, lambda one: one["pid"] != old["pid"] and both(one))
    assert new["container_pid"] == old["container_pid"]
    assert "policy drop" in host.ask(name, GATEWAY, "nft list table inet terok")["nft"]
    assert host.ask(name, BROKER)["container"] == name


def test_a_restart_and_a_bare_start_are_supervised_again(host: Host) -> None:
    host.serve()
    name = host.name("again")
    host.run(name)
    first = host.status(name, both)
    host.podman("restart", "--time=0", name)
    second = host.status(name, lambda one: one["container_pid"] != first["container_pid"] and both(one))
    assert host.ask(name, BROKER)["container"] == name
    host.podman("stop", "--time=0", name)
    wait_for(lambda: not (host.cfg.container_runtime_dir(name) / "supervisor.sock").exists())
    host.podman("start", name)
    third = host.status(name, both)
    assert third["container_pid"] not in (first["container_pid"], second["container_pid"])
    assert host.ask(name, GATEWAY)["container"] == name


def test_a_worker_holds_no_descriptor_of_another_container(host: Host) -> None:
    host.serve()
    names = [host.name(suffix) for suffix in ("a", "b", "c")]
    for name in names:
        host.run(name)
    for port in (GATEWAY, BROKER):
        states = [host.ask(name, port, "state") for name in names]
        held = [{one for one in state["descriptors"].values() if ":[" in one} for state in states]
        private = [{one for one in each if not one.startswith("anon_inode")} for each in held]
        assert not private[0] & private[1]
        assert not private[0] & private[2]
        assert not private[1] & private[2]
        # standard streams, the listeners and pipes of its own, and what its event loop and this question opened
        assert all(len(state["descriptors"]) == 3 + len(state["own"]) + 4 for state in states)
