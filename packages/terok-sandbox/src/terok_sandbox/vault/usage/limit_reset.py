"""When a provider that answered 429 takes calls again: from its headers and the beginning of its body. Pure."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

MAX_BODY: Final = 16 * 1024
"""Bytes at the beginning of an answer that are read for it."""
LONGEST: Final = 35 * 86400.0
"""Seconds: what is said to be further away is nothing to wait for."""
_FORMS: Final = Path(__file__).with_name("limit-forms.json")
_DURATION: Final = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+)ms)?\Z", re.ASCII)
_UNITS: Final = (86400.0, 3600.0, 60.0, 1.0, 0.001)


def reset_time(headers: Mapping[str, str], body: bytes, now: float) -> float | None:
    """Return when the limit ends (seconds since the epoch), None if the answer does not say.

    What it says of this very answer (`Retry-After`, the body) counts before what it says of limits in general. Header
    names are in lower case; `body` may be cut.
    """
    forms = _forms()
    this = [moment(headers.get("retry-after"), now), *(moment(value, now) for value in _said(body, forms["body"]))]
    general = [moment(value, now) for name, value in headers.items() if re.search(forms["headers"], name)]
    for found in (this, general):
        if known := [when for when in found if when is not None]:
            return max(known)
    return None


def moment(value: object, now: float) -> float | None:
    """Return the time that a point in time or a duration means, None if it is neither or not to come."""
    when = _moment(value, now)
    return when if when is not None and now <= when <= now + LONGEST else None


def _moment(value: object, now: float) -> float | None:
    if isinstance(value, str) and len(value) <= 64:
        text = value.strip()
        try:
            value = float(text)
        except ValueError:
            return _written(text, now)
    if type(value) not in (int, float) or not math.isfinite(number := float(value)):  # type: ignore[arg-type]
        return None
    if number > 1e11:
        return number / 1000
    return number if number > 1e9 else now + number


def _written(text: str, now: float) -> float | None:
    if text and (found := _DURATION.match(text)) is not None:
        return now + sum(float(count) * unit for count, unit in zip(found.groups(), _UNITS, strict=True) if count)
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            when = read(text)
        except (ValueError, TypeError, IndexError, OverflowError):
            continue
        try:
            return (when if when.tzinfo is not None else when.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError):
            return None
    return None


def _said(body: bytes, names: list[str]) -> Iterator[object]:
    """Yield the values of `names` anywhere in a JSON body, as far as it goes."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return
    waiting = [document]
    for _ in range(256):
        if not waiting:
            return
        here = waiting.pop()
        if isinstance(here, dict):
            yield from (here[name] for name in names if name in here)
            waiting.extend(here.values())
        elif isinstance(here, list):
            waiting.extend(here)


@cache
def _forms() -> dict[str, Any]:
    forms: dict[str, Any] = json.loads(_FORMS.read_bytes())
    return forms
