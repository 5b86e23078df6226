"""Identifiers of tasks: eight characters of Crockford's base32, the first a letter."""

from __future__ import annotations

from itertools import pairwise

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"
"""Crockford's alphabet: without i, l, o and u."""
LENGTH = 8
RANDOM_BYTES = 8
SHORTEST = 2
"""Characters of the shortest prefix that is shown."""

_LETTERS = DIGITS[10:]
_READ_AS = str.maketrans({"i": "1", "l": "1", "o": "0", "-": None})


def new_id(random_bytes: bytes) -> str:
    """Return the identifier that `RANDOM_BYTES` random bytes make; the caller tries again when it is taken."""
    number, first = divmod(int.from_bytes(random_bytes[:RANDOM_BYTES], "big"), len(_LETTERS))
    rest = [DIGITS[number >> 5 * place & 31] for place in range(LENGTH - 1)]
    return _LETTERS[first] + "".join(rest)


def normalize(text: str) -> str:
    """Return `text` as an identifier would be written: lower case, no hyphens, i and l as 1, o as 0."""
    return text.strip().lower().translate(_READ_AS)


def is_id(text: str) -> bool:
    """Whether `text` is a whole identifier as it is stored."""
    return len(text) == LENGTH and is_prefix(text)


def is_prefix(text: str) -> bool:
    """Whether `text` can be the beginning of an identifier as it is stored."""
    return 0 < len(text) <= LENGTH and text[0] in _LETTERS and all(char in DIGITS for char in text)


def short_ids(ids: Iterable[str]) -> dict[str, str]:
    """Return the shortest unique prefix, of at least `SHORTEST` characters, of each of all identifiers in a store."""
    ordered = sorted(set(ids))
    shared = [0, *(_common(one, other) for one, other in pairwise(ordered)), 0]
    return {
        one: one[: max(SHORTEST, before + 1, after + 1)]
        for one, before, after in zip(ordered, shared, shared[1:], strict=False)
    }


def _common(one: str, other: str) -> int:
    shared = 0
    while shared < len(one) and one[: shared + 1] == other[: shared + 1]:
        shared += 1
    return shared
