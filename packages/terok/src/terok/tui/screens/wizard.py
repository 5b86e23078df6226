"""Making a project: a form, then the file that it makes, and then the project is made ready."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from terok.tui.background.projects import read_suggestions, write_project
from terok.tui.bindings import bindings_of
from terok.tui.screens.on_form import OnForm
from terok.tui.views.text import said
from terok.tui.views.wizard import wizard_fields, wizard_file
from terok.tui.widgets.lines import Bar

if TYPE_CHECKING:
    from terok.services.wizard import Suggestions
    from terok.tui.views.form import Field


class WizardScreen(OnForm, inherit_bindings=False):
    """The form, and with `s` the file; nothing is written before that was seen."""

    NAME: ClassVar[str] = "wizard"
    BINDINGS = bindings_of("wizard")

    def __init__(self) -> None:
        super().__init__()
        self._suggested: Suggestions | None = None
        self._made: tuple[str, dict[str, object]] | None = None
        self._file: list[str] | None = None

    def title_text(self) -> str:
        """Return the step."""
        return "new project" if self._file is None else "new project: its file, not written yet"

    def on_mount(self) -> None:
        """Read what can be proposed."""
        super().on_mount()
        self.terok.read("looking what can be proposed", lambda _: read_suggestions(), self._with_suggestions)

    def _with_suggestions(self, found: Suggestions) -> None:
        self._suggested = found
        self.redraw()

    def fields(self) -> list[Field]:
        """Return the questions that there are after the answers so far."""
        return wizard_fields(self._suggested, self.given) if self._suggested is not None else []

    @property
    def count(self) -> int:
        """The number of fields, or of lines of the file."""
        return len(self._file) if self._file is not None else super().count

    def draw(self) -> None:
        """Draw the form, or the file."""
        file = self._file
        if file is None:
            super().draw()
            return
        self.lines.show(len(file), lambda number, cells: (said(file[number]),), self.at)
        told = [(said("s writes it and makes the project ready; esc goes back to the form", "bold"),)]
        self.query_one("#more", Bar).show(lambda cells: [*told])

    def idle(self) -> dict[str, str]:
        """Return why a line of the file is not changed here."""
        return {"change": "esc goes back to the form"} if self._file is not None else {}

    def do_go_on(self) -> None:
        """Show the file, then write it and make the project ready."""
        if self._made is not None:
            name, data = self._made
            self.terok.read(f"writing {name}", lambda _: write_project(name, data), lambda _: self._written(name))
        elif (suggested := self._suggested) is not None and self.is_right():
            fields = self.fields()
            self.terok.read("making the file", lambda _: wizard_file(suggested, fields), self._with_file)

    def _with_file(self, made: tuple[str, dict[str, object], str]) -> None:
        name, data, text = made
        self._made, self._file, self.at = (name, data), text.split("\n"), 0
        self.redraw()

    def _written(self, name: str) -> None:
        if self.app.screen is self:
            self.app.pop_screen()
        self.terok.open_page("ready", project=name)

    def do_back(self) -> None:
        """Go back to the form, or to the screen before."""
        if self._file is None:
            super().do_back()
        else:
            self._made, self._file, self.at = None, None, 0
            self.redraw()
