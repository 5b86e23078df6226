"""Host names in their one accepted spelling.

A name that two parsers could read differently is refused instead of being normalized: no upper case, no byte outside
`[a-z0-9.-]`, no trailing dot, no empty label, no Unicode (write the `xn--` form), nothing that a lenient parser
could take for an IPv4 address (`127.1`, `0x7f000001`, `2130706433`).
"""

from __future__ import annotations

import re
from typing import Final

from terok_sandbox.shield.errors import SpellingError

MAX_NAME: Final = 253
MAX_LABEL: Final = 63
_LABEL: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\Z")
_BYTES: Final = re.compile(r"[a-z0-9-]{1,63}\Z")
_NUMBER: Final = re.compile(r"(?:[0-9]+|0x[0-9a-f]*)\Z")
_HINT: Final = "write lower-case letters, digits, hyphens and dots only, without a dot at the end"

FLOOR_NAMES: Final = frozenset(
    {"localhost", "metadata", "metadata.google.internal", "metadata.goog"}
    | {"instance-data", "instance-data.ec2.internal"}
)
"""Names that no rule opens: the machine itself and the metadata services of clouds."""


def check_name(name: str) -> str:
    """Return `name` unchanged, or raise `SpellingError` saying what is wrong with it."""
    if not name or len(name) > MAX_NAME:
        raise SpellingError(f"a host name has 1 to {MAX_NAME} characters, this one has {len(name)}", hint=_HINT)
    labels = name.split(".")
    for label in labels:
        if len(label) > MAX_LABEL or not _LABEL.match(label):
            raise SpellingError(f"not a canonical host name: {name[:80]!r} (label {label[:64]!r})", hint=_HINT)
    if _NUMBER.match(labels[-1]):
        raise SpellingError(
            f"{name!r} can be read as an address", hint="write IPv4 addresses as four decimal numbers, like 192.0.2.7"
        )
    return name


def folded(host: str) -> str:
    """Return a host in lower case and without the dot at its end, neither of which makes a difference."""
    return host.lower().removesuffix(".")


def folded_target(target: str) -> str:
    """Return a policy target (`Host.example.:443/tcp`) with its host as `folded` gives it."""
    host, colon, rest = target.partition(":")
    return folded(host) + colon + rest if ":" not in rest else target.lower()


def is_spelled(name: str) -> bool:
    """Whether `name` consists of the bytes that host names have; more lenient than `check_name`."""
    return len(name) <= MAX_NAME and all(map(_BYTES.match, name.split(".")))


def is_floor_name(name: str) -> bool:
    """Whether no rule may open `name` (canonical spelling)."""
    return name in FLOOR_NAMES or name.endswith(".localhost")


def parents(name: str) -> list[str]:
    """Return the domains above `name`, nearest first: `a.b.c` has `b.c` and `c`."""
    domains = []
    while "." in name:
        name = name.partition(".")[2]
        domains.append(name)
    return domains
