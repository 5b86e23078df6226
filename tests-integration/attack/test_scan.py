"""One scan from inside for any way out: addresses, ports, protocols, names, sockets."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from attack_support import RAW, UNNAMED, UNNAMED6, Walled
from support import host_address

SCAN = r"""perl -MSocket -MErrno -e '
$| = 1;
for my $host (@ARGV) {
  my $six = $host =~ /:/;
  my $ip = Socket::inet_pton($six ? AF_INET6 : AF_INET, $host) or next;
  for my $port (1..1100, 2375, 2376, 3000, 3128, 5000, 5353, 5355, 6443, 8000, 8080, 8443, 9090, 9418..9425, 10250) {
    for my $type (SOCK_STREAM, SOCK_DGRAM) {
      socket(my $s, $six ? AF_INET6 : AF_INET, $type, 0) or next;
      my $to = $six ? Socket::pack_sockaddr_in6($port, $ip) : pack_sockaddr_in($port, $ip);
      fcntl($s, 4, 2048);
      my $done = connect($s, $to);
      if (!$done && $!{EINPROGRESS}) {
        my $w = ""; vec($w, fileno($s), 1) = 1;
        select(undef, $w, undef, 0.1);
        $done = unpack("i", getsockopt($s, SOL_SOCKET, SO_ERROR)) == 0 && getpeername($s);
      }
      next unless $done;
      if ($type == SOCK_DGRAM) { send($s, "out", 0); next }
      print "$host $port\n";
    }
  }
}' """


@pytest.mark.attack("HTTP-3")
@pytest.mark.attack("NET-1")
@pytest.mark.attack("NET-3")
def test_a_scan_finds_no_way_out(walled: Walled, lab: Callable[[], list[dict]]) -> None:
    targets = (UNNAMED, UNNAMED6, "10.254.0.5", "169.254.169.254", host_address(), "10.0.2.2", "10.0.2.3", "127.0.0.1")
    found = walled.sh(SCAN + " ".join(targets), user="0", timeout=400)[1]
    walled.sh(RAW % (UNNAMED, UNNAMED6), user="0")
    own = {"127.0.0.1 53"} | ({"127.0.0.1 9421"} if walled.mode == "airlock" else set())
    assert set(found.splitlines()) - {"127.0.0.1 9419", "127.0.0.1 9418"} == own
    assert lab() == []
