"""What breaks underneath a container, broken for real: no packet gets out, nothing stays, the user is told."""

from __future__ import annotations

import json
import os
import resource
import secrets
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from support import Shell
from terok_sandbox import RunSpec, Sandbox, unix_sockets
from terok_sandbox.audit import timestamp
from terok_sandbox.audit_chain import verify_audit
from terok_sandbox.errors import SandboxError
from terok_sandbox.launch.spec import Wiring
from terok_sandbox.runtime.podman import PodmanRuntime
from terok_sandbox.sidecar import PolicyTiers
from terok_sandbox.supervise import client, hook, janitor
from terok_sandbox.vault.unlock import open_vault
from terok_util import remove_tree

OUTSIDE = "exec 3<>/dev/tcp/192.0.2.1/80"
REQUEST = "GET /v1/x HTTP/1.1\\r\\nHost: vault\\r\\nConnection: close\\r\\nx-api-key: TOKEN\\r\\n\\r\\n"
VAULT = f"exec 3<>/dev/tcp/127.0.0.1/9419 && printf '{REQUEST}' >&3 && cat <&3"


def wait_for(condition: Callable[[], object], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


class Box:
    """One supervised container with a token in the vault."""

    tiers = PolicyTiers()

    def __init__(self, sh: Shell, image: str, name: str) -> None:
        self.sh = sh
        self.image = image
        self.name = name
        self.sandbox = Sandbox()
        self.config = self.sandbox.config
        self.token = ""

    def run(self) -> None:
        with open_vault(self.config) as vault:
            self.token = vault.create_token(self.name, "demo", "default")
        spec = RunSpec(
            container_name=self.name,
            image=self.image,
            workdir="/tmp",
            command=("sleep", "600"),
            wiring=Wiring(scope="chaos", vault=True, tiers=self.tiers),
        )
        self.sandbox.run(spec)
        wait_for(self.served)

    def served(self) -> bool:
        with suppress(client.NotRunningError):
            status = client.status(self.config, self.name)
            return bool(status["prepared"]) and all(one["pid"] for one in status["workers"].values())
        return False

    def processes(self) -> dict[str, int]:
        status = client.status(self.config, self.name)
        return {"supervisor": status["pid"]} | {name: one["pid"] for name, one in status["workers"].items()}

    def inside(self, script: str, seconds: int = 3) -> subprocess.CompletedProcess[str]:
        argv = ["podman", "exec", self.name, "timeout", str(seconds), "bash", "-c", script]
        return subprocess.run(argv, capture_output=True, text=True, timeout=60)

    def gets_out(self) -> bool:
        return self.inside(OUTSIDE).returncode == 0

    def ask_vault(self) -> str:
        return self.inside(VAULT.replace("TOKEN", self.token), 10).stdout

    def runs(self) -> bool:
        told = self.sh("podman", "inspect", "-f", "{{.State.Running}}", self.name, code=None)
        return told.out.strip() == "true"

    def refused_start(self) -> str:
        """Start it bare, which must be refused; return what the hook said, which crun keeps to itself."""
        log = self.config.container_state_dir(self.name) / "hook.log"
        refused = self.sh("podman", "start", self.name, code=None)
        assert refused.code != 0
        assert not self.runs()
        return refused.text + (log.read_text() if log.exists() else "")

    def tokens(self) -> int:
        with open_vault(self.config) as vault:
            return len(vault.list_tokens(self.name))


@pytest.fixture
def box(ready: Shell, base_image: str, real_key: str) -> Iterator[Box]:
    name = f"chaos-{secrets.token_hex(4)}"
    made = Box(ready, base_image, name)
    yield made
    assert all(result.removed for result in made.sandbox.rm(name))


def kill(*pids: int) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("damage", ["missing", "symlink", "open to others", "newer schema", "of another container"])
def test_a_sidecar_that_cannot_be_trusted_stops_the_start(box: Box, tmp_path: Path, damage: str) -> None:
    box.run()
    box.sandbox.stop(box.name, 0)
    path = box.config.sidecar_path(box.name)
    kept = path.read_text()
    document = json.loads(kept)
    path.unlink()
    if damage == "symlink":
        (tmp_path / path.name).write_text(kept)
        (tmp_path / path.name).chmod(0o600)
        path.symlink_to(tmp_path / path.name)
    elif damage != "missing":
        changed = {"newer schema": {"schema": 99}, "of another container": {"container_name": "other"}}
        path.write_text(json.dumps(document | changed.get(damage, {})))
        path.chmod(0o644 if damage == "open to others" else 0o600)
    refused = box.refused_start()
    assert f"container {box.name} not started: its sidecar" in refused
    assert "terok-sandbox" in refused


def test_a_foreign_sidecar_stops_the_start(box: Box) -> None:
    """The file is made another user's with the subordinate ids of this one."""
    box.run()
    box.sandbox.stop(box.name, 0)
    path = box.config.sidecar_path(box.name)
    box.sh("podman", "unshare", "chown", "5:5", str(path))
    try:
        assert "not started" in box.refused_start()
    finally:
        box.sh("podman", "unshare", "chown", "0:0", str(path))


@pytest.mark.attack("OPS-1")
def test_a_hook_killed_half_way_stops_the_start(box: Box) -> None:
    box.run()
    box.sandbox.stop(box.name, 0)
    wait_for(lambda: not (box.config.container_runtime_dir(box.name) / "supervisor.sock").exists())
    server = int(client.forkserver_status(box.config)["pid"])
    os.kill(server, signal.SIGSTOP)  # the hook waits for it
    try:
        starting = subprocess.Popen(["podman", "start", box.name], stderr=subprocess.PIPE, text=True)
        script = str(box.config.hooks_dir).encode()
        found: list[int] = []

        def hooks() -> list[int]:
            found[:] = [pid for pid in pids() if script in cmdline(pid) and b"-I" in cmdline(pid)]
            return found

        wait_for(hooks)
        kill(*found)
        _, said = starting.communicate(timeout=30)
    finally:
        os.kill(server, signal.SIGCONT)
    assert starting.returncode != 0
    assert "hook" in said
    assert not box.runs()
    box.sandbox.start(box.name)
    wait_for(box.served)
    assert not box.gets_out()


def pids() -> list[int]:
    return [int(entry) for entry in os.listdir("/proc") if entry.isdecimal()]


def cmdline(pid: int) -> bytes:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


@pytest.mark.attack("OPS-1")
@pytest.mark.parametrize("victim", ["broker", "gateway", "supervisor", "fork server"])
def test_one_process_killed_is_made_good(box: Box, victim: str) -> None:
    box.run()
    before = box.processes() | {"fork server": int(client.forkserver_status(box.config)["pid"])}
    kill(before[victim])
    assert not box.gets_out(), "the rules do not depend on any process"
    if victim != "fork server":
        wait_for(lambda: box.served() and box.processes()[victim] != before[victim])
    assert "HTTP/1" in box.ask_vault()
    client.ensure_forkserver(box.config)
    assert box.served()
    assert not box.gets_out()


@pytest.mark.attack("OPS-1")
def test_all_processes_killed_at_once_and_supervised_again(box: Box) -> None:
    box.run()
    before = box.processes()
    kill(int(client.forkserver_status(box.config)["pid"]), *before.values())
    wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in before.values()))
    assert not box.gets_out()
    assert box.ask_vault() == ""
    assert box.runs()
    told = box.sh("terok-sandbox", "doctor", code=2)
    assert f"terok-sandbox supervisor redo {box.name}" in told.text
    box.sh("terok-sandbox", "supervisor", "redo", box.name)
    wait_for(box.served)
    assert "HTTP/1" in box.ask_vault()
    assert not box.gets_out()


def test_the_runtime_directory_is_lost_with_a_reboot(box: Box) -> None:
    box.run()
    kill(int(client.forkserver_status(box.config)["pid"]), *box.processes().values())
    box.sh("podman", "stop", "-t", "0", box.name)
    remove_tree(box.config.runtime_dir)
    assert box.refused_start(), "what is mounted from there is gone, and nobody makes a fork server from within Podman"
    box.sandbox.start(box.name)
    wait_for(box.served)
    assert not box.gets_out()
    wait_for(box.config.vault_session_file.exists)
    wait_for(lambda: " 503 " not in box.ask_vault().splitlines()[0])
    box.sandbox.stop(box.name, 0)
    box.config.vault_session_file.unlink()
    box.sh("podman", "start", box.name)
    wait_for(box.served)
    wait_for(lambda: " 503 " not in box.ask_vault().splitlines()[0])


def test_no_room_for_the_audit_no_request(box: Box, real_key: str, upstream: Callable[[str, str], None]) -> None:
    """The vault writes down what it is about to do; when it cannot, it does not do it.

    The kernel refuses the proxy's writes at a file size, as it would on a full disk.
    """
    upstream("demo", "http://127.0.0.1:9")
    box.sh("terok-executor", "auth", "demo", stdin=real_key + "\n")
    box.run()
    assert box.ask_vault().startswith("HTTP/1")
    broker = box.processes()["broker"]
    audit = box.config.container_state_dir(box.name) / "vault-audit.jsonl"
    rows = audit.read_bytes().count(b"\n")
    resource.prlimit(broker, resource.RLIMIT_FSIZE, (audit.stat().st_size, resource.RLIM_INFINITY))
    refused = box.ask_vault()
    assert " 5" in refused.splitlines()[0], refused
    assert "audit" in refused
    resource.prlimit(broker, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert "audit" not in box.ask_vault()
    assert audit.read_bytes().count(b"\n") > rows
    assert box.processes()["broker"] == broker, "it serves again as soon as there is room"


LEAVE = "timeout 1 bash -c 'exec 3<>/dev/tcp/203.0.113.2/443'; cat /sys/class/net/d0/statistics/tx_packets"


class Leaky(Box):
    """A container whose policy lets it reach an address; what it sends there is counted."""

    tiers = PolicyTiers(project_allow=("+ 203.0.113.2:443",))

    def run(self) -> None:
        super().run()
        pid = PodmanRuntime(self.config).container(self.name).pid
        # The pair would solicit routers, which would be counted; the interface of a later redo needs its addresses.
        quiet = "/proc/sys/net/ipv6/conf/default/disable_ipv6"
        script = f"""[ ! -e {quiet} ] || echo 1 > {quiet}
            ip link add d0 type veth peer name d1 && ip addr add 203.0.113.1/24 dev d0
            [ ! -e {quiet} ] || echo 0 > {quiet}
            ip link set d1 up && ip link set d0 up arp off multicast off"""
        self.sh("podman", "unshare", "nsenter", "-n", "-t", str(pid), "sh", "-ec", script)

    def leaks(self) -> bool:
        """Whether a packet leaves when something inside connects to the allowed address."""
        before, after = (int(self.inside(one, 10).stdout) for one in (LEAVE.partition("; ")[2], LEAVE))
        return after > before

    def shield(self, *words: str, code: int | None = 0) -> str:
        return self.sh("terok-sandbox", "shield", words[0], self.name, *words[1:], code=code).text

    def kill_all(self) -> None:
        before = self.processes()
        kill(int(client.forkserver_status(self.config)["pid"]), *before.values())
        wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in before.values()))


@pytest.fixture
def leaky(ready: Shell, base_image: str, real_key: str) -> Iterator[Leaky]:
    made = Leaky(ready, base_image, f"chaos-{secrets.token_hex(4)}")
    made.run()
    assert made.leaks(), "what is allowed gets out, and is counted"
    yield made
    client.ensure_forkserver(made.config)
    assert all(result.removed for result in made.sandbox.rm(made.name))


@pytest.mark.attack("BRK-1")
@pytest.mark.parametrize("verb", [("quarantine",), ("deny", "203.0.113.2"), ("up",)])
def test_a_closing_verb_holds_though_nothing_supervises_the_container(leaky: Leaky, verb: tuple[str, ...]) -> None:
    posture = "quarantine" if verb == ("quarantine",) else "up"
    if verb == ("up",):
        leaky.shield("deny", "203.0.113.2")
        leaky.shield("down", "--disengage")
        assert leaky.leaks()
    leaky.kill_all()
    assert leaky.leaks(), "the rules do not depend on any process"
    assert "nobody attends to it" in leaky.shield("status", code=69)
    leaky.shield(*verb)
    assert not leaky.leaks()
    assert leaky.shield("status").startswith(f"{leaky.name}: {posture}, filter")
    wait_for(leaky.served)
    leaky.shield("reset")
    assert leaky.leaks()


@pytest.mark.attack("BRK-1")
def test_without_any_supervision_to_be_had_it_closes_or_says_that_it_does_not_hold(leaky: Leaky) -> None:
    leaky.kill_all()
    log = leaky.config.state_dir / "forkserver.log"
    log.unlink()
    log.mkdir()
    try:
        assert "not in force" in leaky.shield("allow", "198.51.100.1", code=69)
        assert "not in force" in leaky.shield("down", code=69)
        assert leaky.shield("status", code=69).startswith(f"{leaky.name}: up, ")
        assert "nobody attends" in leaky.shield("quarantine")
        assert not leaky.leaks()
        assert leaky.shield("status", code=69).startswith(f"{leaky.name}: quarantine, ")
    finally:
        log.rmdir()
    leaky.sh("terok-sandbox", "supervisor", "redo", leaky.name)
    assert leaky.shield("status").startswith(f"{leaky.name}: quarantine, ")
    assert not leaky.leaks()


@pytest.mark.attack("BRK-1")
def test_a_gateway_that_hangs_does_not_keep_the_container_open(leaky: Leaky) -> None:
    gateway = leaky.processes()["gateway"]
    os.kill(gateway, signal.SIGSTOP)
    leaky.shield("quarantine")
    assert not leaky.leaks()
    assert leaky.processes()["gateway"] != gateway, "it would go on with what it knew"
    assert leaky.shield("status").startswith(f"{leaky.name}: quarantine, ")


@pytest.mark.attack("BRK-1")
def test_without_room_on_disk_a_closing_verb_closes_and_says_what_a_restart_undoes(leaky: Leaky) -> None:
    """The kernel refuses every write of the gateway, as a full disk would."""
    gateway = leaky.processes()["gateway"]
    limit = resource.RLIM_INFINITY
    resource.prlimit(gateway, resource.RLIMIT_FSIZE, (0, limit))
    assert "a restart may undo it" in leaky.shield("deny", "203.0.113.2", code=74)
    assert "a restart may undo it" in leaky.shield("status")
    assert leaky.processes()["gateway"] == gateway
    assert not leaky.leaks()
    wait_for(lambda: leaky.served() and leaky.processes()["gateway"] != gateway)  # it could not log the refusal
    leaky.shield("deny", "203.0.113.2")
    resource.prlimit(leaky.processes()["gateway"], resource.RLIMIT_FSIZE, (0, limit))
    leaky.shield("quarantine", code=74)
    kill(leaky.processes()["gateway"])
    wait_for(lambda: leaky.shield("status", code=None).startswith(f"{leaky.name}: quarantine, filter"))
    assert not leaky.leaks()
    assert "quarantined" in leaky.ask_vault(), "the vault knows it too"


def test_two_launches_of_one_name_make_one_container(box: Box) -> None:
    def launch(_: int) -> str:
        try:
            box.run()
        except SandboxError as error:
            return error.message
        return ""

    with ThreadPoolExecutor(2) as pool:
        told = sorted(pool.map(launch, range(2)))
    assert told[0] == ""
    assert "exists already" in told[1]
    assert box.served()
    assert not box.gets_out()


def test_a_container_removed_behind_our_back_leaves_no_token(box: Box) -> None:
    box.run()
    processes = box.processes()
    box.sh("podman", "rm", "-f", "-t", "0", box.name)
    wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in processes.values()))
    assert box.tokens() == 1
    swept = janitor.sweep(box.config, PodmanRuntime(box.config), grace=0)
    assert box.name in swept.removed
    assert box.tokens() == 0
    assert box.name not in janitor.known_traces(box.config)


def test_a_hook_from_another_protocol_stops_the_start(box: Box) -> None:
    """After an upgrade without `setup`, the installed hook may speak a protocol that no supervisor knows."""
    box.run()
    box.sandbox.stop(box.name, 0)
    installed = box.config.hooks_dir / "terok_sandbox_hook.py"
    kept = installed.read_bytes()
    installed.chmod(0o600)
    installed.write_bytes(kept.replace(f"PROTOCOL = {hook.PROTOCOL}".encode(), b"PROTOCOL = 99"))
    try:
        assert "terok-sandbox setup" in box.refused_start()
    finally:
        installed.write_bytes(kept)


def test_podman_has_lost_its_user_namespace(ready: Shell, base_image: str, tmp_path: Path) -> None:
    """Everything of a user was killed but the boot goes on: Podman itself cannot do anything until it is mended."""
    runtime = Path(tempfile.mkdtemp(prefix="it-", dir="/tmp"))  # its paths are socket addresses
    storage = tmp_path / "storage.conf"
    images = ready("podman", "info", "--format", "{{.Store.GraphRoot}}").out.strip()
    storage.write_text(f'[storage]\ndriver = "overlay"\n[storage.options]\nadditionalimagestores = ["{images}"]\n')
    own = {"XDG_RUNTIME_DIR": str(runtime), "XDG_DATA_HOME": str(tmp_path), "CONTAINERS_STORAGE_CONF": str(storage)}

    def answers(*words: str) -> str:
        done = ready("terok-sandbox", "doctor", "--json", *words, env=own, code=None)
        (found,) = [one for one in done.json()["checks"] if one["label"] == "Podman answers"]
        return str(found["severity"])

    try:
        ready("podman", "run", "-d", "--name", "x", "--network", "none", base_image, "sleep", "600", env=own)
        shown = ready("podman", "inspect", "-f", "{{.State.Pid}} {{.State.ConmonPid}}", "x", env=own).out
        kill(int((runtime / "libpod/tmp/pause.pid").read_text()), *(int(pid) for pid in reversed(shown.split())))
        wait_for(lambda: answers() == "error")
        assert answers("--fix") == "ok"
        ready("podman", "rm", "-f", "-t", "0", "x", env=own)
    finally:
        ready("podman", "rm", "-af", "-t", "0", env=own, code=None)
        ready("podman", "system", "migrate", env=own, code=None)  # ends the pause process
        ready("podman", "unshare", "rm", "-rf", str(tmp_path / "containers"), code=None)
        shutil.rmtree(runtime, ignore_errors=True)


@pytest.mark.parametrize("victim", ["broker", "gateway", "supervisor"])
def test_no_memory_left(box: Box, victim: str) -> None:
    """The kernel refuses a process every further page; what cannot go on ends, and is made good once there is memory.

    No memory controller is delegated to an ordinary user here, so the kernel cannot be made to choose its victim. What
    it does to one, SIGKILL, follows where the refusal alone ends nothing.
    """
    box.run()
    before = box.processes()
    pid = before[victim]
    scores = {Path(f"/proc/{one}/oom_score_adj").read_text() for one in (pid, "self")}
    assert len(scores) == 1, "it is no less a victim than what its user starts"
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[0])
    resource.prlimit(pid, resource.RLIMIT_AS, (pages * resource.getpagesize(), resource.RLIM_INFINITY))
    for _ in range(4):
        box.ask_vault()
    assert not box.gets_out()
    if victim == "supervisor":
        kill(before["broker"])  # its successor is forked without memory
        assert not box.gets_out()
    else:
        kill(pid)

    def relieved() -> bool:
        with suppress(SandboxError, ProcessLookupError):
            for one in filter(None, box.processes().values()):
                resource.prlimit(one, resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        return box.served() and "HTTP/1" in box.ask_vault()

    wait_for(relieved, 40)
    assert box.runs()
    assert not box.gets_out()


def test_the_clock_jumps(box: Box, tmp_path: Path) -> None:
    """Forward by more than the life of every certificate, and back to before the container was made."""
    offset = tmp_path / "offset"
    offset.write_bytes(struct.pack("=d", 0.0))
    client.stop_forkserver(box.config)
    argv = [sys.executable, str(Path(__file__).with_name("jumping_clock.py")), str(box.config.runtime_dir), str(offset)]
    server = subprocess.Popen(argv)
    try:
        wait_for(lambda: unix_sockets.answers(box.config.forkserver_socket))
        box.run()
        before = box.processes()
        box.sh("terok-sandbox", "shield", "allow", box.name, "timed.example.test:443", "--minutes", "5")
        state = box.config.gateway_dir(box.name)
        told = [box.ask_vault().splitlines()[0]]
        for days, name in ((500, "later"), (-500, "earlier")):
            offset.write_bytes(struct.pack("=d", days * 86400.0))
            told.append(box.ask_vault().splitlines()[0])
            assert box.inside(f"exec 3<>/dev/tcp/{name}.example.test/443").returncode != 0
            assert not box.gets_out()
        assert len(set(told)) == 1 and " 401 " not in told[0], "the token counts, whatever the clock says"
        assert box.processes() == before, "nothing ends, nothing turns in circles"
        rows = [json.loads(line) for line in (state / "shield-audit.jsonl").read_text().splitlines()]
        times = {row["name"].partition(".")[0]: row["time"] for row in rows if row.get("name")}
        assert times["later"] > timestamp() > times["earlier"], "the clock did jump"
        assert verify_audit(state / "shield-audit.jsonl").ok
        kill(before["broker"], before["gateway"])
        wait_for(lambda: box.served() and box.processes() != before)
        assert box.ask_vault().splitlines()[0] == told[0]
        assert not box.gets_out()
        box.sandbox.stop(box.name, 0)
        box.sandbox.start(box.name)
        wait_for(box.served)
        assert box.ask_vault().splitlines()[0] == told[0]
    finally:
        server.terminate()
        server.wait(10)
