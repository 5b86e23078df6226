"""Secrets that this process has handled, and their removal from text that leaves it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable
from urllib.parse import quote

MASK = "[redacted]"
MIN_SECRET_LENGTH = 4
"""Shorter registered values are ignored, because masking them would garble ordinary words."""
MAX_SECRETS = 4096
"""When more values are registered, the oldest are forgotten."""

_MIN_LINE = 20

_lock = threading.Lock()
_registered: dict[str, None] = {}
_ordered: tuple[str, ...] = ()


def register_secret(value: str | bytes) -> None:
    """Mask `value` from now on in every log line and every process error of this process."""
    global _ordered  # noqa: PLW0603 - there is one registry per process
    text = value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value
    with _lock:
        for form in _spellings(text):
            if len(form) >= MIN_SECRET_LENGTH:
                _registered[form] = None
        while len(_registered) > MAX_SECRETS:
            del _registered[next(iter(_registered))]
        # Longest first: a secret that contains another must not leave its rest behind.
        _ordered = tuple(sorted(_registered, key=len, reverse=True))


def redact(text: str, extra: Iterable[str | bytes] = ()) -> str:
    """Return `text` with registered secrets and the values in `extra` masked, longest first."""
    for form in _longest_first(extra) if extra else _ordered:
        text = text.replace(form, MASK)
    return text


def redact_bytes(data: bytes, extra: Iterable[str | bytes]) -> bytes:
    """Return `data` with the values in `extra` masked; registered secrets are left alone."""
    for value in extra:
        raw = value if isinstance(value, bytes) else value.encode("utf-8", "surrogateescape")
        if raw:
            data = data.replace(raw, MASK.encode())
    return data


def _longest_first(extra: Iterable[str | bytes]) -> list[str]:
    texts = [value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value for value in extra]
    forms = {form for text in texts for form in _spellings(text)}
    return sorted(forms.union(_ordered), key=len, reverse=True)


def _spellings(secret: str) -> set[str]:
    """Return the forms a secret takes: as it is, stripped, line by line, in a URL, in JSON."""
    forms = {secret, secret.strip()}
    if "\n" in secret.strip():  # a key file, whose output may be followed line by line
        lines = (line.strip() for line in secret.splitlines())
        forms |= {line for line in lines if len(line) >= _MIN_LINE and not line.startswith("-----")}
    quoted = {quote(form, safe="", errors="surrogateescape") for form in forms}
    return (forms | quoted | {json.dumps(form, ensure_ascii=False)[1:-1] for form in forms}) - {""}
