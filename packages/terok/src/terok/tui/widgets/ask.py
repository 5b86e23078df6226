"""The line in which a person writes: a filter, a reply, a name, a command, or a confirmation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Final, NamedTuple

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import Input, Static

Answer = Callable[[str], Any]


class Question(NamedTuple):
    """A question: the words before the line, what it holds at first, and who takes the answer.

    `changed` takes every text on the way. `other` is what Alt+Enter does instead, in words for the placeholder.
    The letters of a `secret` are not shown, and it is forgotten when the line is closed.
    """

    words: str
    done: Answer
    text: str = ""
    changed: Answer | None = None
    other: Answer | None = None
    cancelled: Callable[[], Any] | None = None
    hint: str = ""
    secret: bool = False


NOTHING: Final = Question("", lambda text: None)


class Ask(Horizontal):
    """One line at the bottom, hidden while nothing is asked. `after` is called when it is closed."""

    DEFAULT_CSS = """
    Ask { height: 1; display: none; }
    Ask Static { width: auto; text-style: bold; }
    Ask Input { width: 1fr; height: 1; border: none; padding: 0; background: ansi_default; }
    Ask Input:focus { border: none; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        # At once: a key behind it must not become a part of the answer. The program gives keys out one at a time.
        Binding("enter", "submit", show=False, priority=True),
        Binding("escape", "cancel", show=False, priority=True),
        Binding("alt+enter", "other", show=False, priority=True),
    ]

    def __init__(self, after: Callable[[], Any]) -> None:
        super().__init__()
        self._after = after
        self.question = NOTHING

    def compose(self) -> ComposeResult:
        """Make the two parts of the line."""
        yield Static(Content(""))
        yield Input(select_on_focus=False)  # what is proposed is gone on with, not replaced

    def on_mount(self) -> None:
        """Keep the cursor from blinking: that would wake the program twice a second."""
        self.query_one(Input).cursor_blink = False

    def ask(self, question: Question) -> None:
        """Ask a question; one that is open is cancelled."""
        if self.question is not NOTHING:
            self.action_cancel()
        self.question = question
        self.query_one(Static).update(Content(f"{question.words} "))
        line = self.query_one(Input)
        line.password = question.secret
        line.value = question.text
        line.cursor_position = len(question.text)
        line.placeholder = question.hint
        self.display = True
        self.screen.set_focus(line)

    @property
    def asking(self) -> bool:
        """Whether a question is open."""
        return self.question is not NOTHING

    def on_input_changed(self, event: Input.Changed) -> None:
        """Pass on what is written so far."""
        event.stop()
        if self.question.changed is not None:
            self.question.changed(event.value)

    def action_submit(self) -> None:
        """Pass the answer on."""
        self._close(self.question.done)

    def action_other(self) -> None:
        """Pass the answer on to the other one who can take it."""
        if self.question.other is not None:
            self._close(self.question.other)

    def action_cancel(self) -> None:
        """Close the line without an answer."""
        cancelled = self.question.cancelled
        self._close(lambda text: cancelled() if cancelled is not None else None)

    def _close(self, then: Answer) -> None:
        line = self.query_one(Input)
        text = line.value
        if self.question.secret:
            with line.prevent(Input.Changed):
                line.value = ""
        self.question = NOTHING
        self.display = False
        self._after()
        then(text)
