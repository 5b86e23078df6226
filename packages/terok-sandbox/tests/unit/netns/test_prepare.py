from __future__ import annotations

import os
import select
import socket
import time
from collections.abc import Callable
from contextlib import closing

import pytest
from terok_sandbox.errors import NetnsError
from terok_sandbox.netns import libnft
from terok_sandbox.netns.listeners import DNS_LISTENERS, GATE_LISTENER, VAULT_LISTENERS, ListenerSpec
from terok_sandbox.netns.prepare import Preparation, Prepared

Inside = Callable[[Callable[[], str]], str]

RULES = """\
add table inet terok
delete table inet terok
table inet terok {
	chain output {
		type filter hook output priority 0; policy drop;
		udp dport 999 log group 100
		oif lo accept
	}
}
"""
EVERY = [*DNS_LISTENERS, GATE_LISTENER, *VAULT_LISTENERS]


def prepare(
    namespace: int, rules: str, listeners: list[ListenerSpec], *, verify: Callable[[str], object], timeout: float = 5.0
) -> Prepared:
    with closing(Preparation(lambda: (rules, verify), listeners)) as preparation:
        return preparation.run(namespace, timeout=timeout)


@pytest.fixture(params=["library", "program"])
def nft(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Load with nft's library, which is there on every development machine, and with its program."""
    assert libnft.AVAILABLE
    monkeypatch.setattr(libnft, "AVAILABLE", request.param == "library")


def test_listeners_come_out_and_serve_the_inside(namespace: int, inside: Inside) -> None:
    listing: list[str] = []
    prepared = prepare(namespace, RULES, EVERY, verify=lambda text: None)
    assert set(prepared.listeners) == {"dns-udp", "dns-tcp", "gate", "vault", "vault-tls"}
    assert {one.getsockname()[1] for one in prepared.listeners.values()} == {53, 9418, 9419, 9420}

    def talk() -> str:
        with socket.create_connection(("127.0.0.1", 9419), timeout=2) as made:
            made.sendall(b"hello")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
            made.sendto(b"logged", ("127.0.0.1", 999))
            made.sendto(b"question", ("127.0.0.1", 53))
        return "done"

    assert inside(talk) == "done"
    connection, _ = prepared.listeners["vault"].accept()
    connection.setblocking(True)
    with connection:
        assert connection.recv(10) == b"hello"
    assert prepared.listeners["dns-udp"].recv(10) == b"question"
    assert select.select([prepared.packet_log], [], [], 1)[0]
    assert b"logged" in prepared.packet_log.recv(65536)
    assert listing == []
    prepared.close()


def test_nothing_is_reachable_from_outside(namespace: int) -> None:
    prepared = prepare(namespace, RULES, [VAULT_LISTENERS[0]], verify=lambda text: None)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", 9419), timeout=1)
    prepared.close()


@pytest.mark.parametrize("rules", ["table inet terok { chain x { nonsense\n} }\n", "\n"])
def test_rules_that_do_not_load_leave_nothing(namespace: int, nft: None, rules: str) -> None:
    before = set(os.listdir("/proc/self/fd"))
    with pytest.raises(NetnsError, match="nft"):
        prepare(namespace, rules, EVERY, verify=lambda text: None)
    assert set(os.listdir("/proc/self/fd")) == before
    prepare(namespace, RULES, EVERY, verify=lambda text: None).close()


def test_a_failed_check_stops_it(namespace: int, nft: None) -> None:
    def refuse(text: str) -> None:
        assert '"terok"' in text
        raise NetnsError("not what was meant", hint="look")

    with pytest.raises(NetnsError, match="not what was meant") as caught:
        prepare(namespace, RULES, EVERY, verify=refuse)
    assert caught.value.hint == "look"


def test_a_bug_in_the_child_is_reported(namespace: int) -> None:
    with pytest.raises(NetnsError, match="ZeroDivisionError"):
        prepare(namespace, RULES, EVERY, verify=lambda text: 1 // 0)


def test_what_waits_holds_nothing_of_its_parent_and_ends_with_it() -> None:
    reading, writing = os.pipe()
    preparation = Preparation(lambda: (RULES, lambda text: None), EVERY)
    os.close(writing)
    assert select.select([reading], [], [], 5)[0], "the child has closed its copy"
    pidfd = os.pidfd_open(preparation._child)
    preparation._channel.close()
    assert select.select([pidfd], [], [], 5)[0]
    preparation.close()
    with pytest.raises(ChildProcessError):
        os.waitpid(preparation._child, 0)
    os.close(pidfd)
    os.close(reading)


def test_a_draft_that_failed_before_there_was_a_namespace_is_told(namespace: int) -> None:
    def refuse() -> tuple[str, Callable[[str], object]]:
        raise NetnsError("no rules", hint="look")

    preparation = Preparation(refuse, EVERY)
    os.waitid(os.P_PID, preparation._child, os.WEXITED | os.WNOWAIT)
    with closing(preparation), pytest.raises(NetnsError, match="no rules") as caught:
        preparation.run(namespace)
    assert caught.value.hint == "look"


def test_a_child_that_hangs_is_killed(namespace: int) -> None:
    began = time.monotonic()
    with pytest.raises(NetnsError, match="not ready within"):
        prepare(namespace, RULES, EVERY, verify=lambda text: time.sleep(60), timeout=0.5)
    assert time.monotonic() - began < 2


def test_ports_in_use_are_waited_for_and_then_an_error(namespace: int) -> None:
    first = prepare(namespace, RULES, EVERY, verify=lambda text: None)
    with pytest.raises(NetnsError, match=r"cannot listen on 127\.0\.0\.1:53/udp"):
        prepare(namespace, RULES, EVERY, verify=lambda text: None, timeout=1)
    child = os.fork()
    if child == 0:
        time.sleep(0.4)
        os._exit(0)
    first.close()  # the child still holds them, for a moment
    prepare(namespace, RULES, EVERY, verify=lambda text: None).close()
    os.waitpid(child, 0)
