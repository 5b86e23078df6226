from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

import pytest
from terok_util import JSON, TAIL, CommandDef, CommandTree, show, show_row, table
from terok_util.commands.parser import VerbParser
from terok_util.errors import UsageError


class State(StrEnum):
    UP = "up"


class Row(NamedTuple):
    name: str
    state: State


@dataclass(frozen=True, slots=True)
class Mirror:
    path: Path
    saved: datetime
    rows: tuple[Row, ...]
    tags: frozenset[str]


MIRROR = Mirror(Path("/m"), datetime(2030, 1, 2, tzinfo=UTC), (Row("a\x9b2J", State.UP),), frozenset("zab"))


def test_json_shows_values_and_text_is_never_made(capsys: pytest.CaptureFixture[str]) -> None:
    def lines() -> Iterator[str]:
        raise AssertionError
        yield

    show({"mirror": MIRROR, "count": 1, "off": False, "none": None}, True, lines())
    printed = capsys.readouterr().out
    assert printed.endswith("}\n")
    assert printed.isascii()
    assert json.loads(printed) == {
        "mirror": {
            "path": "/m",
            "saved": "2030-01-02T00:00:00+00:00",
            "rows": [{"name": "a\x9b2J", "state": "up"}],
            "tags": ["a", "b", "z"],
        },
        "count": 1,
        "off": False,
        "none": None,
    }


def test_text_is_printed_line_by_line_and_made_safe(capsys: pytest.CaptureFixture[str]) -> None:
    show([], False, (f"{name}\x1b" for name in "ab"))
    show({}, False, "one\nline")
    assert capsys.readouterr().out == "a\\x1b\nb\\x1b\none line\n"


def test_a_row_of_a_stream_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    show_row(MIRROR, True, "")
    show_row(MIRROR, False, "a\nb")
    first, second = capsys.readouterr().out.splitlines()
    assert json.loads(first)["path"] == "/m"
    assert second == "a b"


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    assert [*table(["NAME", "N"], [["a", 1], ["long\x1b", 22]])] == ["NAME      N", "a         1", "long\\x1b  22"]
    assert [*table(["NAME"], [])] == ["NAME"]


def test_the_shared_options() -> None:
    tree = CommandTree([CommandDef("logs", args=[JSON, TAIL], handler=lambda as_json, tail: (tail or 40) + as_json)])
    parser = VerbParser(prog="p")
    tree.wire(parser)
    assert tree.dispatch(parser.parse_args(["logs", "--json", "--tail", "7"])) == 8
    assert tree.dispatch(parser.parse_args(["logs"])) == 40
    for wrong in ("-1", "x", "٣"):
        with pytest.raises(UsageError, match="--tail"):
            parser.parse_args(["logs", f"--tail={wrong}"])
