"""Names that lead where an attacker wants, and containers that try to get out."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import dns.flags
import dns.message
import dns.rdatatype
import dns.rrset
from support import Shell, host_address

LAB, LAB6 = "198.51.100.80", "2001:db8:1::10"
FOUR, SIX, MARK = "198.51.100.83", "2001:db8:1::12", "198.51.100.82"
"""One name leads to each address, so that a verdict about that name opens and closes it."""
UNNAMED, UNNAMED6 = "198.51.100.81", "2001:db8:1::11"
"""No name leads there, so nothing allowed before can still be open."""
ZONE: dict[str, tuple[tuple[str, ...], ...]] = {
    # name: the answers in turn, each a list of addresses
    "web.attack.test": ((LAB, LAB6),),
    "four.attack.test": ((FOUR,),),
    "six.attack.test": ((SIX,),),
    "mark.attack.test": ((MARK,),),
    "rebind.attack.test": (
        ("169.254.169.254", "::1"),
        ("10.254.0.5", "fd00:ec2::254"),
        ("127.0.0.1", "::ffff:127.0.0.1"),
    ),
    "mixed.attack.test": ((LAB, "10.254.0.5", "169.254.169.254", "0.0.0.0", "64:ff9b::a9fe:a9fe", LAB6),),
    "private.attack.test": (("10.254.0.5", "fc00::5"),),
    "metadata.attack.test": (("169.254.169.254", "fd00:ec2::254"), ("100.100.100.200",)),
    "host.attack.test": ((host_address(), "2001:db8:1::1"),),
}
RULES = [f"{name}:{port}" for name in ZONE for port in (80, 8080)] + ["*.wild.attack.test:443", "web.attack.test:443"]


@dataclass
class Names:
    """The test's resolver: the questions it got, and its next answers."""

    port: int = 0
    asked: list[str] = field(default_factory=list)
    turn: dict[str, int] = field(default_factory=dict)

    def answer(self, wire: bytes) -> bytes:
        query = dns.message.from_wire(wire)
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        self.asked.append(name)
        reply = dns.message.make_response(query, recursion_available=True)
        answers = ZONE.get(name, ((LAB,),) if name.endswith(".wild.attack.test") else ((),))
        number = self.turn[name] = self.turn.get(name, -1) + 1
        version = 6 if question.rdtype == dns.rdatatype.AAAA else 4
        found = [one for one in answers[number // 2 % len(answers)] if (":" in one) == (version == 6)]
        if found and question.rdtype in (dns.rdatatype.A, dns.rdatatype.AAAA):
            reply.answer.append(dns.rrset.from_text(question.name, 0, "IN", question.rdtype, *found))
        return reply.to_wire()


@dataclass(frozen=True)
class Walled:
    """A running container, and how something in it tries to get out."""

    ready: Shell
    name: str
    mode: str

    def sh(self, script: str, *, user: str = "dev", timeout: float = 40) -> tuple[int, str]:
        """Run a bash script inside; return exit code and output."""
        words = ["podman", "exec", "-i", *(["--user", user] if user == "0" else []), self.name, "bash", "-s"]
        done = self.ready(*words, code=None, timeout=timeout, stdin=script)
        return done.code, done.out

    def raw(self, host: str, port: int, payload: bytes, *, seconds: float = 20) -> str:
        """Connect to `host` from inside, send `payload` and return the answer; a name is looked up inside."""
        coded = base64.b64encode(payload).decode()
        script = f"exec 3<>/dev/tcp/{host}/{port} || exit 9; echo {coded} | base64 -d >&3; timeout {seconds} cat <&3"
        return self.sh(f"{script} 2>&1", timeout=seconds + 20)[1]

    def raws(self, probes: list[tuple[str, int, bytes]]) -> str:
        """Do what `raw` does for many hosts at once; return all answers."""
        script = "".join(
            f"(exec 3<>/dev/tcp/{host}/{port} && echo {base64.b64encode(payload).decode()} | base64 -d >&3"
            " && timeout 6 cat <&3) 2>&1 &\n"
            for host, port, payload in probes
        )
        return self.sh(f"{script}wait", timeout=120)[1]

    def fetches(self, hosts: tuple[str, ...], port: int = 80) -> str:
        """Ask many hosts for a page at once; return all answers."""
        return self.raws([self.request(host, port) for host in hosts])

    def tunnels(self, hosts: tuple[str, ...], port: int) -> str:
        """Open many tunnels through the proxy at once; return all answers."""
        return self.raws([("127.0.0.1", 9421, f"CONNECT {host}:{port} HTTP/1.1\r\n\r\n".encode()) for host in hosts])

    def fetch(self, host: str, port: int = 80) -> str:
        """Ask `host` for a page by plain HTTP, in the way of this enforcement."""
        return self.raw(*self.request(host, port))

    def request(self, host: str, port: int) -> tuple[str, int, bytes]:
        """Return where to connect to, and the bytes to send, for a page of `host`."""
        shown = f"[{host}]" if ":" in host else host
        if self.mode == "filter":
            return host, port, f"GET / HTTP/1.0\r\nHost: {shown}\r\n\r\n".encode()
        request = f"GET http://{shown}:{port}/ HTTP/1.1\r\nHost: {shown}:{port}\r\n\r\n"
        return "127.0.0.1", 9421, request.encode()

    def tunnel(self, host: str, port: int, payload: bytes = b"") -> str:
        """Connect through the proxy and send `payload`."""
        return self.raw("127.0.0.1", 9421, f"CONNECT {host}:{port} HTTP/1.1\r\n\r\n".encode() + payload)

    def until(self, holds: Callable[[list[dict]], bool], act: Callable[[], object] = lambda: None) -> None:
        """Wait until the audit rows are as wanted; repeat `act` each time, because the rate of rows is limited."""
        deadline = time.monotonic() + 90
        while not holds(self.audit()):
            assert time.monotonic() < deadline, self.audit()[-20:]
            act()
            time.sleep(0.2)

    def audit(self) -> list[dict]:
        state = Path(self.ready.environment["TEROK_ROOT"]) / "state/sandbox/containers" / self.name
        return [json.loads(line) for line in (state / "gateway/shield-audit.jsonl").read_text().splitlines()]


RAW = r"""perl -MSocket -e '
my ($four, $six) = (inet_aton("%s"), Socket::inet_pton(AF_INET6, "%s"));
for my $proto (1, 2, 4, 6, 17, 41, 47, 50, 58, 132, 136) {
  for my $type (SOCK_RAW, SOCK_DGRAM, SOCK_STREAM, 5) {
    for my $family (AF_INET, AF_INET6) {
      socket(my $s, $family, $type, $proto) or next;
      my $to = $family == AF_INET ? pack_sockaddr_in(443, $four) : Socket::pack_sockaddr_in6(443, $six);
      $s->blocking(0) if $s->can("blocking");
      send($s, "out", 0, $to);
      connect($s, $to) && send($s, "out", 0);
    }
  }
}'"""
"""Sends on sockets of every protocol and type, to an IPv4 and an IPv6 address."""
