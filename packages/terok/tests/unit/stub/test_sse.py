from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st
from terok.stub.sse import frame, pieces


@given(st.text())
def test_pieces_are_the_text(text: str) -> None:
    parts = list(pieces(text))
    assert "".join(parts) == text
    assert parts


@given(st.dictionaries(st.text(), st.text()))
def test_no_text_breaks_out_of_its_frame(data: dict[str, str]) -> None:
    name, line, end = frame(data, event="e").decode().split("\n", 2)
    assert (name, end) == ("event: e", "\n")
    assert json.loads(line.removeprefix("data: ")) == data
