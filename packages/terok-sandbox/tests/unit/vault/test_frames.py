from __future__ import annotations

import contextlib
import itertools
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terok_sandbox.vault.frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    MAX_PIECES,
    PING,
    TEXT,
    FrameError,
    FrameReader,
    Piece,
    frame,
    mask,
)

KEY = b"\x01\x80\xff\x3c"


def joined(pieces: list[Piece]) -> list[tuple[int, bytes]]:
    """Put the pieces of messages together again; control frames stay where they were."""
    result: list[tuple[int, bytes]] = []
    message = b""
    for piece in pieces:
        if piece.opcode in (CLOSE, PING):
            result.append((piece.opcode, piece.data))
            continue
        message += piece.data
        if piece.last:
            result.append((piece.opcode, message))
            message = b""
    return result


messages = st.lists(st.tuples(st.sampled_from([TEXT, BINARY, PING]), st.binary(max_size=120)), max_size=6)


@given(messages, st.booleans(), st.lists(st.integers(0, 900), max_size=20))
def test_frames_come_back_however_they_are_cut(sent: list[tuple[int, bytes]], masked: bool, points: list[int]) -> None:
    data = b"".join(frame(opcode, content, key=KEY if masked else b"") for opcode, content in sent)
    edges = [0, *sorted(point % (len(data) + 1) for point in points), len(data)]
    reader = FrameReader(masked=masked)
    pieces = [piece for start, end in itertools.pairwise(edges) for piece in reader.feed(data[start:end])]
    assert joined(pieces) == sent


def test_fragments_with_a_ping_between_them_and_long_frames() -> None:
    reader = FrameReader(masked=False)
    long = b"x" * 70_000
    data = frame(TEXT, b"a", last=False) + frame(PING, b"?") + frame(CONTINUATION, long) + frame(BINARY, b"y" * 300)
    assert joined(reader.feed(data)) == [(PING, b"?"), (TEXT, b"a" + long), (BINARY, b"y" * 300)]


@pytest.mark.parametrize(
    "data",
    [b"\xc1\x01x", b"\x83\x00", b"\x81\x81" + KEY + b"x", b"\x89\x7e\x00\x80", b"\x09\x00", b"\x80\x00",
     b"\x01\x00\x81\x00", b"\x82\x7f" + b"\xff" * 8],
)  # fmt: skip
def test_what_is_no_frame_of_an_upstream(data: bytes) -> None:
    with pytest.raises(FrameError):
        FrameReader(masked=False).feed(data)


def test_a_client_must_mask() -> None:
    with pytest.raises(FrameError):
        FrameReader(masked=True).feed(frame(TEXT, b"x"))


@given(st.binary(max_size=100), st.booleans())
def test_any_bytes_are_frames_or_a_frame_error(data: bytes, masked: bool) -> None:
    with contextlib.suppress(FrameError):
        FrameReader(masked=masked).feed(data)


@given(st.binary(max_size=50))
def test_masking_twice_changes_nothing(data: bytes) -> None:
    assert mask(mask(data, KEY), KEY) == data


@pytest.mark.attack(id="HTTP-13")
def test_the_time_for_many_tiny_frames_grows_with_their_number() -> None:
    def seconds(number: int) -> float:
        data = frame(TEXT, b"", last=False, key=KEY) + frame(CONTINUATION, b"", last=False, key=KEY) * number
        reader, count, began = FrameReader(masked=True), 0, time.process_time()
        while pieces := reader.feed(b"" if count else data):
            assert len(pieces) <= MAX_PIECES
            count += len(pieces)
        assert count == number + 1
        return time.process_time() - began

    assert min(seconds(160_000) for _ in range(2)) < 16 * min(seconds(20_000) for _ in range(4))
