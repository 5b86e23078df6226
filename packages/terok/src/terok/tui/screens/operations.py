"""Everything that was deleted, archived, promoted or rejected, and taking it back."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from terok.tui.background.looking import read_operations
from terok.tui.bindings import bindings_of
from terok.tui.screens.on_table import OnTable
from terok.tui.views.operations import can_be_undone, operation_lines, operations_table

if TYPE_CHECKING:
    from terok.model.task import Operation
    from terok.tui.views.text import Line


class OperationsScreen(OnTable, inherit_bindings=False):
    """Operations, the newest first."""

    NAME: ClassVar[str] = "operations"
    BINDINGS = bindings_of("operations")

    def __init__(self) -> None:
        super().__init__()
        self._operations: list[Operation] = []

    def title_text(self) -> str:
        """Return what this is."""
        return "operations"

    def look(self) -> Callable[[Callable[[str], None]], Any]:
        """Return the job that reads them."""
        return lambda _: read_operations()

    def seen(self, found: list[Operation]) -> None:
        """Show them."""
        self._operations = found
        self.show_table(operations_table(found, self.now()))

    def more(self, cells: int) -> list[Line]:
        """Return what is known about the one with the cursor."""
        chosen = self._chosen()
        return operation_lines(chosen, self.now(), cells) if chosen is not None else []

    def idle(self) -> dict[str, str]:
        """Return why one cannot be taken back."""
        chosen = self._chosen()
        reason = can_be_undone(chosen) if chosen is not None else "there is nothing to take back"
        return {"undo_this": reason} if reason else {}

    def _chosen(self) -> Operation | None:
        return self._operations[self.at] if self.at < len(self._operations) else None

    def do_undo_this(self) -> None:
        """Take the operation back that has the cursor."""
        if (chosen := self._chosen()) is not None:
            self.confirm(f"take back: {chosen.summary}", lambda: self.terok.undo(chosen.id, then=self.do_again))

    def do_undo(self) -> None:
        """Take back the last one."""
        self.terok.undo(then=self.do_again)

    def do_operations(self) -> None:
        """Read them again."""
        self.do_again()
