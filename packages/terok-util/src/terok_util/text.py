"""Making text from a container safe for a terminal, a log line or a notification."""

from __future__ import annotations

import unicodedata

ELLIPSIS = "…"

# Unicode calls these letters and marks printable, but they show nothing: with them two different names look alike, and
# a message can carry data that nobody sees.
_FILLERS = {0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0}
_SELECTORS = {*range(0x180B, 0x1810), *range(0xFE00, 0xFE0E), *range(0xE0100, 0xE01F0)}
_INVISIBLE = frozenset(_FILLERS | _SELECTORS)
_TAB = " " * 4


def safe_text(text: str | bytes, *, limit: int | None = None, multiline: bool = False) -> str:
    r"""Return `text` with all characters visible that a terminal would act on.

    C0 and C1 controls (also as raw 8-bit bytes), DEL, bidirectional and zero-width characters, surrogates,
    private-use and unassigned code points, line and paragraph separators and invisible letters become `\xNN`,
    `\uNNNN` or `\UNNNNNNNN`. Every kind of space becomes a plain one. The result is printable and stays on one line;
    with `multiline` line feeds are kept. Bytes are read as UTF-8.

    At most `limit` characters are returned; an ellipsis marks the cut. Applying the function twice changes nothing.
    """
    if limit is not None:
        if limit < 1:
            return ""
        # One character of output needs at most two of input (CR LF) or four bytes.
        text = text[: limit * 4 + 4]
    if isinstance(text, bytes):
        text = text.decode("utf-8", "backslashreplace")
    if not text.isprintable() or not _INVISIBLE.isdisjoint(map(ord, text)):
        newline = "\n" if multiline else " "
        text = "".join(_visible(char, newline) for char in text.replace("\r\n", "\n"))
    if limit is not None and len(text) > limit:
        text = text[: limit - 1] + ELLIPSIS
    return text


def last_line(text: str | bytes, *, limit: int = 500) -> str:
    """Return the last line of `text` with something in it, as safe text of at most `limit` characters; "" if none.

    It is the line of a program's output or log that most often says why the program failed.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8", "backslashreplace")
    lines = text.rstrip().splitlines()
    return safe_text(lines[-1].strip(), limit=limit) if lines else ""


def _visible(char: str, newline: str) -> str:
    if char == "\n":
        return newline
    if char == "\t":
        return _TAB if newline == "\n" else " "
    code = ord(char)
    if char.isprintable() and code not in _INVISIBLE:
        return char
    if unicodedata.category(char) == "Zs":
        return " "
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


sanitize_tty = safe_text
