"""Hostile text in every place that a person looks at: terminal, notification, JSON, the agent's file."""

from __future__ import annotations

import json
import re
from html import unescape
from html.parser import HTMLParser
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terok_sandbox.clearance.events import ClearanceEvent
from terok_sandbox.clearance.lookalike import decoded, registrable_domain, warning
from terok_sandbox.clearance.model import ClearanceRequest, Target, Verdict, dossier_of
from terok_sandbox.clearance.notifier import CHOICES, actions, chosen
from terok_sandbox.clearance.present import body, details, headline, outcome, plain
from terok_sandbox.clearance.terminal import Terminal

PAYLOADS = st.sampled_from(
    [
        "\x1b]52;c;ZXZpbA==\x07",
        "\x1b]8;;http://evil.example\x1b\\click\x1b]8;;\x1b\\",
        "\x9b31m\x90q",
        "safe.example\r\nanswer: a 1",
        "\u202emoc.live\u202c",
        '<a href="http://evil.example">Deny</a><img src="file:///etc/passwd">',
        "&lt;b&gt;<b>bold</b>&amp;<!-- -->",
        "[bold red]Allow[/]",
    ]
)
HOSTILE = st.text(max_size=60) | PAYLOADS | st.tuples(st.text(max_size=20), PAYLOADS).map("".join)


def made(name: str, why: str, dossier: dict[str, str], container: str = "c1") -> ClearanceRequest:
    return ClearanceRequest("ab12", container, Target(name, "198.51.100.7", 443), why, 1.0, 2.0, 3, True, dossier)


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.seen.append(tag)

    def handle_comment(self, data: str) -> None:
        self.seen.append(data)


@pytest.mark.attack("UI-1")
@pytest.mark.attack("UI-3")
@given(name=HOSTILE, why=HOSTILE, key=HOSTILE, value=HOSTILE, container=HOSTILE)
def test_no_text_escapes(name: str, why: str, key: str, value: str, container: str) -> None:
    request = made(name, why, {key: value}, container)
    written: list[str] = []
    terminal = Terminal(SimpleNamespace(waiting=(request,)), written.append)
    terminal.show(ClearanceEvent("request", container, request))
    terminal.list()
    terminal.show(ClearanceEvent("resolved", container, request, "ab12", "deny", Verdict("deny")))
    for line in [
        headline(request),
        *details(request),
        outcome(ClearanceEvent("resolved", container, request)),
        *written,
    ]:
        assert line.isprintable(), ascii(line)
        assert len(line) <= 600
    for markup in (True, False):
        text = body(request, markup=markup)
        parser = Tags()
        parser.feed(text)
        assert parser.seen == []
        assert re.fullmatch(r"(?:&(?:lt|gt|amp|quot|#x27);|[^&])*", text)
        assert all(line.isprintable() for line in unescape(text).splitlines())
    assert not set("<>&") & set(plain(container))
    assert dossier_of({key: value})[next(iter(dossier_of({key: value})))].isprintable()
    assert json.dumps(ClearanceEvent("request", container, request).to_json()).isascii()


@pytest.mark.attack("UI-2")
def test_look_alikes_are_named() -> None:
    request = made("xn--pple-43d.com", "", {})
    assert request.punycode
    assert any("Cyrillic" in line for line in details(request))
    assert "аpple.com" in warning(request.target.name)  # noqa: RUF001 - that is the point
    assert "xn--pple-43d.com" in headline(request), "the name itself is shown as it is asked for"
    assert warning("apple.com") == ""
    assert decoded("xn--99999999999.com") == "xn--99999999999.com" or decoded("xn--99999999999.com").isprintable()


@pytest.mark.parametrize(
    ("name", "domain"),
    [
        ("a.b.example.com", "example.com"),
        ("accounts.google.com.evil.example", "evil.example"),
        ("x.example.co.uk", "example.co.uk"),
        ("mine.github.io", "mine.github.io"),
        ("198.51.100.7", "198.51.100.7"),
        ("2001:db8::7", "2001:db8::7"),
        ("host", "host"),
    ],
)
def test_registrable_domain(name: str, domain: str) -> None:
    assert registrable_domain(name) == domain


@pytest.mark.attack("UI-3")
@given(key=st.text(max_size=40))
def test_only_the_offered_actions_count(key: str) -> None:
    nonce = "0123456789abcdef"
    offered = dict(actions(nonce))
    assert (chosen(key, nonce) is not None) == (key in offered)
    assert [chosen(one, nonce) for one in offered] == [verdict for _, _, verdict in CHOICES]
    assert CHOICES[0][2].action == "deny"
    assert chosen(f"{nonce}:once", "another") is None
    assert chosen("default", nonce) is None
