"""The colors of a changed file, made by a process of its own: `python -m terok.tui.background.review_colors`.

Looking for the words of a language in hostile text may take for ever, and pygments keeps Python's lock meanwhile. A
process can be ended, and its memory goes with it; without colors a diff is as right as with them.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from terok_util import TerokError
from terok_util.process import run

from terok.model.diff_text import shown_lines
from terok.model.hunks import FileDiff, Hunk
from terok.tui.views.review_colors import colored
from terok.tui.views.text import STYLES, Line, Span

if TYPE_CHECKING:
    from terok.model.hunks import Line as Code

PATIENCE: Final = 10.0
"""Seconds after which a file stays without colors."""
_MEMORY: Final = 1024 * 1024 * 1024
_LARGEST: Final = 2 * 1024 * 1024
"""Bytes of a patch that is colored."""
_LARGEST_TEXT: Final = 200_000
"""Characters of one version of a hunk in which the words of a language are looked for."""
_KINDS: Final = (
    ("Comment", "dim"),
    ("Keyword", "keyword"),
    ("Operator.Word", "keyword"),
    ("Literal", "literal"),
    ("Name.Class", "bold"),
    ("Name.Function", "bold"),
    ("Name.Tag", "keyword"),
    ("Generic.Heading", "bold"),
)
"""Kinds of words, as pygments names them, with their styles; everything else is plain."""


def colors_of(
    file: FileDiff, hunks: Sequence[Hunk], texts: Mapping[Code, str], *, patience: float = PATIENCE
) -> dict[Code, Line]:
    """Return the lines of a file that have colors; none if that takes too long."""
    patch = file.patch or b""
    if len(patch) > _LARGEST:
        return {}
    asked = json.dumps({"path": file.path, "patch": patch.decode("latin-1")}).encode()
    program = [sys.executable, "-P", "-m", "terok.tui.background.review_colors"]
    try:
        done = run(program, timeout=patience, input=asked, memory=_MEMORY)
        return decoded(json.loads(done.stdout), hunks, texts)
    except (TerokError, ValueError):
        return {}


def decoded(answer: Any, hunks: Sequence[Hunk], texts: Mapping[Code, str]) -> dict[Code, Line]:
    """Return the colors that the process has told: for each line lengths and styles, in the order of the hunks.

    ValueError if they do not fit the lines.
    """
    lines = [line for hunk in hunks for line in hunk.lines]
    if not isinstance(answer, list) or len(answer) != len(lines):
        raise ValueError("other lines are colored")
    found: dict[Code, Line] = {}
    for line, row in zip(lines, answer, strict=True):
        if row is None:
            continue
        text, at, spans = texts[line], 0, []
        for length, style in row:
            if type(length) is not int or length < 1 or style not in STYLES:
                raise ValueError("no color")
            spans.append(Span(text[at : at + length], style))
            at += length
        if at != len(text):
            raise ValueError("a line has another length")
        found[line] = tuple(spans)
    return found


def answer(path: str, patch: bytes) -> list[list[tuple[int, str]] | None]:
    """Return the colors of a file's patch, as `decoded` reads them."""
    hunks = FileDiff("M", path, path, "", "", "", "", patch=patch).hunks()
    texts = {line: text for hunk in hunks for line, text in shown_lines(hunk).items()}
    found = colored(hunks, texts, language_of(path))
    return [
        [(len(span.text), span.style) for span in found[line]] if line in found else None
        for hunk in hunks
        for line in hunk.lines
    ]


def language_of(path: str) -> Callable[[Sequence[str]], list[Line] | None]:
    """Return a function that gives lines, which are safe text, of a file of some name the colors of its language."""
    lexer = _lexer(path.rpartition("/")[2])

    def tokens(lines: Sequence[str]) -> list[Line] | None:
        text = "\n".join(lines)
        if lexer is None or len(text) > _LARGEST_TEXT:
            return None
        found: list[list[Span]] = [[]]
        for kind, value in lexer.get_tokens(text):
            for number, part in enumerate(value.split("\n")):
                if number:
                    found.append([])
                if part:
                    found[-1].append(Span(part, _style(str(kind))))
        same = ["".join(span.text for span in one) for one in found] == list(lines)
        return [tuple(one) for one in found] if same else None

    return tokens


@cache
def _style(kind: str) -> str:
    return next((style for name, style in _KINDS if kind.startswith(f"Token.{name}")), "plain")


def _lexer(name: str) -> Any:
    from pygments.lexers import get_lexer_for_filename  # in the process of its own only
    from pygments.util import ClassNotFound

    try:
        return get_lexer_for_filename(name, stripnl=False, ensurenl=False)
    except ClassNotFound:
        return None


if __name__ == "__main__":
    asked = json.load(sys.stdin)
    json.dump(answer(asked["path"], asked["patch"].encode("latin-1")), sys.stdout)
