from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from terok_sandbox.vault.usage.answers import EventReader

TEXT = st.lists(st.sampled_from([b"data: a", b"data:b", b"event: x", b": note", b"", b"\r", b"\n", b"\r\n", b"data"]))


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


@given(TEXT | st.binary().map(lambda data: [data]), st.lists(st.integers(0, 500), max_size=12))
def test_pieces_make_no_difference(parts: list[bytes], places: list[int]) -> None:
    stream = b"".join(parts)
    whole = EventReader(max_event=64).feed(stream)
    reader = EventReader(max_event=64)
    assert [event for piece in cut(stream, places) for event in reader.feed(piece)] == whole


def test_events_and_line_ends() -> None:
    stream = b"\xef\xbb\xbfevent: a\ndata: 1\ndata:2\n\n: hi\n\r\ndata:  x\r\rdata: y\r\n\r\ndata: unfinished\n"
    assert EventReader().feed(stream) == [b"1\n2", b" x", b"y"]


def test_memory_is_bounded_and_the_next_event_arrives() -> None:
    reader = EventReader(max_event=1000)
    for _ in range(100):
        assert reader.feed(b"data: " + b"x" * 5000) == []
        assert len(reader._line) <= 1000
    assert reader.feed(b"\ndata: a\n\n") == []
    for _ in range(300):
        reader.feed(b"data: 0123456789\n")
    assert sum(map(len, reader._data)) <= 1000
    assert reader.feed(b"\ndata: fine\n\n") == [b"fine"]
