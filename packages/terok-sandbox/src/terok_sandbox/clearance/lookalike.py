"""Facts about a name for the person who may allow it: its registrable domain, and the name it may imitate."""

from __future__ import annotations

import unicodedata
from typing import Final

from terok_util.text import safe_text

_SECOND_LEVEL: Final = frozenset(
    {"ac", "co", "com", "edu", "gov", "ltd", "mil", "ne", "net", "or", "org", "plc", "sch"}
)
"""Below a two-letter country these are registries, not registrants (`example.co.uk`)."""
_SHARED: Final = frozenset(
    {
        *("github.io", "gitlab.io", "pages.dev", "workers.dev", "vercel.app", "netlify.app", "herokuapp.com"),
        *("web.app", "firebaseapp.com", "azurewebsites.net", "cloudfront.net", "amazonaws.com", "ngrok.io"),
        *("ngrok-free.app", "trycloudflare.com", "readthedocs.io", "blogspot.com", "fly.dev", "onrender.com"),
    }
)
"""Domains whose sub-domains belong to different people; the name below them counts."""


def registrable_domain(name: str) -> str:
    """Return the part of `name` that somebody registered, as a short list of registries tells.

    Where that errs, it is a longer or shorter tail of the name. Addresses and single labels are returned unchanged.
    """
    labels = name.split(".")
    if len(labels) < 3 or labels[-1].isdigit() or ":" in name:
        return name
    tail = ".".join(labels[-2:])
    public = tail in _SHARED or (len(labels[-1]) == 2 and labels[-2] in _SECOND_LEVEL)
    return ".".join(labels[-3:]) if public else tail


def is_punycode(name: str) -> bool:
    """Whether a label of `name` encodes other letters than it shows."""
    return any(label.startswith("xn--") for label in name.split("."))


def decoded(name: str) -> str:
    """Return `name` with its punycode labels decoded and made safe to show; a label that cannot be stays as it is."""
    labels = []
    for label in name.split("."):
        try:
            labels.append(label[4:].encode("ascii").decode("punycode") if label.startswith("xn--") else label)
        except (UnicodeError, ValueError, OverflowError):
            labels.append(label)
    return safe_text(".".join(labels), limit=253)


def scripts(text: str) -> tuple[str, ...]:
    """Return the scripts that the letters of `text` come from, such as `("CYRILLIC", "LATIN")`."""
    names = {unicodedata.name(char, "UNKNOWN").split(" ")[0].split("-")[0] for char in text if char.isalpha()}
    return tuple(sorted(names))


def warning(name: str) -> str:
    """Return a line that warns of a name which may imitate another one, else an empty string."""
    if not is_punycode(name):
        return ""
    shown = decoded(name)
    return (
        f"look-alike letters: reads as {shown!r} ({', '.join(s.capitalize() for s in scripts(shown)) or 'no letters'})"
    )
