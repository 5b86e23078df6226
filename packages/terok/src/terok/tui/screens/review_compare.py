"""How two attempts of a race differ, read as the changes of a task are."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

from terok.model.race import Race, Standing
from terok.tui.background.race import Difference, compared
from terok.tui.background.review import Trouble
from terok.tui.bindings import bindings_of
from terok.tui.screens.review_diff import OnDiff


class CompareScreen(OnDiff, inherit_bindings=False):
    """The difference between the work of two attempts."""

    NAME: ClassVar[str] = "compare"
    BINDINGS = bindings_of("compare")

    def __init__(self, race: Race, one: Standing, other: Standing) -> None:
        super().__init__()
        self._race, self._pair = race, (one, other)
        self._blanks = True

    def title_text(self) -> str:
        """Return the two attempts."""
        names = " to ".join(f"{one.number} {one.name}" for one in self._pair)
        return f"from attempt {names}" + ("" if self._blanks else " without spaces")

    def on_mount(self) -> None:
        """Begin to read."""
        super().on_mount()
        self._read(blanks=True)

    def _read(self, *, blanks: bool) -> None:
        one, other = self._pair
        job = partial(compared, self._race, one.tip, other.tip, ignore_space=not blanks)
        self.terok.read("comparing", lambda _: job(), partial(self._compared, blanks))

    def _compared(self, blanks: bool, found: Difference | Trouble) -> None:
        if isinstance(found, Trouble):
            self.trouble = found
            self.redraw()
            return
        self.pair, changes, self.line_counts = found
        self._blanks, self.all_lines = blanks, changes.whole
        self.show_files(changes.files, {})
        if not changes.files:
            self.trouble = Trouble("they have brought the same", "")
            self.redraw()

    def do_spaces(self) -> None:
        """Leave changes of white space out, or show them."""
        self._read(blanks=not self._blanks)
