"""The check of the dialect knows its faults, and takes plain English as it is."""

from __future__ import annotations

import pytest
from dialect import faults


@pytest.mark.parametrize(
    "source",
    [
        '"""What this does."""',
        'class A:\n    x = 1\n    """What x is."""',
        'def f():\n    """Return ``x``."""',
        'def f():\n    """Return :class:`A` of *name*."""',
        'raise ValueError(f"{text!r} is no memory size")',
        "try:\n    f()\nexcept OSError as exc:\n    raise",
    ],
)
def test_a_fault_is_found_with_its_line(source: str) -> None:
    assert [line for line, _ in faults("\n" * 6 + source)]
    assert all(line > 6 for line, _ in faults("\n" * 6 + source))


@pytest.mark.parametrize(
    "source",
    [
        '"""Return `x * y` and `**options`, whatever they are. There is no other; it is no longer used."""',
        'raise ValueError(f"invalid memory size {text!r}: use a number and k, m or g")',
        "try:\n    f()\nexcept OSError as error:\n    raise",
        'x = "What a string says is its own affair"',
    ],
)
def test_plain_english_is_taken_as_it_is(source: str) -> None:
    assert [*faults(source)] == []
