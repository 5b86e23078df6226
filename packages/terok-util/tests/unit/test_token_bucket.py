from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from terok_util import TokenBucket


def test_a_burst_and_then_so_many_a_second() -> None:
    bucket = TokenBucket(burst=2, per_second=0.5, now=100.0)
    assert [bucket.take_token(now) for now in (100, 100, 100, 101, 102, 102, 900, 900, 900)] == [
        *(True, True, False),
        *(False, True, False),
        *(True, True, False),
    ]


@given(st.lists(st.floats(0, 1000), min_size=1, max_size=60))
def test_no_stretch_of_time_has_more_than_the_burst_and_the_rate(times: list[float]) -> None:
    bucket = TokenBucket(burst=5, per_second=0.1, now=0.0)
    taken = [now for now in sorted(times) if bucket.take_token(now)]
    for first in range(len(taken)):
        for last in range(first, len(taken)):
            assert last - first + 1 <= 5 + (taken[last] - taken[first]) * 0.1 + 1e-6


def test_a_clock_that_is_set_back_refills_nothing() -> None:
    bucket = TokenBucket(burst=1, per_second=1, now=100.0)
    assert [bucket.take_token(now) for now in (100.0, 50.0, 50.5, 51.5)] == [True, False, False, True]
