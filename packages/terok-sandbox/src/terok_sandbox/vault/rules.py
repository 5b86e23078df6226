"""Which methods and paths of a provider may be used: a closed list per route, or everything if there is none.

A rule is the name of a preset or an object::

    {"methods": ["GET", "HEAD"],        default: every method
     "path": "/v1/files/*",             `*` stands for one segment without encoded slashes, `**` for any rest
     "query": {"service": "x"}}         parameters that must occur exactly once with this value

Patterns are compared with the path as it was sent: a path that is spelled with needless escapes does not match.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote_plus

if TYPE_CHECKING:
    from terok_sandbox.vault.request_parts import RequestTarget

MAX_RULES: Final = 64
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_PATTERN = re.compile(r"/[A-Za-z0-9._~!$&'()*+,;=:@%/-]{0,511}")
_KEYS: Final = frozenset({"methods", "path", "query"})


class RuleError(ValueError):
    """A rule is not one; the message says why."""


@dataclass(frozen=True, slots=True)
class RouteRule:
    """One permission. `query` holds (name, value) pairs."""

    methods: frozenset[str] = METHODS
    path: re.Pattern[str] = re.compile("/.*")
    query: tuple[tuple[str, str], ...] = ()

    def allows(self, method: str, target: RequestTarget) -> bool:
        """Tell whether this rule permits a request."""
        if method not in self.methods or not self.path.fullmatch(target.path):
            return False
        if not self.query:
            return True
        given: dict[str, list[str]] = {}
        for pair in re.split("[&;]", target.query or ""):
            name, _, value = pair.partition("=")
            given.setdefault(unquote_plus(name), []).append(unquote_plus(value))
        return all(given.get(name) == [value] for name, value in self.query)


def path_pattern(text: object) -> re.Pattern[str]:
    """Compile a path pattern; raises RuleError for another text."""
    if not isinstance(text, str) or not _PATTERN.fullmatch(text) or "***" in text:
        raise RuleError("must be a path like /v1/files/* of printable characters")
    pieces = re.split(r"(\*\*|\*)", text)
    wild = {"**": ".*", "*": "(?:(?!%2[Ff5]|%5[Cc])[^/])*"}
    return re.compile("".join(wild.get(piece, re.escape(piece)) for piece in pieces), re.DOTALL)


PRESETS: Final[Mapping[str, tuple[RouteRule, ...]]] = {
    "api": (RouteRule(),),
    "registry-read": (RouteRule(methods=frozenset({"GET", "HEAD"})),),
    "git-read": (
        RouteRule(frozenset({"GET"}), path_pattern("/**/info/refs"), (("service", "git-upload-pack"),)),
        RouteRule(frozenset({"POST"}), path_pattern("/**/git-upload-pack")),
    ),
}
"""`api`: everything; `registry-read`: GET and HEAD; `git-read`: clone and fetch over HTTPS, no push."""


def read_rules(value: Any) -> tuple[RouteRule, ...]:
    """Check the `rules` of a route: a preset's name, or a list of names and rules; raises RuleError."""
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, list) or len(items) > MAX_RULES:
        raise RuleError(f"must be a preset or a list of at most {MAX_RULES} rules")
    rules: list[RouteRule] = []
    for item in items:
        if isinstance(item, str):
            if item not in PRESETS:
                raise RuleError(f"unknown preset {item!r}; known are {', '.join(sorted(PRESETS))}")
            rules += PRESETS[item]
        else:
            rules.append(_rule(item))
    return tuple(rules)


def _rule(item: Any) -> RouteRule:
    if not isinstance(item, dict) or not item or not item.keys() <= _KEYS:
        raise RuleError(f"a rule is an object with some of {', '.join(sorted(_KEYS))}")
    methods = item.get("methods", sorted(METHODS))
    if not isinstance(methods, list) or not methods or not all(method in METHODS for method in methods):
        raise RuleError(f"methods must be some of {', '.join(sorted(METHODS))}")
    query = item.get("query", {})
    if not isinstance(query, dict) or not all(isinstance(text, str) for text in query.values()):
        raise RuleError("query must be an object of strings")
    return RouteRule(frozenset(methods), path_pattern(item.get("path", "/**")), tuple(query.items()))
