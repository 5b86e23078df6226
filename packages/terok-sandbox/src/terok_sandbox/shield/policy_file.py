"""Policy files: rules by tier, and expectations of them.

A line is a rule, a tier in brackets (`[override]`; rules before the first one are `project_allow`), a registry like
`@pip` or an expectation: `expect allow host.example:443`, `expect deny 192.0.2.1:22/udp`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import field
from pathlib import Path
from typing import Final, Literal, cast

from terok_util.values import lean_dataclass

from terok_sandbox.shield.errors import PolicyError
from terok_sandbox.shield.policy import Decision, Policy, PolicyRule, parse_policy_line
from terok_sandbox.shield.policy.grammar import LAUNCH_TIERS, MAX_LINES, Tier, located
from terok_sandbox.shield.profiles import read_text
from terok_sandbox.shield.wall import Destination, Wall

_EXPECT: Final = re.compile(r"expect[ \t]+(?P<verdict>allow|deny)[ \t]+(?P<target>\S+)[ \t]*(?:#.*)?\Z")


@lean_dataclass(frozen=True, slots=True)
class Expectation:
    """A line of a policy file that must come true."""

    line: int
    verdict: Literal["allow", "deny"]
    destination: Destination

    def describe(self, decision: Decision) -> str:
        """Return, with the line's number, that `decision` is made instead."""
        return f"{self.line}: {self.destination} is {decision.verdict}, not {self.verdict}: {decision.reason}"


@lean_dataclass(frozen=True, slots=True)
class PolicyFile:
    """The content of a policy file."""

    rules: tuple[PolicyRule, ...] = ()
    expectations: tuple[Expectation, ...] = ()
    policy: Policy = field(default_factory=Policy)

    def unmet(self) -> list[tuple[Expectation, Decision]]:
        """Return the expectations that do not come true, each with the decision made instead."""
        wall = Wall(self.policy)
        judged = [(expectation, expectation.destination.judge(wall)) for expectation in self.expectations]
        return [(expectation, decision) for expectation, decision in judged if decision.verdict != expectation.verdict]


def parse_policy_file(text: str, source: str, *, expand: Callable[[str], Sequence[str]] | None = None) -> PolicyFile:
    """Parse a policy file, with `expand` for registries (`@pip`); raises `PolicyError` naming `source` and the line."""
    lines = text.splitlines()
    if len(lines) > MAX_LINES:
        raise PolicyError(f"{source}: {len(lines)} lines, at most {MAX_LINES} are read", hint="use wildcards")
    rules: list[PolicyRule] = []
    expectations: list[Expectation] = []
    tier: Tier = "project_allow"
    for number, line in enumerate(lines, 1):
        words = line.strip()
        if words.startswith("[") and words.endswith("]"):
            name = words[1:-1]
            if name not in LAUNCH_TIERS:
                hint = f"use one of {', '.join(LAUNCH_TIERS)}"
                raise PolicyError(f"{source}:{number}: unknown tier {name[:40]!r}", hint=hint)
            tier = name
        elif words.startswith("expect"):
            expectations.append(_expectation(words, source, number))
        else:
            with located(source, number):
                texts = expand(words) if words.startswith("@") and expand is not None else (line,)
            parsed = (parse_policy_line(one, tier=tier, source=source, number=number) for one in texts)
            rules += [rule for rule in parsed if rule is not None]
    order = sorted(rules, key=lambda rule: LAUNCH_TIERS.index(rule.tier))
    return PolicyFile(tuple(order), tuple(expectations), Policy(tuple(order)))


def read_policy_file(path: str | Path) -> PolicyFile:
    """Read a policy file, registries as this machine has them; raises `PolicyError`."""
    from terok_sandbox.shield.registries import expand  # imports much that most policies do not need

    return parse_policy_file(read_text(path), str(path), expand=expand)


def _expectation(line: str, source: str, number: int) -> Expectation:
    match = _EXPECT.match(line)
    with located(source, number):
        if match is None:
            raise PolicyError("cannot read the expectation", hint="write: expect allow host.example.com:443")
        verdict = cast('Literal["allow", "deny"]', match["verdict"])
        return Expectation(number, verdict, Destination.parse(match["target"]))
