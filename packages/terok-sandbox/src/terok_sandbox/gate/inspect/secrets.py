"""Find text that has the form of a credential, also in UTF-16 and in the middle of binary data.

The rules are exact: each needs a prefix or a marker that hardly occurs otherwise. They guard against accidents; who
wants to hide a key can encode it.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from terok_sandbox.gate.inspect.policy import Finding

MAX_FINDINGS: Final = 20  # findings reported per file
SHORTEST: Final = 20  # characters of the shortest credential that is recognized
_WINDOW: Final = 64 * 1024
_OVERLAP: Final = 512


@dataclass(frozen=True, slots=True)
class SecretRule:
    """One of `markers` must occur before `pattern` is tried; its first group must reach `entropy` bits."""

    name: str
    markers: tuple[bytes, ...]
    pattern: re.Pattern[bytes]
    entropy: float


def _rules() -> Iterator[SecretRule]:
    for rule in tomllib.loads(Path(__file__).with_name("secrets.toml").read_text(encoding="utf-8"))["rule"]:
        markers = tuple(marker.encode() for marker in rule["markers"])
        yield SecretRule(rule["name"], markers, re.compile(rule["pattern"].encode()), rule.get("entropy", 3.0))


RULES: Final = tuple(_rules())


def find_secrets(path: str, content: bytes) -> Iterator[Finding]:
    """Yield where a file has something in the form of a credential, at most `MAX_FINDINGS`."""
    seen: set[tuple[str, int]] = set()
    for text in (content, content.replace(b"\0", b"")) if b"\0" in content else (content,):
        for name, line in _places(text):
            if (name, line) not in seen:
                seen.add((name, line))
                yield Finding("secret", path, name, line)
            if len(seen) >= MAX_FINDINGS:
                return


def _places(content: bytes) -> Iterator[tuple[str, int]]:
    for rule in RULES:
        if not any(marker in content for marker in rule.markers):
            continue
        for offset in range(0, len(content), _WINDOW):
            start = max(0, offset - _OVERLAP)
            for match in rule.pattern.finditer(content[start : offset + _WINDOW + _OVERLAP]):
                if entropy(match.group(1)[:200]) >= rule.entropy:
                    yield rule.name, content.count(b"\n", 0, start + match.start()) + 1


def entropy(text: bytes) -> float:
    """Return the Shannon entropy of a text in bits per byte: a placeholder has little."""
    if not text:
        return 0.0
    return -sum(n / len(text) * math.log2(n / len(text)) for n in Counter(text).values())
