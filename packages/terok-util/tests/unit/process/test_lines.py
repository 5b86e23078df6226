from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from terok_util.process.lines import MAX_LINE, LineSplitter


@given(st.lists(st.binary(max_size=50)), st.integers(1, 7))
def test_chunks_do_not_matter(pieces: list[bytes], size: int) -> None:
    data = b"\n".join(pieces)
    whole: list[str] = []
    split: list[str] = []
    for lines, step in ((whole, len(data) + 1), (split, size)):
        splitter = LineSplitter(lines.append)
        for start in range(0, len(data), step):
            splitter.feed(data[start : start + step])
        splitter.end()
    assert split == whole
    assert len(whole) <= data.count(b"\n") + 1


def test_endless_line_comes_in_pieces() -> None:
    lines: list[str] = []
    splitter = LineSplitter(lines.append)
    for _ in range(4):
        splitter.feed(b"x" * MAX_LINE)
    splitter.end()
    assert "".join(lines) == "x" * 4 * MAX_LINE
    assert max(map(len, lines)) <= MAX_LINE
