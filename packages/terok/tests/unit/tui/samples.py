"""Values that screens show, with any text in them."""

from __future__ import annotations

from terok.model.timeline import Chain, Entry, Timeline
from terok.services.clearances import Wish
from terok.services.shields import Rule, Seen, Verdict, Wall, Why
from terok.services.signing_in import Way
from terok.services.ssh_keys import Key
from terok.services.vaults import Credential, Limit, Safe, Token

NOW = 1_780_000_000.0


def wish(text="files.example.org:443/tcp", **more):
    row = {
        "id": "r1",
        "task": "k7234567",
        "container": "terok-api-k7234567",
        "target": text,
        "program": "curl",
        "why": "no rule allows it",
        "since": NOW - 245,
        "times": 3,
        "first_time": True,
        "odd": "",
        "address": "203.0.113.7",
        "opens": "tcp 443",
        "domain": "example.org",
        "context": (("task", "k7234567"), ("agent", "claude")),
    }
    return Wish(**{**row, **more})


def wall(text="files.example.org", **more):
    row = {
        "container": "terok-api-k7234567",
        "posture": "up",
        "enforcement": "filter",
        "running": True,
        "attended": True,
        "kept": True,
        "verdicts": (
            Verdict(f"{text}:443/tcp", "allow", NOW + 580, "for the fixtures"),
            Verdict("ads.example.net:443/tcp", "deny", None, ""),
        ),
        "rules": (Rule("project_allow", f"+ *.{text}"), Rule("security_deny", "- 192.0.2.0/24")),
        "seen": (
            Seen(NOW - 5, "refused", f"{text}:443/tcp", "no rule allows it", f"{text}:443/tcp"),
            Seen(NOW - 65, "verdict", "ads.example.net:443/tcp", "", ""),
            Seen(None, "allowed", "docs.example.org:443/tcp", "project_allow", "docs.example.org:443/tcp"),
        ),
        "broken": "",
    }
    return Wall(**{**row, **more})


def why(text="files.example.org:443"):
    rules = ((Rule("project_allow", f"+ {text} "), "is about another port"),)
    return Why(text, "deny", text, "default", "", rules, wall(text).seen)


def safe(text="me@example.org", **more):
    row = {
        "state": "unlocked",
        "tier": "session",
        "path": "/home/me/.local/share/terok/vault/credentials.db",
        "kept": "systemd-creds",
        "acknowledged": False,
        "tiers": (("systemd-creds", True), ("keyring", False), ("file", True)),
        "warnings": ("the recovery key was not written down",),
        "problem": "",
        "hint": "",
        "credentials": (
            Credential("anthropic", "default", "oauth", "refreshes", "plan", NOW - 9000, NOW + 7300, text),
            Credential("openai", "work", "api_key", "valid", "metered", NOW - 90_000, None, ""),
            Credential("mistral", "default", "oauth", "expired", "metered", NOW - 90_000, NOW - 4000, ""),
        ),
        "tokens": (
            Token("5d41402a", "terok-api-k7234567", "k7234567", "anthropic", "default", NOW - 300),
            Token("7b52009b", text, "", "openai", "work", None),
        ),
        "limits": (
            Limit("m2234567", "terok-api-m2234567", "task", "cost_usd", 2.0, 2.0, "holds", 1),
            Limit("a3234567", "terok-web-a3234567", "day", "requests", 120, 4000, "room", 0),
        ),
        "silent": (),
    }
    return Safe(**{**row, **more})


def keys(text="api-1"):
    line = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExampleExampleExampleExampleExampleExample1"
    row = ("ed25519", "SHA256:uNiVztksCsDhcc0u9e8BgrJXVGDjWsfHWDeTcAXHCl4", text, f"{line} {text}", NOW - 90_000)
    return [Key(1, "api", True, *row), Key(2, "api", False, *row), Key(2, "web", True, *row), Key(3, "", False, *row)]


def ways(text="Anthropic"):
    return [
        Way("anthropic", text, ("oauth", "api-key"), ("claude",), "refreshes", NOW + 7300, "me@example.org", ""),
        Way("openai", "OpenAI", ("oauth", "device", "api-key"), ("codex",), "missing", None, "", ""),
        Way("mistral", "Mistral", ("api-key",), (), "missing", None, "", "https://keys.example.org/"),
    ]


def timeline(text="allowed docs.example.org:443", **more):
    entries = (
        Entry(NOW - 400, "task", "terok", "created project=api", {"event": "created", "project": "api"}),
        Entry(NOW - 395, "run", "terok", "starting container=terok-api-k7234567", {"event": "starting"}),
        Entry(NOW - 390, "name", "shield", text, {"name": "docs.example.org", "port": 443, "nested": [text]}),
        Entry(NOW - 300, "model", "usage", "anthropic opus: 412 tokens in, 80 out, $0.0131", {"input": 412}, NOW - 288),
        Entry(NOW - 200, "tool", "output", "Bash: make test", {"name": "Bash"}, NOW - 20),
        Entry(NOW - 100, "push", "gate", "push landed refs/heads/terok/k7, 1 finding", {"findings": 1}),
        Entry(NOW - 50, "record", "vault", "the audit log is not what was written: row 3 is missing", {}),
    )
    chains = (Chain("shield", True, True, 9, ()), Chain("vault", False, True, 4, ("row 3 is missing",)))
    row = {"entries": entries, "chains": chains, "left_out": True}
    return Timeline(**{**row, **more})
