from __future__ import annotations

import io

import pytest
from terok_util import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_steps_replace_each_other_and_headlines_and_notes_stay() -> None:
    stream = Terminal()
    with Progress(stream) as say:
        say("building localhost/x")
        say("STEP 1/9: FROM y")
        say("x" * 500)
        say("Error: nothing \x1b[31mworks")
        say("note: " + "y" * 300)
        say("the last step")
    shown = [part.removeprefix("\x1b[K") for part in stream.getvalue().split("\r")[1:]]
    assert shown[0].startswith("   0:00  building localhost/x")
    assert [part.endswith("\n") for part in shown] == [True, False, False, True, True, False, False]
    assert len(shown[2]) < 500, "a line that wraps could not be replaced"
    assert "y" * 300 in shown[4], "a note is whole"
    assert shown[-1] == "", "the last step is cleared away"
    assert "\x1b[31m" not in stream.getvalue()


def test_what_was_cleared_is_not_cleared_again() -> None:
    stream = Terminal()
    with Progress(stream) as say:
        say("a step")
        say.clear()
        stream.write("an answer")
    assert stream.getvalue().endswith("an answer")


@pytest.mark.parametrize(("plain", "said"), [(False, "   note: look\n"), (True, "   a step\n   note: look\n")])
def test_away_from_a_terminal_only_notes_are_said(plain: bool, said: str) -> None:
    stream = io.StringIO()
    with Progress(stream, plain=plain) as say:
        say("a step")
        say("note: look")
    assert stream.getvalue() == said
