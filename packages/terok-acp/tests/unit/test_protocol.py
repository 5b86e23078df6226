from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terok_acp.errors import FrameError
from terok_acp.protocol.framing import DEEPEST, FrameReader, Violation, encode

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
frames = st.dictionaries(st.text(), values, max_size=4).map(lambda extra: {**extra, "method": "m"} | {"id": 1})
lines = st.lists(st.binary(max_size=40).map(lambda raw: raw.replace(b"\n", b"")), max_size=8)


@given(st.lists(frames, max_size=5), st.lists(st.integers(1, 50), min_size=1))
def test_frames_arrive_as_they_were_however_they_are_cut(sent: list[dict], cuts: list[int]) -> None:
    sent = [{**frame, "id": 1} for frame in sent]
    data, reader, got = b"".join(encode(frame) for frame in sent), FrameReader(1 << 20), []
    position = 0
    while position < len(data):
        size = cuts[position % len(cuts)]
        got += reader.feed(data[position : position + size])
        position += size
    assert got == sent


@given(lines)
def test_any_bytes_cost_their_own_line_only(noise: list[bytes]) -> None:
    good = {"jsonrpc": "2.0", "method": "m"}
    reader = FrameReader(100)
    got = reader.feed(b"".join(line + b"\n" + encode(good) for line in noise))
    assert got.count(good) >= len(noise)
    assert all(isinstance(one, Violation) or type(one) is dict for one in got)


def test_a_giant_line_is_one_violation_and_is_not_kept() -> None:
    reader = FrameReader(1000)
    got = [one for _ in range(100) for one in reader.feed(b"x" * 900)]
    got += reader.feed(b'\n{"method":"m"}\n')
    assert [type(one) for one in got] == [Violation, dict]
    assert reader.feed(b"y" * 1000) == []
    assert reader.feed(b"\n")[0].code == -32700


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"[1]", -32600),
        (b"5", -32600),
        (b"{", -32700),
        (b'{"id":NaN,"method":"m"}', -32700),
        (b'{"id":[1],"method":"m"}', -32600),
        (b'{"id":true,"method":"m"}', -32600),
        (b'{"method":5}', -32600),
        (b'{"id":1}', -32600),
        (b'\xff{"method":"m"}', -32700),
        (b"[" * 100_000, -32700),
        (b'{"method":"m","params":' + b'{"a":' * DEEPEST + b"1" + b"}" * DEEPEST + b"}", -32600),
        ('{"method":"m"}'.encode("utf-16"), -32700),
        (b'{"method":"m","params":' + b"9" * 5000 + b"}", -32700),
    ],
)
def test_what_is_no_frame(line: bytes, code: int) -> None:
    [got] = FrameReader(1 << 20).feed(line.replace(b"\n", b" ") + b"\n")
    assert isinstance(got, Violation)
    assert got.code == code


def test_the_deepest_frame_passes() -> None:
    line = b'{"method":"m","params":' + b"[" * (DEEPEST - 1) + b"]" * (DEEPEST - 1) + b"}\n"
    [got] = FrameReader(1 << 20).feed(line)
    assert got == json.loads(line)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "\ud800"])
def test_what_editors_cannot_read_is_not_written(value: object) -> None:
    with pytest.raises(FrameError):
        encode({"method": "m", "params": {"a": value}})
