from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terok_executor.web.guard import Guard, without_token, without_tokens

TOKEN = "t" * 43
GUARD = Guard(8080, token=TOKEN)
IN = {"host": "127.0.0.1:8080", "cookie": f"a=b; terok_token_8080={TOKEN}"}


def test_the_token_in_the_query_enters_and_the_cookie_passes() -> None:
    assert GUARD.admit("GET", f"/?token={TOKEN}", {"host": "localhost:8080"}) == "enter"
    assert GUARD.admit("GET", "/x", IN) == "pass"
    assert GUARD.admit("POST", "/x", IN | {"origin": "http://127.0.0.1:8080"}) == "pass"
    assert Guard(1, "https://a.example/", TOKEN).admit("GET", f"/?token={TOKEN}", {"host": "a.example"}) == "enter"


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({"cookie": ""}, "unknown"),
        ({"cookie": f"terok_token_8081={TOKEN}"}, "unknown"),
        ({"cookie": "terok_token_8080=wrong"}, "unknown"),
        ({"origin": "http://127.0.0.1:8081"}, "foreign"),
        ({"origin": "null"}, "foreign"),
        ({"sec-fetch-site": "same-site"}, "foreign"),
        ({"sec-fetch-site": "cross-site"}, "foreign"),
        ({"host": "rebound.example:8080"}, "foreign"),
        ({"host": ""}, "foreign"),
    ],
)
def test_who_stays_out(change: dict[str, str], verdict: str) -> None:
    assert GUARD.admit("GET", "/x", IN | change) == verdict


@given(st.text(), st.text(max_size=80), st.dictionaries(st.sampled_from(["cookie", "origin", "host"]), st.text()))
def test_without_the_token_nothing_passes(method: str, target: str, headers: dict[str, str]) -> None:
    try:
        verdict = GUARD.admit(method, "/" + target, {"host": "127.0.0.1:8080"} | headers)
    except ValueError:  # not a target that the server would hand over
        return
    assert verdict in ("unknown", "foreign")


def test_an_empty_token_lets_nobody_in() -> None:
    assert Guard(1).admit("GET", "/?token=", {"host": "127.0.0.1:1"}) == "unknown"


def test_no_token_of_ours_goes_on() -> None:
    assert without_tokens(f"a=b; terok_token_1={TOKEN}; c=d;terok_token_2=x") == "a=b; c=d"
    assert without_token(f"/a?x=1&token={TOKEN}&y=2") == "/a?x=1&y=2"
    assert without_token(f"//evil.example/?token={TOKEN}") == "/"
    assert without_token(f"/?token={TOKEN}") == "/"
