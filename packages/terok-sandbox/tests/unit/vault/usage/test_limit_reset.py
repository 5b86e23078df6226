"""When a limit ends, as providers say it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terok_sandbox.vault.usage.limit_reset import LONGEST, reset_time

NOW = 1_700_000_000.0
SAID: list[tuple[dict[str, str], Any, float | None]] = [
    ({"retry-after": "30"}, {}, 30),
    ({"retry-after": "Tue, 14 Nov 2023 22:14:20 GMT"}, {}, 60),
    ({"anthropic-ratelimit-requests-reset": "2023-11-14T22:15:20Z"}, {}, 120),
    ({"anthropic-ratelimit-unified-reset": "1700018000"}, {}, 18000),
    ({"x-ratelimit-reset-requests": "1h2m3s", "x-ratelimit-reset-tokens": "120ms"}, {}, 3723),
    ({"x-ratelimit-reset-tokens": "6m0s"}, {}, 360),
    ({"retry-after": "12", "anthropic-ratelimit-tokens-reset": "2023-11-14T23:13:20Z"}, {}, 12),
    ({}, {"error": {"type": "usage_limit_reached", "resets_at": 1700003600}}, 3600),
    ({}, {"error": {"resets_in_seconds": 90}}, 90),
    ({}, {"error": {"details": [{"@type": "RetryInfo", "retryDelay": "34.5s"}]}}, 34.5),
    ({"retry-after": "5"}, {"error": {"resets_at": 1700003600}}, 3600),
    ({"retry-after": "-1", "content-type": "1700000050"}, {"resets_at": "soon"}, None),
    ({"retry-after": "99999999"}, {"resets_at": None}, None),
    ({"retry-after": ""}, [], None),
]  # fmt: skip


@pytest.mark.parametrize(("headers", "body", "expected"), SAID)
def test_what_providers_say(headers: dict[str, str], body: object, expected: float | None) -> None:
    found = reset_time(headers, json.dumps(body).encode(), NOW)
    assert found == (None if expected is None else NOW + expected)


NAMES = st.sampled_from(["retry-after", "x-ratelimit-reset", "ratelimit-reset", "other"])
TEXTS = st.text(max_size=30) | st.from_regex(r"-?[0-9]{1,40}(\.[0-9]+)?[smhd]?", fullmatch=True)


@given(st.dictionaries(NAMES, TEXTS), st.binary(max_size=50) | st.builds(
    lambda key, value: json.dumps({key: value}).encode(), st.sampled_from(["resets_at", "retryDelay"]),
    TEXTS | st.floats() | st.integers() | st.none()))  # fmt: skip
def test_nothing_else_is_taken_for_a_time(headers: dict[str, str], body: bytes) -> None:
    found = reset_time(headers, body, NOW)
    assert found is None or NOW <= found <= NOW + LONGEST
