"""Agent text as Markdown that loads no image (R23).

An editor that renders `![x](https://host/secret)` fetches it, and so carries what the agent knows to that host, past
the container's egress rules. One space after the `]` makes text of the image, and of a definition (`[x]: https://…`)
to which an image may refer. Text arrives in pieces that cannot be taken back, so an `ImageGuard` knows only what may be
open: it breaks a link too many rather than an image too few.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_MARK = re.compile(r"!?\[|\]|\n[ \t]*\n|\n")
_MARKERS = " \t>*+-.)0123456789"
"""Characters that may stand before a definition on its line: quotes, list items and their numbers."""


@dataclass(slots=True)
class _Stream:
    """The state at the end of a text that goes on: everything that may still be open."""

    message: object = None
    image: bool = False
    """`![` was seen in this paragraph."""
    label: bool = False
    """A bracket was opened at the start of a line, and not closed."""
    closed: bool = False
    """That bracket was closed by the last character."""
    line_start: bool = True
    last: str = ""
    mixed: bool = False
    """Messages took turns while something was open: an editor may join either of them."""


class ImageGuard:
    """The state of one session's streams of text towards one editor."""

    __slots__ = ("_streams",)

    def __init__(self) -> None:
        self._streams: dict[str, _Stream] = {}

    def pass_text(self, text: str, kind: str = "", message: object = None) -> str:
        """Return the next piece of the text of `kind`, without images.

        Editors join pieces by kind, by message, or by both.
        """
        stream = self._streams.get(kind)
        if stream is None:
            stream = self._streams[kind] = _Stream(message)
        if message != stream.message:
            stream.message, stream.line_start = message, True
            stream.mixed |= stream.image or stream.label or stream.closed
        if not text:
            return text
        if "[" in text or "]" in text or stream.image or stream.label or stream.closed:
            text = _scanned(text, stream)
        _follow(stream, text)
        return text


def without_images(text: str) -> str:
    """Return a whole text without images."""
    return _scanned(text, _Stream()) if "]" in text else text


def _scanned(text: str, stream: _Stream) -> str:
    parts: list[str] = []
    done = 0
    if stream.last == "]" and _shows(text[0], stream):
        parts.append(" ")
    stream.closed = False
    for found in _MARK.finditer(text):
        mark, start, end = found.group(), found.start(), found.end()
        if mark[-1] == "[":
            stream.image |= mark == "![" or (start == 0 and stream.last == "!")
            stream.label |= _starts_line(text, start, stream)
        elif mark == "]":
            escaped = (text[start - 1] if start else stream.last) == "\\"
            stream.closed, stream.label = stream.label, stream.label and escaped
            if end == len(text):
                break
            if _shows(text[end], stream):
                parts += [text[done:end], " "]
                done = end
            stream.closed = False
        elif mark != "\n" and not stream.mixed:  # an empty line ends what is open
            stream.image = stream.label = False
    return "".join([*parts, text[done:]])


def _shows(follows: str, stream: _Stream) -> bool:
    """Say whether a `]` before `follows` may end an image's text or a definition's label."""
    if follows == ":":
        return stream.closed or stream.mixed
    return follows == "(" and stream.image


def _starts_line(text: str, start: int, stream: _Stream) -> bool:
    line = max(text.rfind("\n", 0, start), text.rfind("\r", 0, start)) + 1
    return (line > 0 or stream.line_start) and not text[line:start].strip(_MARKERS)


def _follow(stream: _Stream, text: str) -> None:
    line = max(text.rfind("\n"), text.rfind("\r")) + 1
    stream.line_start = (line > 0 or stream.line_start) and not text[line:].strip(_MARKERS)
    stream.last = text[-1]
