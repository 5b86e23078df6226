"""One sign-in: the link and the code, what is to be written here, and how it has ended."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import closing
from typing import TYPE_CHECKING, ClassVar

from textual.widget import Widget

from terok.services import signing_in
from terok.tui.bindings import bindings_of
from terok.tui.screens.on_lines import OnLines
from terok.tui.views.signing_in import SignIn, after_event, sign_in_lines
from terok.tui.widgets.lines import Lines

if TYPE_CHECKING:
    from terok.services.signing_in import AuthEvent, AuthSession, Way


class SignInScreen(OnLines, inherit_bindings=False):
    """A sign-in. Going back gives it up; nothing is stored then."""

    NAME: ClassVar[str] = "signin"
    BINDINGS = bindings_of("signin")

    def __init__(self, way: Way, method: str) -> None:
        super().__init__()
        self._way = way
        self._method = method
        self._stage = SignIn(way.label)
        self._session: AuthSession | None = None
        self._left = False

    def body(self) -> Iterable[Widget]:
        """Return the lines."""
        return (Lines(),)

    def title_text(self) -> str:
        """Return what is signed in to."""
        return f"sign in to {self._way.label}"

    def on_mount(self) -> None:
        """Begin."""
        super().on_mount()
        tell, began = self.terok.hand(self._happened), self.terok.hand(self._began)

        def job(say: Callable[[str], None]) -> None:
            session = signing_in.session(self._way.name, self._method, say)
            began(session)
            with closing(session.events()) as events:
                for event in events:
                    tell(event)

        self.terok.read(f"signing in to {self._way.label}", job, lambda _: None, failed=self._failed)

    def on_unmount(self) -> None:
        """Give it up, unless it has ended."""
        self._left = True
        if self._session is not None:
            self._session.cancel()

    def _began(self, session: AuthSession) -> None:
        self._session = session
        if self._left:
            session.cancel()

    def _happened(self, event: AuthEvent) -> None:
        self._stage = after_event(self._stage, event)
        self.redraw()

    def _failed(self, problem: str) -> None:
        self._stage = self._stage._replace(failed=problem, step="", asks="")
        self.redraw()

    def draw(self) -> None:
        """Draw what is known."""
        stage = self._stage
        made = sign_in_lines(stage, max(self.size.width - 1, 1))
        self.lines.show(len(made), lambda number, cells: made[number])

    def idle(self) -> dict[str, str]:
        """Return what cannot be done yet."""
        found = {} if self._stage.asks else {"write_answer": "nothing is asked here"}
        return found if self._stage.link else {**found, "copy_link": "there is no link yet"}

    def do_write_answer(self) -> None:
        """Write what the page has shown, or led back to."""
        self.ask(f"{self._stage.asks}:", self._answer, secret=True, hint="it is not shown")

    def _answer(self, text: str) -> None:
        session = self._session
        if session is not None and text.strip():
            self.terok.read("answering", lambda _: session.answer(text), lambda _: self.note("passed on"))

    def do_copy_link(self) -> None:
        """Copy the address of the page."""
        self.app.copy_to_clipboard(self._stage.link)
        self.note("the link is copied")
