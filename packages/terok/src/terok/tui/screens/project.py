"""One project with everything that belongs to it."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar

from textual.widget import Widget

from terok.config import BrokenProject
from terok.tui.background.projects import read_project
from terok.tui.bindings import bindings_of
from terok.tui.screens.on_lines import OnLines
from terok.tui.screens.on_projects import OnProjects
from terok.tui.views.projects import look_lines
from terok.tui.views.text import Line, Span, said
from terok.tui.widgets.lines import Lines

if TYPE_CHECKING:
    from terok.services.project_look import ProjectLook


class ProjectScreen(OnLines, OnProjects, inherit_bindings=False):
    """A project."""

    NAME: ClassVar[str] = "project"
    BINDINGS = bindings_of("project")

    def __init__(self, project: str) -> None:
        super().__init__()
        self._subject = project
        self._seen: ProjectLook | None = None
        self._problem = ""

    def body(self) -> Iterable[Widget]:
        """Return the lines."""
        return (Lines(),)

    def title_text(self) -> str:
        """Return the project's name."""
        return f"project {self._subject}"

    def project(self) -> str:
        """Return the project."""
        return self._subject

    def broken(self) -> bool:
        """Whether it cannot be used."""
        return self._seen is not None and isinstance(self._seen.project, BrokenProject)

    def on_mount(self) -> None:
        """Read it."""
        super().on_mount()
        self.do_again()

    def do_again(self) -> None:
        """Read it again."""
        name = self._subject
        self.terok.read(f"looking at {name}", lambda _: read_project(name), self._looked, failed=self._failed)

    def _looked(self, found: ProjectLook) -> None:
        self._seen, self._problem = found, ""
        self._lines_for = lru_cache(maxsize=2)(lambda cells: look_lines(found, cells))
        self.redraw()

    def _failed(self, problem: str) -> None:
        self._seen, self._problem = None, problem
        self.redraw()

    def draw(self) -> None:
        """Draw it."""
        if self._seen is None:
            words: Line = (said(self._problem, "error") if self._problem else Span("reading…", "dim"),)
            self.lines.show(1, lambda number, cells: words)
            return
        made = self._lines_for
        self.lines.show(len(made(max(self.size.width - 1, 20))), lambda number, cells: _at(made(cells), number))


def _at(lines: list[Line], number: int) -> Line:
    return lines[number] if number < len(lines) else ()
