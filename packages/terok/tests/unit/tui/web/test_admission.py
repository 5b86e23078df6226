"""Which requests may speak at all."""

from __future__ import annotations

import pytest
from terok.tui.web.admission import Address, cookie, key, refusal

HERE = Address("127.0.0.1", 8123)
THERE = Address("10.1.2.3", 8123)
OURS = {"host": "127.0.0.1:8123", "origin": "http://127.0.0.1:8123"}


@pytest.mark.parametrize(
    ("address", "headers", "acts", "refused"),
    [
        (HERE, OURS, True, ""),
        (HERE, {"host": "127.0.0.1:8123"}, False, ""),
        (HERE, {"host": "localhost:8123", "origin": "http://localhost:8123"}, True, ""),
        (HERE, {"host": "LOCALHOST:8123", "sec-fetch-site": "cross-site"}, False, ""),
        (HERE, {"host": "127.0.0.1:8123"}, True, "another site"),
        (HERE, {}, False, "no other name"),
        (
            HERE,
            {"host": "rebound.example.org:8123", "origin": "http://rebound.example.org:8123"},
            True,
            "no other name",
        ),
        (HERE, {"host": "127.0.0.1:8124"}, False, "no other name"),
        (HERE, {"host": "127.0.0.1"}, False, "no other name"),
        (HERE, {**OURS, "origin": "http://localhost:8123"}, True, "another site"),
        (HERE, {**OURS, "origin": "http://127.0.0.1:9000"}, True, "another site"),
        (HERE, {**OURS, "origin": "https://127.0.0.1:8123"}, True, "another site"),
        (HERE, {**OURS, "origin": "null"}, True, "another site"),
        (HERE, {**OURS, "origin": "http://evil.example.org"}, False, "another site"),
        (HERE, {**OURS, "sec-fetch-site": "same-site"}, True, "another site"),
        (THERE, {"host": "10.1.2.3:8123", "origin": "http://10.1.2.3:8123"}, True, ""),
        (THERE, {"host": "localhost:8123", "origin": "http://localhost:8123"}, True, "no other name"),
        (Address("::1", 80), {"host": "[::1]:80", "origin": "http://[::1]:80"}, True, ""),
    ],
)
def test_only_pages_of_this_server_by_its_own_name_may_act(address, headers, acts, refused):
    found = refusal(address, headers, acts=acts)
    assert refused in found and bool(refused) is bool(found)


def test_secrets_are_found_among_others():
    assert cookie("a=b; terok_token_8123=x-y_z", HERE.cookie) == "x-y_z"
    assert cookie("terok_token_8124=x", HERE.cookie) == ""
    assert cookie("a\x00b=;;; =", HERE.cookie) == ""
    assert (key("chat, terok.abc"), key("chat"), key("")) == ("abc", "", "")
