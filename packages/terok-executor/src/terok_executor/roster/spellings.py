"""How values of roster files may be spelled."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from pydantic import AfterValidator


def match(pattern: str, what: str) -> AfterValidator:
    """Return a check that a text is spelled by `pattern`; `what` says to a person what that is."""
    compiled = re.compile(pattern)

    def check(value: str) -> str:
        if not compiled.fullmatch(value):
            raise ValueError(f"not {what}: {value!r}")
        return value

    return AfterValidator(check)


def upstream(value: str) -> str:
    """Return the address of an upstream without a slash at its end; ValueError for what is none."""
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError as error:
        raise ValueError(f"not a URL: {value!r} ({error})") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"not an http or https URL: {value!r}")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("an upstream carries no user, query or fragment")
    return value.rstrip("/")


def expression(value: str) -> str:
    """Return a regular expression; ValueError for what is none."""
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from None
    return value
