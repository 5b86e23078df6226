"""Find text that has the form of a credential, also in UTF-16 and in the middle of binary data.

The rules are exact: each needs a prefix or a marker that hardly occurs otherwise. They guard against accidents; who
wants to hide a key can encode it.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from terok_sandbox.gate.inspect.policy import Finding

MAX_FINDINGS: Final = 20
"""Findings reported per file."""

SHORTEST: Final = 20
"""Characters of the shortest credential that is recognized."""

_WINDOW: Final = 64 * 1024
_OVERLAP: Final = 512


@dataclass(frozen=True, slots=True)
class SecretRule:
    """One of `markers` must occur before `pattern` is tried; its first group must reach `entropy` bits."""

    name: str
    markers: tuple[bytes, ...]
    pattern: re.Pattern[bytes]
    entropy: float = 3.0


def _rule(name: str, marker: str | tuple[str, ...], pattern: str, entropy: float = 3.0) -> SecretRule:
    markers = (marker,) if isinstance(marker, str) else marker
    return SecretRule(name, tuple(one.encode() for one in markers), re.compile(pattern.encode()), entropy)


_LOGIN_IN_URL: Final = (
    r"\b(?:https?|ftp|postgres(?:ql)?|mysql|mongodb(?:\+srv)?|redis|amqps?)://"
    r"[\w.%+-]{1,64}:([^\s:@/'\"<>{}$*()]{8,128})@[\w.-]+"
)
_PRIVATE_KEY: Final = (
    r"-----BEGIN (?:[A-Z]{2,10} )?PRIVATE KEY(?: BLOCK)?-----[\s\\nr\"',+]{1,40}"
    r"((?:[A-Za-z-]{1,40}: [^\n]{1,80}\n){0,5}[A-Za-z0-9+/=]{40,})"
)

_NAMED_KEY: Final = (
    r"(?i:ccess_?key|ecret_?key|ecretaccesskey)[\"']?\s{0,3}[=:]\s{0,3}[\"']?([A-Za-z0-9/+]{40})(?![A-Za-z0-9/+=])"
)
_ENCODED_KEY: Final = r"(LS0tLS1CRUdJTi[A-Za-z0-9+/]{1,24}(?:UFJJVkFUR|BSSVZBVE|QUklWQVRF)[A-Za-z0-9+/=]{40,})"

RULES: Final = (
    _rule("Anthropic key", "sk-ant-", r"(?<![\w-])(sk-ant-[a-z0-9]{3,12}-[\w-]{32,200})"),
    _rule("OpenAI key", "sk-", r"(?<![\w-])(sk-[A-Za-z0-9_-]{20,120}T3BlbkFJ[A-Za-z0-9_-]{20,100})"),
    _rule("OpenAI key", "sk-", r"(?<![\w-])(sk-(?:proj|svcacct|admin|None)-[\w-]{40,200})"),
    _rule("OpenRouter key", "sk-or-v1-", r"(?<![\w-])(sk-or-v1-[0-9a-f]{64})"),
    _rule("API key", "sk-", r"(?<![\w-])(sk-(?:[A-Za-z0-9]{32,64}|lf-[0-9a-f-]{36}))(?![\w-])", 3.3),
    _rule("GitHub token", "gh", r"(?<!\w)(gh[pousr]_[A-Za-z0-9]{36,251})(?!\w)"),
    _rule("GitHub token", "ghs_", r"(?<!\w)(ghs_\w{1,40}_eyJ[\w.-]{80,2000})"),
    _rule("GitHub token", "github_pat_", r"(?<!\w)(github_pat_\w{82})(?!\w)"),
    _rule(
        "GitLab token", "gl", r"(?<!\w)(gl(?:pat|dt|rt|rtr|ptt|cbt|oas|soat|ft|imt|agent|ffct)-[\w-]{20,300})(?![\w-])"
    ),
    _rule("AWS key", "A", r"(?<![A-Z0-9])((?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16})(?![A-Z0-9])"),
    _rule("AWS secret key", ("ccess", "CCESS", "ecret", "ECRET"), _NAMED_KEY, 3.6),
    _rule("AWS Bedrock key", "ABSK", r"(?<!\w)(ABSK[A-Za-z0-9+/]{100,280}=?)"),
    _rule("Google key", "AIza", r"(?<!\w)(AIza[\w-]{35})(?![\w-])"),
    _rule("Google key", "AQ.", r"(?<![\w.])(AQ\.A[\w-]{40,200})(?![\w-])"),
    _rule("Google token", "ya29.", r"(?<!\w)(ya29\.[\w-]{60,500})"),
    _rule("Google refresh token", "1//0", r"(?<![\w/])(1//0[\w-]{60,200})"),
    _rule("Google OAuth secret", "GOCSPX-", r"(?<!\w)(GOCSPX-[\w-]{28})(?![\w-])"),
    _rule("Slack token", "xox", r"(?<!\w)(xox[abeoprs]-(?:\d{6,14}-){1,4}[A-Za-z0-9-]{16,80})"),
    _rule("Slack token", ("xapp-", "xoxe"), r"(?<!\w)((?:xapp|xoxe(?:\.xox[bp])?)-\d-[A-Za-z0-9-]{40,250})"),
    _rule("Slack webhook", "hooks.slack.com", r"(hooks\.slack\.com/services/T[A-Z0-9]{6,12}/B[A-Z0-9]{6,12}/\w{20,})"),
    _rule("Discord webhook", "/api/webhooks/", r"(discord(?:app)?\.com/api/webhooks/\d{17,20}/[\w-]{60,80})"),
    _rule("Telegram token", ":AA", r"(?<!\w)(\d{8,10}:AA[\w-]{33})(?![\w-])", 4.0),
    _rule("Stripe key", "_live_", r"(?<!\w)([sr]k_live_[A-Za-z0-9]{20,120})"),
    _rule("Webhook secret", "whsec_", r"(?<!\w)(whsec_[A-Za-z0-9+/]{32,64})"),
    _rule("Package index token", "pypi-AgEI", r"(?<!\w)(pypi-AgEI[\w-]{50,1000})"),
    _rule("Package registry token", "npm_", r"(?<!\w)(npm_[A-Za-z0-9]{36})(?!\w)"),
    _rule(
        "Package registry token",
        ("rubygems_", "oy2", "cio"),
        r"(?<!\w)(rubygems_[0-9a-f]{48}|oy2[a-z0-9]{43}|cio[A-Za-z0-9]{32})(?!\w)",
        3.5,
    ),
    _rule("Container registry token", "dckr_", r"(?<!\w)(dckr_(?:pat|oat)_[\w-]{27,60})"),
    _rule("Hugging Face token", "hf_", r"(?<!\w)(hf_[A-Za-z0-9]{34,40})(?!\w)"),
    _rule("Groq key", "gsk_", r"(?<!\w)(gsk_[A-Za-z0-9]{52})(?!\w)"),
    _rule("xAI key", "xai-", r"(?<!\w)(xai-[A-Za-z0-9]{80})(?!\w)"),
    _rule("Perplexity key", "pplx-", r"(?<!\w)(pplx-[A-Za-z0-9]{48})(?!\w)"),
    _rule("Replicate token", "r8_", r"(?<!\w)(r8_[A-Za-z0-9]{37})(?!\w)"),
    _rule("Cerebras key", "csk-", r"(?<!\w)(csk-[a-z0-9]{48})(?!\w)"),
    _rule("NVIDIA key", "nvapi-", r"(?<!\w)(nvapi-[\w-]{60,70})(?![\w-])"),
    _rule("Together key", "tgp_v1_", r"(?<!\w)(tgp_v1_[\w-]{43})(?![\w-])"),
    _rule("E2B key", "e2b_", r"(?<!\w)(e2b_[0-9a-f]{40})(?!\w)"),
    _rule("LangSmith key", "lsv2_", r"(?<!\w)(lsv2_(?:pt|sk)_[0-9a-f]{32}_[0-9a-f]{10})(?!\w)"),
    _rule("Tavily key", "tvly-", r"(?<!\w)(tvly-[\w-]{32,60})(?![\w-])"),
    _rule("Linear key", "lin_api_", r"(?<!\w)(lin_api_[A-Za-z0-9]{40})(?!\w)"),
    _rule("Notion token", "ntn_", r"(?<!\w)(ntn_[A-Za-z0-9]{40,60})(?!\w)"),
    _rule("Atlassian token", ("ATATT3", "ATBB"), r"(?<!\w)(ATATT3[\w=-]{150,250}|ATBB[A-Za-z0-9]{32})(?!\w)"),
    _rule("SendGrid key", "SG.", r"(?<!\w)(SG\.[\w-]{22}\.[\w-]{43})(?![\w-])"),
    _rule("DigitalOcean token", "_v1_", r"(?<!\w)(do[oprt]_v1_[0-9a-f]{64})(?!\w)"),
    _rule("Databricks token", "dapi", r"(?<!\w)(dapi[0-9a-f]{32}(?:-\d)?)(?!\w)"),
    _rule("Grafana token", "gl", r"(?<!\w)(glsa_[A-Za-z0-9]{32}_[0-9a-f]{8}|glc_eyJ[A-Za-z0-9+/=]{40,400})(?!\w)"),
    _rule("Sentry token", "sntry", r"(?<!\w)(sntry[su]_[\w+/=-]{60,300})"),
    _rule("New Relic key", "NRAK-", r"(?<!\w)(NRAK-[A-Z0-9]{27})(?!\w)"),
    _rule("Shopify token", "shp", r"(?<!\w)(shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32})(?!\w)"),
    _rule("Supabase key", ("sbp_", "sb_secret_"), r"(?<!\w)(sbp_[0-9a-f]{40}|sb_secret_[\w-]{20,60})(?![\w-])"),
    _rule("PlanetScale token", "pscale_", r"(?<!\w)(pscale_(?:tkn|pw|oauth)_[\w.=-]{32,64})"),
    _rule(
        "Doppler token",
        "dp.",
        r"(?<![\w.])(dp\.(?:pt|st|ct|sa|scim|audit)\.(?:[\w-]{2,35}\.)?[A-Za-z0-9]{40,44})(?!\w)",
    ),
    _rule("Tailscale key", "tskey-", r"(?<!\w)(tskey-(?:auth|api|client|scim|webhook)-\w{8,20}-\w{20,40})"),
    _rule("Terraform token", ".atlasv1.", r"(?<!\w)(\w{14}\.atlasv1\.[\w-]{60,70})"),
    _rule("Pulumi token", "pul-", r"(?<!\w)(pul-[0-9a-f]{40})(?!\w)"),
    _rule("Postman key", "PMAK-", r"(?<!\w)(PMAK-[0-9a-f]{24}-[0-9a-f]{34})(?!\w)"),
    _rule("Sonar token", "sq", r"(?<!\w)(sq[upa]_[0-9a-f]{40})(?!\w)"),
    _rule("1Password token", "ops_eyJ", r"(?<!\w)(ops_eyJ[\w+/=-]{200,2000})"),
    _rule("Vault token", ("hvs.", "hvb."), r"(?<!\w)(hv[sb]\.[\w-]{90,300})(?![\w-])"),
    _rule("age key", "AGE-SECRET-KEY-1", r"(AGE-SECRET-KEY-1[02-9AC-HJ-NP-Z]{58})"),
    _rule("Azure storage key", "AccountKey=", r"AccountKey=([A-Za-z0-9+/]{86}==)"),
    _rule("Azure client secret", "Q~", r"(?<![\w~.-])([\w~.-]{3}\dQ~[\w~.-]{31,34})(?![\w~.-])", 3.8),
    _rule("Password in a URL", "://", _LOGIN_IN_URL, 3.3),
    _rule("Private key", "PRIVATE KEY", _PRIVATE_KEY),
    _rule(
        "Private key", "PuTTY-User-Key-File-", r"(PuTTY-User-Key-File-\d: [^\n]{1,40}[\s\S]{1,4000}Private-Lines: \d)"
    ),
    _rule("Private key in base64", "LS0tLS1CRUdJTi", _ENCODED_KEY),
    _rule("Signed web token", "eyJ", r"(?<![\w-])(eyJ[\w-]{20,1500}\.eyJ[\w-]{20,4000}\.[\w-]{40,1000})"),
)
"""What is looked for."""


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
