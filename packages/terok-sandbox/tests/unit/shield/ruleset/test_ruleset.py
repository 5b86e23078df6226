from __future__ import annotations

import copy
import json
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from terok_sandbox.shield.errors import PolicyError, RulesetMismatch
from terok_sandbox.shield.policy import Policy, Service
from terok_sandbox.shield.ruleset.commands import Opening, host_command, lifetime, open_command
from terok_sandbox.shield.ruleset.render import render
from terok_sandbox.shield.ruleset.verify import verify
from terok_sandbox.sidecar import PolicyTiers

GOLDEN = Path(__file__).parent / "golden"
HOSTS = ["192.0.2.55", "2001:db8::55", "fe80::1", "127.0.0.1"]
NOW = datetime(2030, 1, 1, tzinfo=UTC)
SOON = (NOW + timedelta(hours=1)).isoformat()
LATER = (NOW + timedelta(hours=2)).isoformat()
STACK = Policy.from_tiers(
    PolicyTiers(
        override=(
            f"+ 10.1.0.0/16:443 %reason=lab %expires={LATER}",
            f"+ 10.1.2.0/24:443 %reason=lab %expires={SOON}",
            f"+ 10.0.0.0/15:443 %reason=lab %expires={SOON}",
            f"+ [fd00:1::/64]:* %reason=lab %expires={SOON}",
        ),
        security_deny=("- api.example.com", "- 198.51.100.0/24", "- 198.51.100.9:53/udp"),
        provider_allow=("+ 203.0.113.9", "+ 0.0.0.0/0:8443", "- 203.0.113.8"),
        project_allow=(
            "+ *.example.com",
            "+ 2001:db8::/32",
            "- 203.0.113.7:443",
            "+ 203.0.113.0/24:443",
            "+ 203.0.113.0/25:443",
        ),
    )
)
DESTINATIONS = [
    *(
        "203.0.113.9",
        "203.0.113.8",
        "203.0.113.7",
        "203.0.113.200",
        "198.51.100.7",
        "192.0.2.99",
        "10.1.2.3",
        "10.0.0.1",
    ),
    *(
        "10.2.0.1",
        "192.168.1.1",
        "127.1.2.3",
        "169.254.169.254",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "240.0.0.1",
    ),
    *(
        "2001:db8::9",
        "2001:db9::9",
        "fd00:1::5",
        "fd00:2::5",
        "fd00:ec2::254",
        "64:ff9b::cb00:7109",
        "64:ff9b::cb00:7108",
    ),
    *("64:ff9b::a9fe:a9fe", "64:ff9b::a01:203", "2002:7f00:1::1", "2001:0:5ef5::1", "2001:db8:1::5efe:7f00:1"),
]
PORTS = [53, 80, 443, 853, 8443]
NEEDED = [
    tool
    for tool in ("nft", "unshare", "ip")
    if shutil.which(tool, path=f"{os.environ['PATH']}:/usr/sbin:/sbin") is None
]


def in_namespace(script: str, given: str) -> str:
    """Run a Python script in a network namespace of its own, where this user may load rules."""
    assert not NEEDED, f"the tests need {NEEDED}"
    environment = {**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}
    command = ["unshare", "-Urn", sys.executable, "-I", "-c", script]
    done = subprocess.run(command, input=given, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


LOAD = """
import subprocess, sys
def nft(*arguments, given=None):
    return subprocess.run(["nft", *arguments], input=given, capture_output=True, text=True, check=True).stdout
rules, *commands = sys.stdin.read().split("\\f")
nft("-f", "-", given=rules)
nft("-f", "-", given=rules)  # replacing is the same as loading
nft("-i", given="".join(command + "\\n" for command in commands))
print(nft("-j", "list", "table", "inet", "terok"))
"""

CONNECT = """
import json, socket, subprocess, sys, time
given = json.load(sys.stdin)
def sh(line):
    subprocess.run(line.split(), check=True)
sh("ip link set lo up")
sh("ip link add d0 type veth peer name d1")
sh("ip address add 192.0.2.1/30 dev d0")
sh("ip address add 2001:db8:ffff::1/64 dev d0 nodad")
sh("ip link set d0 up")
sh("ip link set d1 up")
for gateway in ("192.0.2.2", "2001:db8:ffff::2"):
    sh(f"ip neighbor add {gateway} lladdr 02:00:00:00:00:01 dev d0")
    sh(f"ip route add default via {gateway}")
subprocess.run(["nft", "-f", "-"], input=given["rules"], text=True, check=True)
sockets = []
for address, port in given["targets"]:
    one = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    one.setblocking(False)
    code = one.connect_ex((address, port))
    sockets.append((one, code))
time.sleep(0.3)
print(json.dumps([code not in (0, 115) or one.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) for one, code in sockets]))
"""


@pytest.fixture(scope="module")
def listing() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(in_namespace(LOAD, render(STACK, host_addresses=HOSTS, now=NOW)))
    return found


@pytest.mark.parametrize(("name", "policy"), [("empty", Policy()), ("stack", STACK)])
def test_rendered_table(name: str, policy: Policy) -> None:
    rendered = render(policy, host_addresses=HOSTS, now=NOW)
    golden = GOLDEN / f"{name}.nft"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(rendered)
    assert rendered == golden.read_text()


def test_the_kernel_holds_what_was_rendered(listing: dict[str, Any]) -> None:
    verify(listing, host_addresses=HOSTS)
    verify(json.dumps(listing))
    verify(in_namespace(LOAD, render(Policy(), host_addresses=[], now=NOW)), host_addresses=[])
    whole = ["127.0.0.0/8", "192.0.2.0/24", "192.0.2.55", "2001:db8::/64", "2001:db8::55"]
    verify(in_namespace(LOAD, render(Policy(), host_addresses=whole, now=NOW)), host_addresses=whole)


@pytest.mark.attack("ADDR-2")
@pytest.mark.attack("ADDR-3")
@pytest.mark.attack("ADDR-4")
def test_the_kernel_gives_the_verdicts_of_the_engine() -> None:
    targets = [(address, port) for address in DESTINATIONS for port in PORTS] + [
        ("192.0.2.55", 443),
        ("2001:db8::55", 443),
    ]
    rules = render(STACK, host_addresses=HOSTS, now=NOW)
    refused = json.loads(in_namespace(CONNECT, json.dumps({"rules": rules, "targets": targets})))
    for (address, port), error in zip(targets, refused, strict=True):
        expected = STACK.decide_address(address, port, now=NOW).allowed and address not in HOSTS
        assert bool(error) != expected, (address, port, error)


def _objects(listing: dict[str, Any], kind: str, **match: str) -> list[dict[str, Any]]:
    found = [entry[kind] for entry in listing["nftables"] if kind in entry]
    return [one for one in found if all(one.get(key) == value for key, value in match.items())]


def _accept_first(listing: dict[str, Any]) -> None:
    _objects(listing, "rule", chain="output")[0]["expr"] = [{"accept": None}]


def _open_policy(listing: dict[str, Any]) -> None:
    _objects(listing, "chain", name="output")[0]["policy"] = "accept"


def _no_hook(listing: dict[str, Any]) -> None:
    for key in ("hook", "type", "prio", "policy"):
        del _objects(listing, "chain", name="input")[0][key]


def _other_interface(listing: dict[str, Any]) -> None:
    _objects(listing, "rule", chain="output")[0]["expr"][0]["match"]["right"] = "tap0"


def _negated(listing: dict[str, Any]) -> None:
    _objects(listing, "rule", chain="output")[0]["expr"][0]["match"]["op"] = "!="


def _swapped(listing: dict[str, Any]) -> None:
    rules = _objects(listing, "rule", chain="output")
    rules[5]["expr"], rules[-2]["expr"] = rules[-2]["expr"], rules[5]["expr"]


def _floor_hole(listing: dict[str, Any]) -> None:
    _objects(listing, "set", name="floor4")[0]["elem"].pop()


def _host_missing(listing: dict[str, Any]) -> None:
    _objects(listing, "set", name="host6")[0]["elem"].pop()


def _set_missing(listing: dict[str, Any]) -> None:
    listing["nftables"] = [entry for entry in listing["nftables"] if entry.get("set", {}).get("name") != "private6"]


def _rule_missing(listing: dict[str, Any]) -> None:
    listing["nftables"].pop()


def _dormant(listing: dict[str, Any]) -> None:
    _objects(listing, "table")[0]["flags"] = "dormant"


def _unknown_statement(listing: dict[str, Any]) -> None:
    _objects(listing, "rule", chain="refuse_floor")[0]["expr"].append({"dup": {"addr": "192.0.2.1"}})


def _nothing(listing: dict[str, Any]) -> None:
    listing["nftables"] = []


@pytest.mark.attack("OPS-1")
@pytest.mark.parametrize(
    "spoil",
    [
        *(_accept_first, _open_policy, _no_hook, _other_interface, _negated, _swapped, _floor_hole, _host_missing),
        *(_set_missing, _rule_missing, _dormant, _unknown_statement, _nothing),
    ],
)
def test_a_table_that_differs_is_noticed(listing: dict[str, Any], spoil: Any) -> None:
    spoiled = copy.deepcopy(listing)
    spoil(spoiled)
    with pytest.raises(RulesetMismatch):
        verify(spoiled, host_addresses=HOSTS)


@pytest.mark.parametrize("junk", ["", "{}", "[]", '{"nftables": 1}', b"\xff", '{"nftables": [1]}'])
def test_an_unusable_listing_is_a_mismatch(junk: str | bytes) -> None:
    with pytest.raises(RulesetMismatch):
        verify(junk)


def test_learned_addresses_enter_with_their_port_and_time() -> None:
    https, any_port = Service("tcp", 443), Service("tcp", None)
    learned = [
        Opening(ip_address("203.0.113.9"), https, override=False, seconds=60),
        Opening(ip_address("203.0.113.9"), https, override=False, seconds=90),
        Opening(ip_address("2001:db8::9"), any_port, override=True, seconds=300),
    ]
    given = "\f".join(
        [render(Policy(), host_addresses=HOSTS, now=NOW), *[open_command(learned)] * 2, host_command(["192.0.2.56"])]
    )
    table = json.loads(in_namespace(LOAD, given))
    (v4,) = _objects(table, "set", name="learned4")[0]["elem"]
    assert (v4["elem"]["val"]["concat"], v4["elem"]["timeout"]) == (["203.0.113.9", "tcp", 443], 90)
    (v6,) = _objects(table, "set", name="learned_override_any6")[0]["elem"]
    assert (v6["elem"]["val"]["concat"], v6["elem"]["timeout"]) == (["2001:db8::9", "tcp"], 300)
    verify(table, host_addresses=["192.0.2.56"])


def test_lifetimes_are_clamped() -> None:
    assert [lifetime(0), lifetime(100), lifetime(10**9)] == [330, 400, 3900]
    assert [lifetime(100, remaining=12.9), lifetime(100, remaining=-5)] == [12, 1]


def test_more_addresses_than_a_transaction_takes_are_an_error() -> None:
    lines = tuple(f"+ 203.{i >> 8}.{i & 255}.0/25:443" for i in range(1100))
    with pytest.raises(PolicyError, match="at most 2000"):
        render(Policy.from_tiers(PolicyTiers(project_allow=lines)), host_addresses=[])
