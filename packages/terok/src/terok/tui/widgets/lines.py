"""Lines on a screen: drawn only where they are seen, from a function that makes one when it is needed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widget import Widget

from terok.tui.theme import looks
from terok.tui.views.text import Line, width

if TYPE_CHECKING:
    from textual import events

Draw = Callable[[int, int], Line]
"""Makes the line of a number for a width."""
_CURSOR = Style(reverse=True, bold=True)


def strip_of(line: Line, styles: dict[str, Style], cells: int, *, cursor: bool = False) -> Strip:
    """Return a line as Textual draws it. The one with the cursor has the terminal's own colors, reversed."""
    segments = [Segment(span.text, _CURSOR if cursor else styles[span.style]) for span in line]
    taken = width(line)
    if taken > cells:
        return Strip(segments, taken).adjust_cell_length(cells)
    if taken < cells:
        segments.append(Segment(" " * (cells - taken), _CURSOR if cursor else None))
    return Strip(segments, cells)


class Lines(ScrollView, can_focus=True, inherit_bindings=False):
    """Any number of lines, with or without a cursor."""

    DEFAULT_CSS = "Lines { height: 1fr; overflow-x: hidden; scrollbar-size-vertical: 1; }"

    class Picked(Message):
        """A line was clicked; `opened` if that was twice in a row."""

        def __init__(self, lines: Lines, number: int, *, opened: bool) -> None:
            super().__init__()
            self.lines, self.number, self.opened = lines, number, opened

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._draw: Draw = lambda number, cells: ()
        self._count = 0
        self._drawn: dict[int, tuple[Line, bool]] = {}
        self._cells = 0
        self.cursor: int | None = None

    def show(self, count: int, draw: Draw, cursor: int | None = None) -> None:
        """Show `count` lines, and keep the cursor in sight. Only lines that are not as they were are drawn again."""
        before, same = self._drawn, count == self._count
        self._draw, self._count, self.cursor, self._drawn = draw, count, cursor, {}
        if not same:
            self.virtual_size = Size(0, count)
        if cursor is not None:
            self._keep_in_sight(cursor)
        top = self.scroll_offset.y
        for y in range(self.scrollable_content_region.height):
            if before.get(top + y) != self._made(top + y):
                self.refresh(Region(0, y, self.region.width, 1))  # counted from the content, below a border

    def _made(self, number: int) -> tuple[Line, bool]:
        """Return the line of a number, made once for each `show` and width."""
        cells = self.scrollable_content_region.width
        if cells != self._cells:
            self._cells, self._drawn = cells, {}
        if number not in self._drawn:
            line = self._draw(number, cells) if 0 <= number < self._count else ()
            self._drawn[number] = line, number == self.cursor
        return self._drawn[number]

    def _keep_in_sight(self, number: int) -> None:
        height, top = self.size.height, self.scroll_offset.y
        if height and not top <= number < top + height:
            above = number if number < top else number - height + 1
            self.scroll_to(y=max(above, 0), animate=False, immediate=True)

    def go(self, step: int | None, *, page: bool = False, end: bool = False) -> None:
        """Scroll by lines or pages, or to an end with `step` None."""
        if step is None:
            target = self._count if end else 0
        else:
            target = self.scroll_offset.y + step * (max(self.size.height - 1, 1) if page else 1)
        self.scroll_to(y=target, animate=False, immediate=True)

    @property
    def at_end(self) -> bool:
        """Whether the last line is in sight."""
        return self.scroll_offset.y + self.size.height >= self._count

    def render_line(self, y: int) -> Strip:
        """Draw one line of the part that is seen."""
        line, cursor = self._made(self.scroll_offset.y + y)
        return strip_of(line, looks_of(self), self._cells, cursor=cursor)

    def on_click(self, event: events.Click) -> None:
        """Tell which line was clicked."""
        place = event.get_content_offset(self)
        number = self.scroll_offset.y + place.y if place is not None else self._count
        if number < self._count:
            self.post_message(self.Picked(self, number, opened=event.chain == 2))


class Bar(Widget):
    """One or more lines that are always in sight."""

    DEFAULT_CSS = "Bar { height: 1; }"

    class Clicked(Message):
        """It was clicked, in a column and a line."""

        def __init__(self, bar: Bar, x: int, y: int) -> None:
            super().__init__()
            self.bar, self.x, self.y = bar, x, y

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._make: Callable[[int], list[Line]] = lambda cells: []
        self._ready: tuple[int, list[Line]] | None = None

    def show(self, make: Callable[[int], list[Line]]) -> None:
        """Show the lines that a function makes for a width."""
        before = self._ready
        self._make, self._ready = make, None
        if before is None or before[1] != self._made(before[0]):
            self.refresh()

    def render_line(self, y: int) -> Strip:
        """Draw one of the lines."""
        cells = self.content_size.width
        lines = self._made(cells)
        return strip_of(lines[y], looks_of(self), cells) if y < len(lines) else Strip.blank(cells)

    def on_click(self, event: events.Click) -> None:
        """Tell where it was clicked."""
        place = event.get_content_offset(self)
        if place is not None:
            self.post_message(self.Clicked(self, place.x, place.y))

    def _made(self, cells: int) -> list[Line]:
        if self._ready is None or self._ready[0] != cells:
            self._ready = cells, self._make(cells)
        return self._ready[1]


def looks_of(widget: Widget) -> dict[str, Style]:
    """Return the looks of styles in the theme that the program has now."""
    found: dict[str, Style] | None = getattr(widget.app, "looks", None)
    return found if found is not None else looks("terminal")
