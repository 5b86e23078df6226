"""A form: fields with a cursor, each changed in the line below, or by taking the next of its choices."""

from __future__ import annotations

from collections.abc import Iterable

from textual.widget import Widget

from terok.tui.screens.on_rows import OnRows
from terok.tui.views.form import Field, field_line, field_lines, first_problem, next_choice
from terok.tui.views.text import cropped
from terok.tui.widgets.lines import Bar, Lines


class OnForm(OnRows):
    """A screen with a form. `given` are the values that a person has given, by key."""

    DEFAULT_CSS = "OnForm #more { height: 4; border-top: solid ansi_bright_black; }"

    def __init__(self) -> None:
        super().__init__()
        self.given: dict[str, str] = {}

    def body(self) -> Iterable[Widget]:
        """Return the fields, and what is known about the one with the cursor."""
        return Lines(), Bar(id="more")

    def fields(self) -> list[Field]:
        """Return the fields as they are now."""
        return []

    @property
    def count(self) -> int:
        """The number of fields."""
        return len(self.fields())

    def draw(self) -> None:
        """Draw the fields."""
        fields = self.fields()
        self.at = min(self.at, max(len(fields) - 1, 0))
        chosen = fields[self.at] if fields else None
        self.lines.show(len(fields), lambda number, cells: field_line(fields[number], cells), self.at)
        self.query_one("#more", Bar).show(
            lambda cells: [cropped(line, cells) for line in field_lines(chosen)] if chosen is not None else []
        )

    def do_change(self) -> None:
        """Change the field with the cursor."""
        fields = self.fields()
        if self.at >= len(fields):
            return
        field = fields[self.at]
        if field.choices:
            self.put(field.key, next_choice(field))
        else:
            self.ask(f"{field.label}:", lambda text: self.written(field.key, text), text=field.value)

    def written(self, key: str, text: str) -> None:
        """Take what was written, and go on to the next field."""
        self.put(key, text)
        self.move(self.at + 1)

    def put(self, key: str, value: str) -> None:
        """Give a field a value."""
        self.given[key] = value
        self.redraw()

    def is_right(self) -> bool:
        """Return whether nothing is wrong; else say what, and go there."""
        fields = self.fields()
        wrong = first_problem(fields)
        if wrong is not None:
            self.move(wrong)
            self.note(f"{fields[wrong].label}: {fields[wrong].problem}", error=True)
        return wrong is None

    def on_lines_picked(self, event: Lines.Picked) -> None:
        """Put the cursor where the mouse is; a second click changes the field."""
        super().on_lines_picked(event)
        if event.opened:
            self.action_do("change")
