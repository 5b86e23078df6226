from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from terok_util import last_line, safe_text, sanitize_tty

# What terminals, loggers and eyes have been fooled with.
PAYLOADS = [
    "\x1b]52;c;cm0gLXJmIH4=\x07",  # clipboard
    "\x1b]8;;https://evil.example\x1b\\safe\x1b]8;;\x1b\\",  # link
    "\x1b]0;title\x07",
    "\x1b[2J\x1b[1;1H\x1b[8m",
    "\x1bP+q544e\x1b\\",  # DCS
    "\x9b31m",  # CSI as one C1 character
    "\x90q\x9c",
    b"\x9b31m raw 8-bit CSI",
    b"\xc2\x9b31m C1 in UTF-8",
    b"\xff\xfe\x1b[0m",
    "user\u202etxt.exe\u2066",
    "a\u200bb\u200dc\ufeffd\u2060",
    "fake\r[ok] done",
    "line\nnew line\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029",
    "\x00\x07\x08\x7f",
    "\ud800\udc9b",
    "\ufdd0\uffff\U0010ffff",
    "\U000e0041\U000e0042",  # tag characters
    "\u3164\u115f\u2800",  # letters nobody sees
    "a\ufe01\U000e0100",
    "\ue000\uf8ff",
    "\xa0\u3000\u2003",
]


@given(st.text() | st.binary())
@example("a\r\nb\tc")
def test_result_is_one_printable_line(text: str | bytes) -> None:
    safe = safe_text(text)
    assert safe.isprintable()
    assert safe_text(safe) == safe
    safe.encode()
    assert not {unicodedata.category(char) for char in safe} & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


@pytest.mark.parametrize("payload", PAYLOADS)
@pytest.mark.parametrize("multiline", [False, True])
def test_payloads(payload: str | bytes, multiline: bool) -> None:
    safe = safe_text(payload, multiline=multiline)
    assert (safe.replace("\n", "") if multiline else safe).isprintable()
    assert not any(invisible in safe for invisible in "\u3164\u115f\u2800\ufe01\U000e0100")


@given(st.text() | st.binary(), st.integers(0, 40), st.booleans())
def test_limit_is_kept_and_marked(text: str | bytes, limit: int, multiline: bool) -> None:
    whole = safe_text(text, multiline=multiline)
    cut = safe_text(text, limit=limit, multiline=multiline)
    assert len(cut) <= limit
    if len(whole) <= limit:
        assert cut == whole
    elif limit:
        assert cut.endswith("…")
        assert whole.startswith(cut[:-1]) or isinstance(text, bytes)


@given(st.text(st.characters(categories=["L", "N", "P", "S"]), max_size=50))
def test_ordinary_text_stays(text: str) -> None:
    if not set(text) & set("\u115f\u1160\u2800\u3164\uffa0"):
        assert safe_text(text) == text


def test_how_it_looks() -> None:
    assert safe_text("a\x1b[0m\u202eb\U000e0041") == r"a\x1b[0m\u202eb\U000e0041"
    assert safe_text(b"caf\xc3\xa9 \x9b") == r"café \x9b"
    assert safe_text("a\r\nb\tc\rd") == r"a b c\x0dd"
    assert safe_text("a\r\nb\tc", multiline=True) == "a\nb    c"
    assert safe_text("Grüße, 世界 ⚠️ 👍") == "Grüße, 世界 ⚠️ 👍"
    assert safe_text("0123456789", limit=5) == "0123…"
    assert sanitize_tty is safe_text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("one\n  two\x1b \r\n\n \n", "two\\x1b"),
        (b"one\ntwo\xff", "two\\xff"),
        ("\n \n", ""),
        ("", ""),
        ("x" * 40, "x" * 9 + "…"),
    ],
)
def test_the_last_line_with_something_in_it(text: str | bytes, expected: str) -> None:
    assert last_line(text, limit=10) == expected
