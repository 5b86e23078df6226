from __future__ import annotations

import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terok_util import redaction
from terok_util.redaction import MASK, redact, redact_bytes, register_secret


@pytest.fixture(autouse=True)
def _empty_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redaction, "_registered", {})
    monkeypatch.setattr(redaction, "_ordered", ())


secrets = st.text(st.characters(codec="utf-8", exclude_characters="[redacted]"), min_size=4).filter(
    lambda text: len(text.strip()) >= 4
)


@given(secrets, st.text(), st.text())
def test_no_form_of_a_secret_remains(secret: str, before: str, after: str) -> None:
    for form in (secret, quote(secret, safe=""), json.dumps(secret, ensure_ascii=False)[1:-1]):
        assert form not in redact(before + form + after, [secret])


def test_longest_first() -> None:
    register_secret("sk-abc")
    register_secret(b"sk-abc-longer")
    assert redact("x sk-abc-longer sk-abc y") == f"x {MASK} {MASK} y"


def test_lines_of_a_key_are_masked_one_by_one() -> None:
    body = "b3BlbnNzaC1rZXktdjEAAAAA"
    register_secret(f"-----BEGIN KEY-----\n{body}\n-----END KEY-----\n")
    assert redact(f"-----BEGIN KEY-----\r\n{body}\r\n") == f"-----BEGIN KEY-----\r\n{MASK}\r\n"


def test_short_values_only_when_asked_for() -> None:
    register_secret("abc")
    assert redact("abc") == "abc"
    assert redact("abc", ["abc", ""]) == MASK


def test_registry_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redaction, "MAX_SECRETS", 3)
    for number in range(5):
        register_secret(f"secret-{number}")
    assert redact("secret-0 secret-4") == f"secret-0 {MASK}"


def test_bytes() -> None:
    register_secret("registered")
    assert redact_bytes(b"a \xff given registered", ["given", b"\xff", ""]) == b"a [redacted] [redacted] registered"
