"""Providers to sign in to, and how each credential stands."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from terok.services import signing_in
from terok.tui.bindings import bindings_of
from terok.tui.screens.on_sections import OnSections
from terok.tui.screens.rereading import Rereading
from terok.tui.views.choice import Option
from terok.tui.views.sections import Section
from terok.tui.views.signing_in import way_sections
from terok.tui.views.text import Line, Span, cropped, said

if TYPE_CHECKING:
    from terok.services.signing_in import Way


class AuthScreen(OnSections, Rereading, inherit_bindings=False):
    """Providers, those that agents use by default first."""

    NAME: ClassVar[str] = "auth"
    READS: ClassVar[str] = "reading the providers"
    BINDINGS = bindings_of("auth")

    def __init__(self) -> None:
        super().__init__()
        self._ways: list[Way] = []

    def title_text(self) -> str:
        """Return what this is."""
        return "sign in"

    def on_screen_resume(self) -> None:
        """Read again what a sign-in may have changed."""
        super().on_screen_resume()
        if self.came:
            self.reread()

    def look(self) -> list[Way]:
        """Read the providers."""
        return signing_in.ways()

    def take_look(self, value: list[Way]) -> None:
        """Keep them."""
        self._ways = value

    def about(self, cells: int) -> list[Line]:
        """Return what this is for."""
        if self.problem:
            return [cropped((said(self.problem, "error"),), cells)]
        words = "keys and sign-ins go into the vault; no container ever sees one" if self.came else "reading…"
        return [cropped((Span(words, "dim"),), cells)]

    def sections(self) -> Iterable[Section]:
        """Return the providers."""
        return way_sections(self._ways, self.now()) if self.came else ()

    def opened(self) -> None:
        """Sign in to what was clicked twice."""
        self.do_sign_in_here()

    def do_sign_in_here(self) -> None:
        """Sign in to the provider with the cursor, in the only way or the one that is chosen."""
        way = self.picked
        if not isinstance(way, signing_in.Way):
            self.note("go to a provider first", error=True)
        elif len(way.methods) == 1:
            self._begin(way, way.methods[0])
        else:
            options = [Option(method, signing_in.METHODS.get(method, method)) for method in way.methods]
            self.choose(f"how to sign in to {way.label}", options, partial(self._begin, way))

    def _begin(self, way: Way, method: str) -> None:
        if method == "api-key":
            hint = f"keys are made at {way.page}" if way.page else "it is not shown"
            self.ask(f"API key of {way.label}:", partial(self._store, way), secret=True, hint=hint)
        else:
            self.terok.open_page("signin", way=way, method=method)

    def _store(self, way: Way, key: str) -> None:
        if key.strip():
            self.terok.read("storing the key", lambda _: signing_in.store_key(way.name, key), self.done)
