"""The policy grammar.

One rule per line::

    +|- target[:port][/protocol] [%reason="text"] [%expires=2030-01-31T12:00:00Z] [%from="where"] [%tls=off] [# comment]

`target` is a name, `*.name` (every name below, not the name itself), an address or a CIDR; IPv6 stands in brackets
when a port follows. `port` is one number or `*` for every port, never a range; `protocol` is `tcp` or `udp`. Where they
are missing, an allow rule is narrow and a deny rule is wide: the first opens TCP 80 and 443, and without a protocol
TCP; the second closes every port of both protocols.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from ipaddress import IPv4Network, IPv6Network
from typing import Final, Literal

from terok_sandbox.shield.errors import PolicyError
from terok_sandbox.shield.policy.addresses import Network, floor_covers, parse_network
from terok_sandbox.shield.policy.names import check_name, is_floor_name

Protocol = Literal["tcp", "udp"]
Tier = Literal["live_deny", "override", "security_deny", "provider_allow", "project_allow", "live_allow"]
TIERS: Final[tuple[Tier, ...]] = (
    *("live_deny", "override", "security_deny"),
    *("provider_allow", "project_allow", "live_allow"),
)
LAUNCH_TIERS: Final[tuple[Tier, ...]] = ("override", "security_deny", "provider_allow", "project_allow")
"""The tiers a container is launched with; the live ones come from verdicts while it runs."""

MAX_LINE: Final = 1024
MAX_LINES: Final = 20_000
_SERVICE: Final = re.compile(r"(?P<target>.*?)(?::(?P<port>[0-9]{1,5}|\*))?(?:/(?P<protocol>tcp|udp))?\Z")
_BRACKETED: Final = r"\[(?P<target>[^\[\]]*)\](?::(?P<port>[0-9]{1,5}|\*))?(?:/(?P<protocol>tcp|udp))?\Z"
_METADATA: Final = re.compile(r'\s+%(?P<key>[a-z]+)=(?:"(?P<quoted>[^"]*)"|(?P<bare>[^\s"]+))')
_EXPIRES: Final = r"(?a:\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:\d\d)\Z)"
_GRAMMAR_HINT: Final = 'write rules like: + host.example.com:443 %reason="why"'


@dataclass(frozen=True, slots=True)
class Service:
    """One port of a protocol, or every port of it (`None`).

    Nothing in between: the sets in the kernel hold an address with one port or with none, so that a range would have
    to open either port by port or everything.
    """

    protocol: Protocol
    port: int | None

    def covers(self, protocol: str, port: int) -> bool:
        """Whether `port` of `protocol` belongs to the service."""
        return self.protocol == protocol and self.port in (None, port)

    def contains(self, other: Service) -> bool:
        """Whether every port of `other` belongs to the service."""
        return self.protocol == other.protocol and self.port in (None, other.port)

    def overlaps(self, other: Service) -> bool:
        """Whether the two services have a port in common."""
        return self.contains(other) or other.contains(self)

    def __str__(self) -> str:
        return f"{self.protocol} {self.port or '*'}"


WEB: Final = (Service("tcp", 443), Service("tcp", 80))


@dataclass(frozen=True, slots=True)
class PolicyRule:
    """One line. Either `name` or `network` is set; `wildcard` says that `name` stands for all below it.

    `opaque` (`%tls=off`) lets the egress proxy of an airlock carry what is not TLS, such as SSH.
    """

    allow: bool
    tier: Tier
    name: str | None
    wildcard: bool
    network: Network | None
    services: tuple[Service, ...]
    reason: str = ""
    expires: datetime | None = None
    line: str = ""
    opaque: bool = False

    def live(self, now: datetime) -> bool:
        """Whether the rule has not expired at `now`."""
        return self.expires is None or now < self.expires


def parse_tier(lines: Sequence[str], tier: Tier, *, source: str | None = None) -> tuple[PolicyRule, ...]:
    """Parse the lines of one tier; raises `PolicyError` that names `source` (default: the tier) and the line."""
    if isinstance(lines, str) or not hasattr(lines, "__len__"):
        raise PolicyError(f"{source or tier}: not a list of lines", hint=_GRAMMAR_HINT)
    if len(lines) > MAX_LINES:
        raise PolicyError(f"{source or tier}: {len(lines)} lines, at most {MAX_LINES} are read", hint="use wildcards")
    rules = (parse_policy_line(line, tier=tier, source=source, number=number) for number, line in enumerate(lines, 1))
    return tuple(rule for rule in rules if rule is not None)


def parse_policy_line(
    line: str, *, tier: Tier = "project_allow", source: str | None = None, number: int = 1
) -> PolicyRule | None:
    """Parse one line; `None` for a blank line or a comment. Raises `PolicyError` naming source and line."""
    with located(source or tier, number):
        return _parse(line, tier)


@contextmanager
def located(source: str, number: int) -> Iterator[None]:
    """Name source and line in a `PolicyError` that is raised within."""
    try:
        yield
    except PolicyError as error:
        raise type(error)(f"{source}:{number}: {error.message}", hint=error.hint) from None


def _parse(line: str, tier: Tier) -> PolicyRule | None:
    if not isinstance(line, str):
        raise PolicyError("not a line of text", hint=_GRAMMAR_HINT)
    if len(line) > MAX_LINE:
        raise PolicyError(f"longer than {MAX_LINE} characters", hint=_GRAMMAR_HINT)
    text = _without_comment(line).strip(" \t\r\n")
    if not text:
        return None
    if any(not character.isprintable() for character in text.replace("\t", " ")):
        raise PolicyError("holds a control character", hint=_GRAMMAR_HINT)
    sign, rest = text[0], text[1:].lstrip(" \t")
    if sign not in "+-" or not rest:
        raise PolicyError("does not start with + or - and a target", hint=_GRAMMAR_HINT)
    spelled = re.split(r"[ \t]", rest, maxsplit=1)[0]
    reason, expires, opaque = _metadata(rest[len(spelled) :])
    rule = replace(_rule(sign == "+", tier, spelled, reason, expires, text), opaque=opaque)
    _check_tier(rule)
    return rule


def _without_comment(line: str) -> str:
    quoted = False
    for index, character in enumerate(line):
        if character == '"':
            quoted = not quoted
        elif character == "#" and not quoted and (index == 0 or line[index - 1] in " \t"):
            return line[:index]
    return line


def _metadata(text: str) -> tuple[str, datetime | None, bool]:
    values: dict[str, str] = {}
    position = 0
    while match := _METADATA.match(text, position):
        key = match["key"]
        if key in values or key not in {"reason", "expires", "from", "tls"}:
            raise PolicyError(
                f"%{key} is unknown or given twice", hint="the keys are %reason, %expires, %from and %tls"
            )
        values[key] = match["quoted"] if match["quoted"] is not None else match["bare"]
        position = match.end()
    if text[position:].strip():
        raise PolicyError(f"cannot read {text[position:].strip()[:64]!r}", hint=_GRAMMAR_HINT)
    if values.get("tls", "off") != "off":
        raise PolicyError("%tls has only the value off", hint="write %tls=off to let an airlock carry what is not TLS")
    expires = _expires(values["expires"]) if "expires" in values else None
    return values.get("reason", "").strip(), expires, "tls" in values


def _expires(text: str) -> datetime:
    try:
        if not re.match(_EXPIRES, text):
            raise ValueError(text)
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise PolicyError(
            f"not an RFC 3339 time: %expires={text[:40]!r}", hint="write a time like 2030-01-31T12:00:00Z"
        ) from None


def _rule(allow: bool, tier: Tier, spelled: str, reason: str, expires: datetime | None, line: str) -> PolicyRule:
    # Said here because the patterns below would blame the address or the protocol.
    if ":" in spelled and "-" in spelled.rpartition(":")[2]:
        raise PolicyError(f"{spelled[:80]!r} has a range of ports", hint="write one line for each port, or :* for all")
    bracketed = spelled.startswith("[")
    if bracketed:
        match = re.match(_BRACKETED, spelled)
    elif spelled.count(":") > 1:  # a bare IPv6 address: every colon is part of it
        match = re.fullmatch(r"(?P<target>.*?)(?P<port>(?!))?(?:/(?P<protocol>tcp|udp))?", spelled)
    else:
        match = _SERVICE.match(spelled)
    if match is None:
        raise PolicyError(f"cannot read the target {spelled[:80]!r}", hint=_GRAMMAR_HINT)
    target = match["target"]
    services = _services(allow, match["port"], match["protocol"])
    if bracketed or ":" in target or "/" in target or re.fullmatch(r"[0-9.]+", target):
        network = parse_network(target)
        if bracketed and not isinstance(network, IPv6Network):
            raise PolicyError(f"only IPv6 stands in brackets, not {target!r}", hint=_GRAMMAR_HINT)
        return PolicyRule(allow, tier, None, False, network, services, reason, expires, line)
    # `*.com` would open a whole registry: nobody means it.
    wildcard = target.startswith("*.")
    name = check_name(target[2:] if wildcard else target)
    if wildcard and "." not in name:
        raise PolicyError(
            f"{target!r} would match a whole top-level domain", hint="name at least a domain, like *.example.com"
        )
    return PolicyRule(allow, tier, name, wildcard, None, services, reason, expires, line)


def _services(allow: bool, port: str | None, protocol: str | None) -> tuple[Service, ...]:
    number = None
    if port is not None and port != "*":
        number = int(port)
        if not 0 < number <= 65535 or str(number) != port:
            raise PolicyError(f"invalid port {port}", hint="ports are 1 to 65535, * is every port")
    if allow and port is None:
        if protocol is not None:
            raise PolicyError("a protocol needs a port", hint="write :* for every port")
        return WEB
    if protocol is None:
        protocols: tuple[Protocol, ...] = ("tcp",) if allow else ("tcp", "udp")
    else:
        protocols = ("tcp",) if protocol == "tcp" else ("udp",)
    return tuple(Service(each, number) for each in protocols)


def _check_tier(rule: PolicyRule) -> None:
    if rule.tier == "override":
        if not rule.allow:
            raise PolicyError("an override only opens", hint="put - rules into another tier")
        if not rule.reason or rule.expires is None:
            raise PolicyError("an override needs a reason and an end", hint='add %reason="…" and %expires=…')
    if rule.tier in ("security_deny", "live_deny") and rule.allow:
        raise PolicyError("this tier only denies", hint="put + rules into another tier")
    if rule.tier == "live_allow" and not rule.allow:
        raise PolicyError("this tier only allows", hint="put - rules into another tier")
    if not rule.allow:
        return
    closed = floor_covers(rule.network) if rule.network is not None else None
    if closed is None and rule.name is not None and is_floor_name(rule.name):
        closed = "a name of the machine itself or of cloud metadata"
    if closed is not None:
        raise PolicyError(f"nothing opens {rule.name or rule.network}: {closed}", hint="remove the rule")
    if isinstance(rule.network, IPv4Network | IPv6Network) and rule.network.prefixlen == 0 and rule.tier == "override":
        raise PolicyError("an override names what it opens", hint="give a narrower CIDR")
