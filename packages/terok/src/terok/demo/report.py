"""A demonstration's checks as a transcript of at most 100 columns, or as JSON."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from terok.demo.checks import Check

WIDTH = 100
TITLE_WIDTH = 20
_GREEN, _RED, _DIM, _OFF = "\x1b[32m", "\x1b[1;31m", "\x1b[2m", "\x1b[0m"


def transcript(checks: Sequence[Check], *, color: bool = False) -> Iterator[str]:
    """Yield the lines of the report; only `color` adds escape sequences."""
    for check in checks:
        yield from _lines(check, color=color)
    held = sum(check.held for check in checks)
    yield ""
    yield _paint(f"{held} of {len(checks)} checks held", _GREEN if held == len(checks) else _RED, color)


def as_json(checks: Sequence[Check], **more: Any) -> dict[str, Any]:
    """Return the checks and other facts as JSON values."""
    return {"held": all(check.held for check in checks), **more, "checks": [asdict(check) for check in checks]}


def _lines(check: Check, *, color: bool) -> Iterator[str]:
    mark = _paint("  ok  ", _GREEN, color) if check.held else _paint("FAILED", _RED, color)
    indent = " " * (8 + TITLE_WIDTH)
    first, *rest = _wrapped(check.measured, WIDTH - len(indent)) or [""]
    yield f"{mark}  {check.title:<{TITLE_WIDTH}}{first}"
    yield from (indent + line for line in rest)
    if not check.held:
        for line in _wrapped(f"expected: {check.expected}", WIDTH - len(indent)):
            yield indent + _paint(line, _RED, color)
    for detail in check.details:
        for line in _wrapped(detail, WIDTH - 10):
            yield " " * 10 + _paint(line, _DIM, color)


def _wrapped(text: str, width: int) -> list[str]:
    # Indentation means something in a patch, so white space is not touched but for the end of a line.
    lines = textwrap.wrap(text, width, drop_whitespace=False, replace_whitespace=False, break_on_hyphens=False)
    return [line.rstrip() for line in lines]


def _paint(text: str, code: str, color: bool) -> str:
    return f"{code}{text}{_OFF}" if color else text
