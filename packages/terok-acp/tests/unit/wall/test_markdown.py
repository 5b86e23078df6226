from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from terok_acp.wall.markdown import ImageGuard, without_images

TOKENS = [
    "!",
    "[",
    "]",
    "(",
    ")",
    ":",
    "http://e",
    "x",
    "\n",
    "\n\n",
    " ",
    "\\",
    "`",
    "> ",
    "- ",
    "1. ",
    "\r",
    "<",
    ">",
]
texts = st.lists(st.sampled_from([*TOKENS, '"', "![a](http://e)", "[a]: http://e", "![a]"]), max_size=8).map("".join)
judge = MarkdownIt("commonmark")


def images(text: str) -> list[str]:
    return [part.content for token in judge.parse(text) for part in token.children or [] if part.type == "image"]


@given(st.lists(texts, max_size=6))
@example(["![a](http://e)"])
@example(["!", "[a]", "(http://e)"])
@example(["![a][b]\n\n", "[b]", ": http://e"])
@example(["![a `]` b](http://e)"])
@example(["[a\\]b]: http://e\n\n![a\\]b]"])
@example(["x\r\r[a]: http://e\n\n![a]"])
def test_no_text_in_any_pieces_shows_an_image(pieces: list[str]) -> None:
    guard = ImageGuard()
    assert images("".join(guard.pass_text(piece, "agent_message_chunk") for piece in pieces)) == []
    assert images(without_images("".join(pieces))) == []


@given(st.lists(st.tuples(st.sampled_from("ab"), texts), max_size=6))
@example([("a", "![x"), ("b", "\n\n"), ("a", "](http://e)")])
@example([("a", "[x"), ("b", "]"), ("a", "]: http://e\n\n![x"), ("a", "]")])
def test_however_an_editor_joins_messages_there_is_none(pieces: list[tuple[str, str]]) -> None:
    guard = ImageGuard()
    shown = [(message, guard.pass_text(text, "agent_message_chunk", message)) for message, text in pieces]
    for chosen in ("a", "b", "ab"):
        assert images("".join(text for message, text in shown if message in chosen)) == []


@pytest.mark.parametrize(
    "text",
    [
        "plain, with a [link](https://e/x) and `code[0]: int`",
        'let v = vec![1, 2];\nprintln!("{}", v[0]);',
        "def f(x: dict[str, int]) -> list[int]:\n    return x[0]\n",
        "- [x] done\n- [ ] open\n",
        "wow! [really]",
    ],
)
def test_what_shows_no_image_stays_as_it_is(text: str) -> None:
    guard = ImageGuard()
    assert guard.pass_text(text) == text
    assert "".join(guard.pass_text(piece) for piece in text) == text
