"""Find text that has the form of a credential.

The rules are few and exact: each needs a prefix or a marker that hardly occurs otherwise. They guard against
accidents; who wants to hide a key can encode it.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from terok_sandbox.gate.inspect.rules import Finding

MAX_FINDINGS: Final = 20
"""Findings reported per file."""

SHORTEST: Final = 20
"""Characters of the shortest credential that is recognized."""

_WINDOW: Final = 64 * 1024
_OVERLAP: Final = 512


@dataclass(frozen=True, slots=True)
class SecretRule:
    """``marker`` must occur in the file before ``pattern`` is tried; its first group must reach ``entropy`` bits."""

    name: str
    marker: bytes
    pattern: re.Pattern[bytes]
    entropy: float = 3.0


def _rule(name: str, marker: str, pattern: str, entropy: float = 3.0) -> SecretRule:
    return SecretRule(name, marker.encode(), re.compile(pattern.encode()), entropy)


_LOGIN_IN_URL: Final = (
    r"\b(?:https?|ftp|postgres(?:ql)?|mysql|mongodb(?:\+srv)?|redis|amqps?)://"
    r"[\w.%+-]{1,64}:([^\s:@/'\"<>{}$*()]{8,128})@[\w.-]+"
)
_PRIVATE_KEY: Final = (
    r"-----BEGIN (?:[A-Z]{2,10} )?PRIVATE KEY(?: BLOCK)?-----[\s\\nr\"',+]{1,40}"
    r"((?:[A-Za-z-]{1,40}: [^\n]{1,80}\n){0,5}[A-Za-z0-9+/=]{40,})"
)

RULES: Final = (
    _rule("Anthropic key", "sk-ant-", r"(?<![\w-])(sk-ant-[a-z0-9]{3,6}-[\w-]{32,200})"),
    _rule(
        "OpenAI key",
        "sk-",
        r"(?<![\w-])(sk-[A-Za-z0-9_-]{20,120}T3BlbkFJ[A-Za-z0-9_-]{20,100})",
    ),
    _rule("OpenRouter key", "sk-or-v1-", r"(?<![\w-])(sk-or-v1-[0-9a-f]{64})"),
    _rule("GitHub token", "gh", r"(?<!\w)(gh[pousr]_[A-Za-z0-9]{36,251})(?!\w)"),
    _rule("GitHub token", "github_pat_", r"(?<!\w)(github_pat_\w{82})(?!\w)"),
    _rule("GitLab token", "gl", r"(?<!\w)(gl(?:pat|dt|rt|ptt|cbt|oas|soat)-[\w-]{20,64})(?![\w-])"),
    _rule("AWS key", "A", r"(?<![A-Z0-9])((?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16})(?![A-Z0-9])"),
    _rule("Google key", "AIza", r"(?<!\w)(AIza[\w-]{35})(?![\w-])"),
    _rule("Google OAuth secret", "GOCSPX-", r"(?<!\w)(GOCSPX-[\w-]{28})(?![\w-])"),
    _rule("Slack token", "xox", r"(?<!\w)(xox[abeoprs]-(?:\d{6,14}-){1,4}[A-Za-z0-9-]{16,80})"),
    _rule("Slack webhook", "hooks.slack.com", r"(hooks\.slack\.com/services/T[A-Z0-9]{6,12}/B[A-Z0-9]{6,12}/\w{20,})"),
    _rule("Stripe key", "_live_", r"(?<!\w)([sr]k_live_[A-Za-z0-9]{20,120})"),
    _rule("Package index token", "pypi-AgEI", r"(?<!\w)(pypi-AgEI[\w-]{50,1000})"),
    _rule("Package registry token", "npm_", r"(?<!\w)(npm_[A-Za-z0-9]{36})(?!\w)"),
    _rule("Hugging Face token", "hf_", r"(?<!\w)(hf_[A-Za-z]{34})(?!\w)"),
    _rule("Groq key", "gsk_", r"(?<!\w)(gsk_[A-Za-z0-9]{52})(?!\w)"),
    _rule("xAI key", "xai-", r"(?<!\w)(xai-[A-Za-z0-9]{80})(?!\w)"),
    _rule("SendGrid key", "SG.", r"(?<!\w)(SG\.[\w-]{22}\.[\w-]{43})(?![\w-])"),
    _rule("DigitalOcean token", "_v1_", r"(?<!\w)(do[oprt]_v1_[0-9a-f]{64})(?!\w)"),
    _rule("Vault token", "hvs.", r"(?<!\w)(hvs\.[\w-]{90,120})(?![\w-])"),
    _rule("age key", "AGE-SECRET-KEY-1", r"(AGE-SECRET-KEY-1[02-9AC-HJ-NP-Z]{58})"),
    _rule("Azure storage key", "AccountKey=", r"AccountKey=([A-Za-z0-9+/]{86}==)"),
    _rule("Password in a URL", "://", _LOGIN_IN_URL, 3.3),
    _rule("Private key", "PRIVATE KEY", _PRIVATE_KEY),
    _rule(
        "Signed web token",
        "eyJ",
        r"(?<!\w)(eyJ[\w-]{20,1500}\.eyJ[\w-]{20,4000}\.[\w-]{40,1000})",
    ),
)
"""What is looked for."""


def find_secrets(path: str, content: bytes) -> Iterator[Finding]:
    """Yield where a file's text has the form of a credential, at most `MAX_FINDINGS`; binary files are left out."""
    if b"\0" in content[:8000]:
        return
    seen: set[tuple[str, int]] = set()
    for rule in RULES:
        if rule.marker not in content:
            continue
        for offset in range(0, len(content), _WINDOW):
            window = content[max(0, offset - _OVERLAP) : offset + _WINDOW + _OVERLAP]
            for match in rule.pattern.finditer(window):
                if entropy(match.group(1)[:200]) < rule.entropy:
                    continue
                line = content.count(b"\n", 0, max(0, offset - _OVERLAP) + match.start()) + 1
                if (rule.name, line) not in seen:
                    seen.add((rule.name, line))
                    yield Finding("secret", path, rule.name, line)
                if len(seen) >= MAX_FINDINGS:
                    return


def entropy(text: bytes) -> float:
    """Return the Shannon entropy of a text in bits per byte: a placeholder has little."""
    if not text:
        return 0.0
    return -sum(n / len(text) * math.log2(n / len(text)) for n in Counter(text).values())
