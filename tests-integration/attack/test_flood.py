"""A container that knocks at the wall as fast as it can: the gateway stays small, quiet and of service."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from attack_support import Walled

Lab = Callable[[], list[dict]]
SECONDS = 3

FLOOD = """perl -MSocket -e '
my ($mode, $count, $end) = ($ARGV[0], 0, time + 1 + %d);
fork;
while (time < $end) {
  if ($mode eq "filter") {
    socket(my $s, PF_INET, SOCK_STREAM, 0);
    connect($s, pack_sockaddr_in(1024 + int rand 60000, inet_aton("198.51.100." . (100 + int rand 100))));
    if ($count %% 20 == 0) {
      socket(my $u, PF_INET, SOCK_DGRAM, 0);
      my $name = "x" . int rand 1e9;
      my $query = pack("n6", $$, 256, 1, 0, 0, 0) . pack("C/a C/a C/a C", $name, "flood", "test", 0) . pack("n2", 1, 1);
      send($u, $query, 0, pack_sockaddr_in(53, inet_aton("127.0.0.1")));
    }
  } else {
    socket(my $s, PF_INET, SOCK_STREAM, 0);
    connect($s, pack_sockaddr_in(9421, inet_aton("127.0.0.1")));
    send($s, "CONNECT x" . int(rand 1e9) . ".flood.test:443 HTTP/1.1\\r\\n\\r\\n", 0);
  }
  $count++;
}
print "$count\\n"; wait' %s"""


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 90
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def usage(pid: int) -> tuple[float, int]:
    """Return a process's CPU seconds and resident KiB."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    resident = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), int(resident.split()[1])


@pytest.mark.attack("RES-1")
@pytest.mark.attack("UI-2")
def test_a_flood_of_blocked_connections_is_contained(walled: Walled, lab: Lab) -> None:
    assert "laboratory" in walled.fetch("web.attack.test")
    gateway = walled.ready("terok-sandbox", "supervisor", "status", walled.name, "--json").json()["workers"]["gateway"]
    rows, (cpu, resident) = len(walled.audit()), usage(gateway["pid"])
    words = ["podman", "exec", walled.name, "bash", "-c", FLOOD % (SECONDS, walled.mode)]
    began = time.monotonic()
    with subprocess.Popen(words, env=walled.ready.environment, stdout=subprocess.PIPE, text=True) as flood:
        wait_until(lambda: len(walled.audit()) > rows)  # into the midst of it
        page = walled.raw(*walled.request("web.attack.test", 80), seconds=20)
        assert "laboratory" in page, "what is allowed goes on"
        status = walled.ready("terok-sandbox", "shield", "status", "--json", walled.name).json()
        assert status["posture"] == "up"
        knocks = sum(map(int, flood.communicate(timeout=300)[0].split()))
    took = time.monotonic() - began
    after = walled.ready("terok-sandbox", "supervisor", "status", walled.name, "--json").json()["workers"]["gateway"]
    used, now = usage(gateway["pid"])
    core, more = (used - cpu) / took, now - resident
    print(f"{walled.mode}: {knocks / SECONDS:.0f} a second, {core:.0%} of a core, {more} KiB more")
    assert after["pid"] == gateway["pid"], "the gateway lives"
    assert knocks > (1_000 if walled.mode == "filter" else 100), "a proxy slows who knocks too fast"
    assert core < 0.8 or walled.mode == "airlock"
    assert more < 24 * 1024
    assert len(walled.audit()) - rows < 100 + 15 * took, "rows are limited by rate"
    waiting = walled.ready("terok-sandbox", "clearance", "list", "--json", "--container", walled.name).json()
    assert len(waiting) <= 32
    assert {one["port"] for one in lab()} <= {80}
    wait_until(lambda: "laboratory" in walled.fetch("web.attack.test"))  # for the tests after this one
