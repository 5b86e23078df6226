"""The gateway as a process, in a network namespace of its own, with the real nft and the real packet log."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from terok_sandbox import gateway
from terok_sandbox.audit import AuditLog, read_audit
from terok_sandbox.errors import ShieldError
from terok_sandbox.shield.policy import Policy

SCRIPT = """
import fcntl, os, signal, socket, struct, sys, time
from pathlib import Path
from types import SimpleNamespace
import dns.message, dns.query
import subprocess
from terok_sandbox import gateway
from terok_sandbox.netns.listeners import DNS_LISTENERS, bind_listener
from terok_sandbox.netns.nft import NftChannelFds
from terok_sandbox.netns.packet_log import open_packet_log
from terok_sandbox.shield.policy import Policy
from terok_sandbox.shield.ruleset.render import render
from terok_sandbox.sidecar import PolicyTiers, ShieldWiring
from terok_sandbox.netns.worker_context import WorkerContext

ending, audit = sys.argv[1], Path(sys.argv[2])
for line in ("link set lo up", "link add d0 type veth peer name d1", "address add 192.0.2.1/30 dev d0",
             "link set d0 up", "link set d1 up", "route add default dev d0"):
    subprocess.run(["ip", *line.split()], check=True)
subprocess.run(["nft", "-f", "-"], input=render(Policy(), host_addresses=[]).encode(), check=True)
listeners = {spec.name: bind_listener(spec, deadline=time.monotonic() + 1) for spec in DNS_LISTENERS}
nft = subprocess.Popen(["nft", "-i"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
fds = NftChannelFds(os.dup(nft.stdin.fileno()), os.dup(nft.stdout.fileno()))
shield = ShieldWiring("filter", audit, PolicyTiers())
sidecar = SimpleNamespace(
    container_name="c1", shield=shield, gate=None, gateway_dir=audit.parent, runtime_dir=audit.parent, scope="",
    loopback_ports=())
context = WorkerContext(sidecar, listeners, fds, open_packet_log(), 0)
child = os.fork()
if child == 0:
    os._exit(gateway.serve(context))
time.sleep(0.3)
print(dns.query.udp(dns.message.make_query("localhost", "A"), "127.0.0.1", timeout=5).answer[0][0])
print(dns.query.tcp(dns.message.make_query("evil.example", "A"), "127.0.0.1", timeout=5).rcode())
with socket.socket() as one:
    one.settimeout(2)
    print(one.connect_ex(("203.0.113.9", 443)))
time.sleep(0.3)
if ending == "term":
    os.kill(child, signal.SIGTERM)
else:
    nft.kill()
    subprocess.run("ip address add 192.0.2.9/32 dev d0".split(), check=True)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.parametrize(("ending", "code"), [("term", 0), ("nft", 1)])
def test_the_gateway_serves_until_told_or_until_a_part_fails(tmp_path: Path, ending: str, code: int) -> None:
    audit = tmp_path / "shield.jsonl"
    command = ["unshare", "-Urn", sys.executable, "-c", SCRIPT, ending, str(audit)]
    environment = {**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["127.0.0.1", "3", "111", str(code)], done.stderr
    rows = [(row["action"], row.get("name", row.get("dest")), row["tier"]) for row in read_audit(audit)]
    assert rows == [("refused", "evil.example", "default"), ("blocked", "203.0.113.9", "default")]
    assert (json.loads(audit.read_text().splitlines()[-1])["port"], audit.stat().st_mode & 0o777) == (443, 0o600)


@pytest.mark.attack("OPS-2")
async def test_the_control_socket_listens_before_what_is_kept_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []

    def read(*_: object, **__: object) -> None:
        steps.append("read")
        raise ShieldError("enough")

    monkeypatch.setattr(gateway, "listen_control", lambda _: steps.append("listen"))
    monkeypatch.setattr(gateway, "NftChannel", lambda _: None)
    monkeypatch.setattr(gateway, "LivePolicy", read)
    sidecar = SimpleNamespace(gateway_dir=tmp_path, runtime_dir=tmp_path)
    context: Any = SimpleNamespace(sidecar=sidecar, nft=1, nflog=1)
    with pytest.raises(ShieldError, match="enough"):
        await gateway._parts(context, Policy(), AuditLog(tmp_path / "audit.jsonl"), asyncio.Event())
    assert steps == ["listen", "read"], "else a posture that is written between the two is lost"


def test_a_gateway_without_a_gate_carries_no_http_server() -> None:
    code = "import sys, terok_sandbox.gateway; sys.exit('aiohttp' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
