"""The disk: images, workspaces, trash; and cleaning up, of which the first step removes nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from terok.tui.background.looking import find_unneeded, read_storage, remove_unneeded
from terok.tui.bindings import bindings_of
from terok.tui.screens.on_table import OnTable
from terok.tui.views.storage import kinds_table, places_table, room_lines, total_words, unneeded_table
from terok.tui.views.text import Span, said

if TYPE_CHECKING:
    from terok.services.storage import Held
    from terok.services.storage_cleaning import Unneeded
    from terok.tui.views.text import Line


class StorageScreen(OnTable, inherit_bindings=False):
    """The use of the disk."""

    NAME: ClassVar[str] = "storage"
    BINDINGS = bindings_of("storage")
    READING = "measuring…"

    def __init__(self) -> None:
        super().__init__()
        self._held: Held | None = None
        self._each = False
        self._unneeded: list[Unneeded] | None = None
        self._failures: list[str] = []
        self._removed = False

    def title_text(self) -> str:
        """Return what is shown."""
        if self._unneeded is None:
            return "storage, each thing" if self._each else "storage by kind"
        return "removed" if self._removed else "not needed; nothing is removed yet"

    def look(self) -> Callable[[Callable[[str], None]], Any]:
        """Return the job that measures."""
        return lambda _: read_storage()

    def seen(self, found: Held) -> None:
        """Show it."""
        self._held = found
        self._show()

    def _show(self) -> None:
        if self._unneeded is not None:
            self.show_table(unneeded_table(self._unneeded))
        elif self._held is not None:
            self.show_table(places_table(self._held) if self._each else kinds_table(self._held))
        else:
            self.show_table(None)

    def more(self, cells: int) -> list[Line]:
        """Return what is free and how long things are kept, or what the clean-up comes to."""
        if self._unneeded is not None:
            total = [(Span(total_words(self._unneeded), "bold"),)] if self._unneeded and not self._removed else []
            why = self._unneeded[self.at] if self.at < len(self._unneeded) else None
            more = [(said(f"{why.name}: {why.failed or why.reason}"),)] if why is not None else []
            return [*total, *more, *((said(f"not asked: {one}", "error"),) for one in self._failures)]
        return room_lines(self._held) if self._held is not None else []

    def idle(self) -> dict[str, str]:
        """Return why nothing can be removed."""
        if self._unneeded is None or self._removed:
            return {"remove": "look first for what is not needed: c"}
        return {} if self._unneeded else {"remove": "nothing is there that is not needed"}

    def do_each(self) -> None:
        """Show each thing, or kinds."""
        self._each = not self._each if self._unneeded is None else self._each
        self._unneeded, self.at = None, 0
        self._show()

    def do_clean(self) -> None:
        """Look for what is not needed."""
        self._unneeded, self._removed, self.at = None, False, 0
        self.show_table(None)
        words = "looking for what is not needed"
        self.terok.read(words, lambda _: find_unneeded(), self._found, failed=self._not_found)

    def _found(self, found: tuple[list[Unneeded], list[str]]) -> None:
        self._unneeded, self._failures = found
        self._show()

    def _not_found(self, _: str) -> None:
        self._show()

    def do_remove(self) -> None:
        """Remove what is shown."""
        if wanted := self._unneeded or []:
            self.confirm(f"remove {total_words(wanted)}", lambda: self._remove(wanted))

    def _remove(self, wanted: list[Unneeded]) -> None:
        self.terok.read("removing", lambda _: remove_unneeded(wanted), self._after)

    def _after(self, done: list[Unneeded]) -> None:
        self._unneeded, self._removed = done, True
        failed = sum(bool(one.failed) for one in done)
        self._show()
        self.note(f"{len(done) - failed} removed, {failed} still there" if failed else f"{len(done)} removed")
        self.do_again()

    def do_storage(self) -> None:
        """Measure again."""
        self.do_again()

    def do_back(self) -> None:
        """Go back to the figures, or to the screen before."""
        if self._unneeded is None:
            super().do_back()
            return
        self._unneeded, self.at = None, 0
        self._show()
