from __future__ import annotations

from typing import Any

from terok.demo.measure import answered, connection_row, name_row

ROWS: list[dict[str, Any]] = [
    {"action": "rules_loaded"},
    {"action": []},
    {"action": "allowed", "dest": "192.0.2.1", "port": 443},
    {"action": "blocked", "dest": "192.0.2.1", "port": 80},
    {"action": "blocked", "dest": "192.0.2.1", "port": 443, "proto": "tcp"},
    {"action": "allowed", "name": "example.com"},
    {"action": "refused", "name": "Example.com."},
]


def test_only_refusals_of_that_destination_count() -> None:
    assert connection_row(ROWS, "192.0.2.1", 443) is ROWS[4]
    assert connection_row(ROWS[:4], "192.0.2.1", 443) is None


def test_only_refusals_of_that_name_count() -> None:
    assert name_row(ROWS, "example.com") is ROWS[6]
    assert name_row(ROWS[:6], "example.com") is None


def test_answers_are_counted() -> None:
    rows = [{"action": "request"}, {"action": "response", "status": 200}, {"action": "response", "status": 401}]
    assert answered(rows) == (2, 1)
