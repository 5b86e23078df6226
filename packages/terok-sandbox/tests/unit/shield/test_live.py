"""Live verdicts and postures with the real nft and real connections, IPv4 and IPv6, between two namespaces."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta, tzinfo
from ipaddress import ip_address
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terok_sandbox.errors import ShieldError
from terok_sandbox.shield.errors import PolicyError
from terok_sandbox.shield.live import LivePolicy
from terok_sandbox.shield.live_store import LiveState, LiveVerdict, Openings, load_live, save_live
from terok_sandbox.shield.policy import Policy, Service
from terok_sandbox.shield.ruleset.commands import Opening
from terok_sandbox.sidecar import PolicyTiers

SERVER = """
import os, socket, sys, time
listeners = [socket.create_server(("0.0.0.0", 443)), socket.create_server(("::", 443), family=socket.AF_INET6)]
print("ready", flush=True)
sockets = []
while True:
    for one in listeners:
        one.setblocking(False)
        try:
            sockets.append(one.accept()[0])
        except BlockingIOError:
            pass
    for one in list(sockets):
        try:
            one.send(b"tick")
        except OSError:
            sockets.remove(one)
    time.sleep(0.02)
    if os.getppid() == 1:
        sys.exit()
"""

SCRIPT = """
import asyncio, json, os, socket, subprocess, sys, time
from ipaddress import ip_address
from pathlib import Path
from terok_sandbox.netns.nft import NftChannel, NftChannelFds
from terok_sandbox.shield.live import LivePolicy
from terok_sandbox.shield.live_store import LiveVerdict, load_live
from terok_sandbox.shield.policy import Policy, Service
from terok_sandbox.shield.ruleset.commands import Opening, open_command
from terok_sandbox.shield.ruleset.render import render
from terok_sandbox.shield.ruleset.verify import verify
from terok_sandbox.sidecar import PolicyTiers

server, state, version = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
def sh(line, **kw):
    return subprocess.run(line.split(), check=True, **kw)
peer = subprocess.Popen(["unshare", "-n", sys.executable, "-c",
    "import sys; sys.stdin.readline() and exec(sys.argv[1])", server], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
time.sleep(0.3)
sh("ip link set lo up")
sh(f"ip link add d0 type veth peer name d1 netns {peer.pid}")
sh("ip addr add 192.0.2.1/24 dev d0"); sh("ip addr add 2001:db8:f::1/64 dev d0 nodad"); sh("ip link set d0 up")
inside = f"nsenter -n -t {peer.pid} "
for line in ("ip link set lo up", "ip addr add 192.0.2.2/24 dev d1", "ip addr add 192.0.2.3/24 dev d1",
             "ip addr add 2001:db8:f::2/64 dev d1 nodad", "ip addr add 2001:db8:f::3/64 dev d1 nodad",
             "ip link set d1 up"):
    sh(inside + line)
peer.stdin.write(b"go\\n"); peer.stdin.flush(); peer.stdout.readline()
NAMED, OTHER = (("192.0.2.2", "192.0.2.3") if version == "4" else ("2001:db8:f::2", "2001:db8:f::3"))
policy = Policy.from_tiers(PolicyTiers(project_allow=("+ a.example.com:443", "+ b.example.com:*")))
subprocess.run(["nft", "-f", "-"], input=render(policy, host_addresses=[]).encode(), check=True)
nft = subprocess.Popen(["nft", "-i"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
found = {}

def connect(address):
    one = socket.create_connection((address, 443), timeout=4)
    assert one.recv(4)
    return one

def refused(address):
    try:
        connect(address).close()
    except OSError as error:
        return type(error).__name__
    return "open"

def seconds_to_end(sockets):
    began = time.monotonic()
    for one in sockets:
        one.settimeout(3)
        try:
            while one.recv(4096):
                pass
        except TimeoutError:
            return 99.0
        except OSError:
            pass
    return time.monotonic() - began

def check(posture):
    text = subprocess.run(["nft", "-j", "list", "table", "inet", "terok"], capture_output=True, check=True).stdout
    verify(text, host_addresses=[], posture=posture)

async def main():
    channel = NftChannel(NftChannelFds(os.dup(nft.stdin.fileno()), os.dup(nft.stdout.fileno())))
    live = LivePolicy(policy, state, channel=channel)
    await live.restore()
    learned = [Opening(ip_address(NAMED), Service("tcp", 443), False, 300)]
    await live.open_addresses("a.example.com", learned)
    check("up")
    flow = connect(NAMED)
    await live.apply(LiveVerdict("*.example.com", "deny"))
    found["named flow"] = seconds_to_end([flow])
    found["named new"] = refused(NAMED)
    assert await live.revoke("*.example.com")
    await live.open_addresses("a.example.com", learned)
    found["named again"] = refused(NAMED)
    wide = [Opening(ip_address(NAMED), Service("tcp", None), False, 300)]
    await live.open_addresses("b.example.com", wide)
    await live.apply(LiveVerdict("b.example.com", "deny"))
    found["neighbor cut"] = refused(NAMED)
    await channel.run(open_command(learned))
    found["neighbor again"] = refused(NAMED)
    await live.revoke("b.example.com")
    target = f"[{OTHER}]:443" if version == "6" else f"{OTHER}:443"
    found["address before"] = refused(OTHER)
    await live.apply(LiveVerdict(target, "allow"))
    flow = connect(OTHER)
    await live.apply(LiveVerdict(target, "deny"))
    found["address flow"], found["address new"] = seconds_to_end([flow]), refused(OTHER)
    await live.revoke(target)
    await live.set_posture("down")
    check("down")
    flow, kept = connect(OTHER), connect(NAMED)
    await live.set_posture("up")
    found["down flow"], found["up again"] = seconds_to_end([flow]), refused(OTHER)
    assert kept.recv(4)
    flows = [connect(NAMED) for _ in range(20)]
    began = time.monotonic()
    await live.set_posture("quarantine")
    seconds_to_end(flows)
    found["quarantine"] = time.monotonic() - began
    found["in quarantine"] = refused(NAMED)
    check("quarantine")
    found["kept"] = load_live(state).posture
    await live.set_posture("disengaged")
    check("disengaged")
    flow = connect(OTHER)
    await live.reset()
    found["after reset"], found["disengaged flow"] = refused(NAMED), seconds_to_end([flow])
    check("up")

try:
    asyncio.run(main())
finally:
    peer.kill()
print(json.dumps(found))
"""


@pytest.mark.attack("NET-2")
@pytest.mark.parametrize("version", ["4", "6"])
def test_a_denial_ends_flows_and_postures_hold(tmp_path: Path, version: str) -> None:
    command = ["unshare", "-Urn", sys.executable, "-c", SCRIPT, SERVER, str(tmp_path / "live.json"), version]
    environment = {**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    for flow in ("named flow", "address flow", "down flow", "quarantine", "disengaged flow"):
        assert found.pop(flow) < 1, flow
    closed = "ConnectionRefusedError"
    assert found == {
        "named new": closed,
        "named again": "open",
        "neighbor cut": closed,
        "neighbor again": "open",
        "address before": closed,
        "address new": closed,
        "up again": closed,
        "in quarantine": closed,
        "kept": "quarantine",
        "after reset": closed,
    }


class Recorder:
    def __init__(self) -> None:
        self.commands: list[str] = []

    async def run(self, command: str) -> str:
        self.commands.append(command)
        return ""


POLICY = Policy.from_tiers(
    PolicyTiers(security_deny=("- vault.example.com",), project_allow=("+ a.example.com:443", "- never.example.com"))
)


@pytest.mark.parametrize(
    "target",
    [
        "169.254.169.254",
        "10.1.2.3:443",
        "vault.example.com",
        "never.example.com",
        "EVIL.example",
        "a b",
        "#",
        "",
        "x:0",
    ],
)
async def test_an_allow_that_would_be_void_is_refused(tmp_path: Path, target: str) -> None:
    live = LivePolicy(POLICY, tmp_path / "live.json", channel=Recorder())
    with pytest.raises(PolicyError):
        await live.apply(LiveVerdict(target, "allow"))
    assert live.verdicts == ()
    assert not (tmp_path / "live.json").exists()


async def test_verdicts_survive_a_restart_and_expire(tmp_path: Path) -> None:
    path, recorder = tmp_path / "live.json", Recorder()
    live = LivePolicy(POLICY, path, channel=recorder)
    heard: list[str] = []
    live.watch(lambda: heard.append(live.posture))
    soon = datetime.now(UTC) + timedelta(seconds=2)
    await live.apply(LiveVerdict("new.example.com:8443", "allow", "minutes", soon, 'say "please"'))
    await live.apply(LiveVerdict("a.example.com", "deny", reason="tired of it"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert heard
    again = LivePolicy(POLICY, path, channel=recorder)
    assert again.policy.decide_name("new.example.com", 8443).tier == "live_allow"
    assert not again.policy.decide_name("new.example.com", 443).allowed
    assert again.policy.decide_name("a.example.com", 443).reason == "tired of it"
    expiry = asyncio.create_task(again.expire_verdicts())
    async with asyncio.timeout(60):
        while [one.target for one in load_live(path).verdicts] != ["a.example.com"]:
            await asyncio.sleep(0.05)
    expiry.cancel()
    assert not again.policy.decide_name("new.example.com", 8443).allowed
    await again.reset()
    assert load_live(path) == LiveState()
    assert again.policy.decide_name("a.example.com", 443).allowed


def opened(address: str) -> list[Opening]:
    return [Opening(ip_address(address), Service("tcp", 443), False, 300)]


@pytest.mark.attack("NET-2")
@pytest.mark.attack("OPS-2")
async def test_a_denial_ends_what_was_opened_before_the_gateway_was_started_anew(tmp_path: Path) -> None:
    path, recorder = tmp_path / "live.json", Recorder()
    await LivePolicy(POLICY, path, channel=recorder).open_addresses("a.example.com", opened("203.0.113.9"))
    again = LivePolicy(POLICY, path, channel=recorder)
    await again.open_addresses("b.a.example.com", opened("203.0.113.8"))
    recorder.commands.clear()
    assert stat.S_IMODE((tmp_path / "shield-opened.jsonl").stat().st_mode) == 0o600
    with (tmp_path / "shield-opened.jsonl").open("a") as file:
        file.write('[1, "torn')
    third = LivePolicy(POLICY, path, channel=recorder)
    await third.apply(LiveVerdict("a.example.com", "deny"))
    cut = [one for one in recorder.commands if " cut4 " in one]
    assert len(cut) == 1
    assert "203.0.113.9 . tcp . 443 timeout 86400s" in cut[0]


@pytest.mark.attack("NET-2")
def test_so_many_addresses_open_as_can_be_closed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("terok_sandbox.shield.live_store.MAX_OPENINGS", 20)
    now = [1e6]
    openings = Openings(tmp_path / "opened", clock=lambda: now[0])
    for number in range(20):
        now[0] += 1
        openings.add("a.example.com", opened(f"203.0.113.{number}"))
    with pytest.raises(ShieldError, match="20 addresses"):
        openings.add("a.example.com", opened("203.0.113.99"))
    for _ in range(10):
        now[0] += 3601
        openings.add("a.example.com", opened("203.0.113.5"))
    now[0] += 80_000
    openings.add("a.example.com", opened("203.0.113.99"))
    kept = [str(address) for _, address, _ in openings]
    assert (len(kept), kept[0], kept[-2:]) == (20, "203.0.113.1", ["203.0.113.5", "203.0.113.99"])
    assert list(Openings(tmp_path / "opened", clock=lambda: now[0]))[-20:] == list(openings)
    assert len((tmp_path / "opened").read_text().splitlines()) <= 40


@pytest.mark.attack("NET-2")
async def test_flows_outlive_the_verdict_that_allowed_them(tmp_path: Path) -> None:
    end = (datetime.now(UTC) + timedelta(seconds=0.3)).isoformat(timespec="milliseconds")
    policy = Policy.from_tiers(PolicyTiers(project_allow=(f"+ b.example.com:443 %expires={end}",)))
    recorder = Recorder()
    live = LivePolicy(policy, tmp_path / "live.json", channel=recorder)
    await live.apply(LiveVerdict("a.example.com:443", "allow", "once", datetime.now(UTC) + timedelta(seconds=0.2)))
    for name in ("a", "b"):
        await live.open_addresses(f"{name}.example.com", opened("203.0.113.9" if name == "a" else "203.0.113.8"))
    recorder.commands.clear()
    async with asyncio.timeout(30):
        while live.policy.grants("b.example.com") or live.verdicts:
            await asyncio.sleep(0.02)
    await live.apply(LiveVerdict("other.example.com", "allow"))
    assert not live.policy.grants("a.example.com")
    assert not [one for one in recorder.commands if " cut4 " in one], "an answer to another question ends nothing"
    await live.apply(LiveVerdict("*.example.com", "deny"))
    (cut,) = [one for one in recorder.commands if " cut4 " in one]
    assert "203.0.113.9" in cut and "203.0.113.8" in cut


async def test_a_clock_that_is_set_back_gives_no_verdict_a_longer_life(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = timedelta()

    class Clock(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Clock:
            return super().now(tz) + step

    wall = SimpleNamespace(time=lambda: time.time() + step.total_seconds(), monotonic=time.monotonic)
    monkeypatch.setattr("terok_sandbox.shield.live.datetime", Clock)
    monkeypatch.setattr("terok_sandbox.shield.live.time", wall)
    live = LivePolicy(POLICY, tmp_path / "live.json", channel=Recorder())
    soon = datetime.now(UTC) + timedelta(seconds=0.3)
    await live.apply(LiveVerdict("new.example.com:8443", "allow", "minutes", soon))
    await live.apply(LiveVerdict("a.example.com", "deny"))
    expiry = asyncio.create_task(live.expire_verdicts())
    await asyncio.sleep(0)
    step = timedelta(days=-400)
    async with asyncio.timeout(10):
        while len(load_live(tmp_path / "live.json").verdicts) > 1:
            await asyncio.sleep(0.02)
    expiry.cancel()
    assert [one.target for one in live.verdicts] == ["a.example.com"]


FULL = """
import asyncio, os, sys
from pathlib import Path
from terok_sandbox.shield import live as timing
from terok_sandbox.shield.errors import NotKept
from terok_sandbox.shield.live import LivePolicy
from terok_sandbox.shield.live_store import LiveState, LiveVerdict, load_live
from terok_sandbox.shield.policy import Policy

path = Path(sys.argv[1]) / "live.json"
timing.LOOK_SECONDS = 0.05
commands = []
class Channel:
    async def run(self, command):
        commands.append(command)

def denials(*numbers):
    return [LiveVerdict(f"host{number}.example.com", "deny", reason="r" * 100) for number in numbers]

async def main():
    live = LivePolicy(Policy(), path, channel=Channel())
    await live.restore()
    with (path.parent / "filler").open("wb", buffering=0) as filler:
        try:
            while filler.write(bytes(4096)):
                pass
        except OSError:
            pass
    for one in denials(1, 2):
        await live.apply(one)
    await live.set_posture("quarantine")
    assert load_live(path) == LiveState("quarantine", tuple(denials(1, 2))), "there was room in the file"
    await live.set_posture("up")
    count = len(commands)
    for number in range(100):
        try:
            await live.apply(*denials(number))
        except NotKept as error:
            assert "in force" in error.message
    assert len(live.verdicts) == 100 and not live.kept
    assert "refuse_quarantine" not in "".join(commands[count:])
    kept = load_live(path)
    assert 0 < len(kept.verdicts) < 100 and kept.posture == "up"
    commands.clear()
    try:
        await live.apply(LiveVerdict("new.example.com", "allow"))
        raise SystemExit("an allow that cannot be written down")
    except NotKept:
        raise SystemExit("it is in force")
    except Exception as error:
        assert "free some disk space" in error.hint
    assert commands == []
    try:
        await live.set_posture("quarantine")
    except NotKept:
        pass
    assert "refuse_quarantine" in commands[0]
    assert load_live(path) == LiveState("quarantine"), "without room for its verdicts the posture is kept"
    (path.parent / "filler").unlink()
    expiry = asyncio.create_task(live.expire_verdicts())
    while not live.kept:
        await asyncio.sleep(0.01)
    expiry.cancel()
    assert load_live(path) == LiveState("quarantine", live.verdicts) and len(live.verdicts) == 100

asyncio.run(main())
"""


@pytest.mark.attack("BRK-1")
def test_a_full_disk_keeps_nothing_open(tmp_path: Path) -> None:
    mount = f"mount -t tmpfs -o size=64k,mode=700 none {tmp_path}"
    command = ["unshare", "-Urm", "sh", "-c", f'{mount} && exec "$@"', "sh", sys.executable, "-c", FULL, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


async def test_a_live_denial_beats_an_override_also_for_answers() -> None:
    end = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    policy = Policy.from_tiers(PolicyTiers(override=(f"+ a.example.com:443 %reason=x %expires={end}",)))
    denied = policy.with_live([LiveVerdict("203.0.113.0/24", "deny").rule()])
    (grant,) = denied.grants("a.example.com")
    assert denied.judge_answer(grant, ip_address("203.0.113.9")).tier == "live_deny"
    assert denied.judge_answer(grant, ip_address("198.51.100.9")).allowed


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_only_verdicts_are_read_as_verdicts(raw: object) -> None:
    base = LiveVerdict("a.example.com", "allow").as_json()
    for value in (raw, *({**base, key: raw} for key in base)):
        try:
            verdict = LiveVerdict.from_json(value)
        except PolicyError:
            continue
        assert verdict.rule().line.startswith("+ " if verdict.verdict == "allow" else "- ")


def test_a_damaged_file_keeps_the_container_closed(tmp_path: Path) -> None:
    path = tmp_path / "live.json"
    save_live(path, LiveState("down"))
    assert load_live(path).posture == "down"
    path.write_bytes(b"")
    assert load_live(path) == LiveState("quarantine"), "what no room was left for is the strictest"
    for spoiled in (b"\n", b"[]", b'{"schema": 2}', b'{"schema": 1, "posture": "open", "verdicts": []}', b"\xff"):
        path.write_bytes(spoiled)
        with pytest.raises(ShieldError, match="kept closed"):
            load_live(path)
    save_live(path, LiveState())
    path.chmod(0o644)
    with pytest.raises(ShieldError, match="lets other users in"):
        load_live(path)
