from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terok_sandbox.shield.errors import PolicyError
from terok_sandbox.shield.live_store import LiveVerdict
from terok_sandbox.shield.policy.grammar import MAX_LINE, MAX_LINES, WEB, Service, parse_policy_line, parse_tier
from terok_sandbox.shield.policy_file import parse_policy_file
from terok_sandbox.shield.wall import Destination

OVERRIDE = '%reason="lab" %expires=2099-01-01T00:00:00Z'


@pytest.mark.parametrize(
    ("line", "target", "services"),
    [
        ("+ example.com", "example.com", WEB),
        ("+example.com:8443", "example.com", (Service("tcp", 8443),)),
        ("+ example.com:*", "example.com", (Service("tcp", None),)),
        ("+ example.com:443/udp", "example.com", (Service("udp", 443),)),
        ("- example.com", "example.com", (Service("tcp", None), Service("udp", None))),
        ("- example.com:22", "example.com", (Service("tcp", 22), Service("udp", 22))),
        ("+ 192.0.2.7", "192.0.2.7/32", WEB),
        ("+ 192.0.2.0/24:22/tcp", "192.0.2.0/24", (Service("tcp", 22),)),
        ("+ 2001:db8::7", "2001:db8::7/128", WEB),
        ("+ 2001:db8::/32", "2001:db8::/32", WEB),
        ("+ [2001:db8::/32]:22/tcp", "2001:db8::/32", (Service("tcp", 22),)),
        ("- 2001:db8::7/udp", "2001:db8::7/128", (Service("udp", None),)),
    ],
)
def test_targets_and_services(line: str, target: str, services: tuple[Service, ...]) -> None:
    rule = parse_policy_line(line)
    assert rule is not None
    assert (rule.name or str(rule.network), rule.services) == (target, services)


@pytest.mark.parametrize(
    "target",
    ["example.com:8000-8010", "*.example.com:8000-8010/udp", "192.0.2.0/24:1-65535", "[2001:db8::7]:8000-8010"],
)
def test_a_range_of_ports_is_refused_wherever_it_is_written(target: str) -> None:
    writings = [
        lambda: parse_policy_line(f"+ {target}"),
        lambda: parse_policy_line(f"- {target}", tier="security_deny"),
        lambda: parse_policy_file(f"+ {target}\n", "a.policy"),
        lambda: LiveVerdict(target, "allow").rule(),
        lambda: LiveVerdict(target, "deny").rule(),
    ]
    for write in writings:
        with pytest.raises(PolicyError, match="a range of ports") as caught:
            write()
        assert "one line for each port" in (caught.value.hint or "")
    with pytest.raises(PolicyError):
        Destination.parse(target)


def test_a_range_of_ports_cannot_be_built() -> None:
    with pytest.raises(TypeError):
        Service("tcp", 8000, 8010)  # type: ignore[call-arg]


def test_metadata_and_comments() -> None:
    rule = parse_policy_line('+ *.example.com:443 %reason="why # not" %expires=2030-01-31T12:00:00+01:00 # note')
    assert rule is not None
    assert rule.wildcard
    assert rule.reason == "why # not"
    assert rule.expires == datetime(2030, 1, 31, 11, tzinfo=UTC)
    assert parse_policy_line("  # nothing") is None
    assert parse_policy_line("") is None


@pytest.mark.parametrize(
    "target",
    [
        *(
            "Example.com",
            "example.com.",
            ".example.com",
            "a..b",
            "-a.com",
            "a-.com",
            "a_b.com",
            "bücher.example",
            "*",
            "*.",
        ),
        *("*.com", "a.*.com", "exa%6dple.com", "a" * 64 + ".com", "a." * 127 + "com", "evil\x00.com", "user@host"),
        *("127.1", "2130706433", "0x7f000001", "0177.0.0.1", "192.0.2.07", "1.2.3", "a.0x7f", "a.1", "192.0.2.256"),
        *(
            "[192.0.2.7]:80",
            "[2001:db8::7",
            "fe80::1%eth0",
            "2001:db8::g",
            "192.0.2.7/24",
            "192.0.2.0/33",
            "192.0.2.0/024",
        ),
        *(
            "example.com:0",
            "example.com:65536",
            "example.com:080",
            "example.com:x",
            "example.com:80/sctp",
            "example.com/udp",
        ),
        *("localhost", "metadata.google.internal", "127.0.0.1", "169.254.169.254:80", "100.64.1.0/24", "::1", "::/128"),
        *("::ffff:192.0.2.7", "64:ff9b::c000:207", "2002:c000:207::1", "fe80::1", "ff02::1", "https://example.com"),
    ],
)
@pytest.mark.attack("HOST-1")
@pytest.mark.attack("ADDR-1")
def test_only_one_spelling_of_a_target_is_accepted(target: str) -> None:
    with pytest.raises(PolicyError, match=r"^project_allow:1: "):
        parse_policy_line(f"+ {target}")


@pytest.mark.parametrize(
    ("line", "tier"),
    [
        ("example.com", "project_allow"),
        ("+", "project_allow"),
        ("+ example.com %why=x", "project_allow"),
        ('+ example.com %reason="a" %reason="b"', "project_allow"),
        ('+ example.com %reason="open', "project_allow"),
        ("+ example.com %expires=2030-01-31", "project_allow"),
        ("+ example.com %expires=2030-01-31T12:00:00", "project_allow"),
        ("+ example.com trailing", "project_allow"),
        ("+ example.com \x1b[2J", "project_allow"),
        ("+ example.com # " + "x" * MAX_LINE, "project_allow"),
        ("+ example.com", "security_deny"),
        ("+ 10.0.0.1", "override"),
        ("+ 10.0.0.1 %reason=lab", "override"),
        (f"- 10.0.0.1 {OVERRIDE}", "override"),
        (f"+ 0.0.0.0/0:* {OVERRIDE}", "override"),
    ],
)
def test_bad_lines_are_refused(line: str, tier: str) -> None:
    with pytest.raises(PolicyError) as caught:
        parse_tier(["# first", line], tier, source="allow.txt")  # type: ignore[arg-type]
    assert caught.value.message.startswith("allow.txt:2: ")
    assert caught.value.hint


@pytest.mark.attack("HOST-2")
@pytest.mark.parametrize(
    "lines", [None, "+ example.com", [None], [b"+ example.com"], ["+ example.com"] * (MAX_LINES + 1)]
)
def test_a_list_of_another_shape_is_an_error_and_no_policy(lines: object) -> None:
    with pytest.raises(PolicyError):
        parse_tier(lines, "project_allow")  # type: ignore[arg-type]


@given(st.text(max_size=80))
def test_any_text_parses_or_is_refused_by_name(text: str) -> None:
    try:
        rule = parse_policy_line("+ " + text)
    except PolicyError as error:
        assert error.message.startswith("project_allow:1: ")
    else:
        assert rule is None or (rule.name is None) != (rule.network is None)


@given(
    st.text(
        alphabet=st.characters(blacklist_characters="abcdefghijklmnopqrstuvwxyz0123456789.-#/:*[] \t\r\n"), min_size=1
    )
)
@pytest.mark.attack("HOST-1")
def test_a_byte_outside_the_alphabet_is_never_ignored(text: str) -> None:
    with pytest.raises(PolicyError):
        parse_policy_line(f"+ evil{text}.example.com")
