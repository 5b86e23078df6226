"""Looking for what is wrong, and mending what can be mended safely."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from terok.tui.background.looking import examine
from terok.tui.bindings import bindings_of
from terok.tui.screens.on_table import OnTable
from terok.tui.views.sickbay import Remark, remark_lines, shown, sickbay_table, summary

if TYPE_CHECKING:
    from terok.tui.views.text import Line


class SickbayScreen(OnTable, inherit_bindings=False):
    """The health of everything, or of one project."""

    NAME: ClassVar[str] = "sickbay"
    BINDINGS = bindings_of("sickbay")
    READING = "looking at everything…"

    def __init__(self, project: str = "") -> None:
        super().__init__()
        self._project = project
        self._remarks: tuple[Remark, ...] = ()
        self._everything = False

    def title_text(self) -> str:
        """Return what is looked at."""
        return f"sickbay of {self._project}" if self._project else "sickbay"

    def look(self) -> Callable[[Callable[[str], None]], Any]:
        """Return the job that looks."""
        return lambda _: examine(self._project)

    def seen(self, found: tuple[Remark, ...]) -> None:
        """Show what was found."""
        self._remarks = found
        self._show()

    def _show(self) -> None:
        self.show_table(sickbay_table(shown(self._remarks, everything=self._everything)))

    def more(self, cells: int) -> list[Line]:
        """Return the remark with the cursor, or how many there are of each kind."""
        found = shown(self._remarks, everything=self._everything)
        about = remark_lines(found[self.at], cells) if self.at < len(found) else []
        return [*about, summary(self._remarks)]

    def idle(self) -> dict[str, str]:
        """Return why nothing can be mended."""
        if self.table is not None and not any(one.mendable for one in self._remarks):
            return {"mend": "there is nothing that can be mended without you"}
        return {}

    def do_mend(self) -> None:
        """Mend what can be mended, and look again."""
        self.show_table(None)
        self.terok.read("mending", partial(self._mend, self._project), self.seen, failed=lambda _: self._show())

    @staticmethod
    def _mend(project: str, _: Callable[[str], None]) -> tuple[Remark, ...]:
        return examine(project, fix=True)

    def do_every_check(self) -> None:
        """Show also the checks that are well, or no longer."""
        self._everything = not self._everything
        self._show()

    def do_sickbay(self) -> None:
        """Look again."""
        self.do_again()
