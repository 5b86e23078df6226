"""All projects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from terok.config import BrokenProject
from terok.tui.background.projects import read_projects
from terok.tui.bindings import bindings_of
from terok.tui.screens.on_projects import OnProjects
from terok.tui.screens.on_table import OnTable
from terok.tui.views.projects import ordered, project_lines, projects_table

if TYPE_CHECKING:
    from terok.config import Project
    from terok.tui.views.text import Line
    from terok.tui.widgets.lines import Lines


class ProjectsScreen(OnTable, OnProjects, inherit_bindings=False):
    """Projects, broken ones first."""

    NAME: ClassVar[str] = "projects"
    BINDINGS = bindings_of("projects")

    def __init__(self) -> None:
        super().__init__()
        self._projects: list[Project | BrokenProject] = []

    def title_text(self) -> str:
        """Return what this is."""
        return "projects"

    def look(self) -> Callable[[Callable[[str], None]], Any]:
        """Return the job that reads them."""
        return lambda _: read_projects()

    def seen(self, found: list[Project | BrokenProject]) -> None:
        """Show them."""
        self._projects = ordered(found)
        self.show_table(projects_table(self._projects, Counter(task.project for task in self.world.tasks.values())))

    def more(self, cells: int) -> list[Line]:
        """Return what is known about the one with the cursor."""
        return project_lines(self._projects[self.at], cells) if self.at < len(self._projects) else []

    def project(self) -> str:
        """Return the project with the cursor."""
        return self._projects[self.at].name if self.at < len(self._projects) else ""

    def broken(self) -> bool:
        """Whether it cannot be used."""
        return self.at < len(self._projects) and isinstance(self._projects[self.at], BrokenProject)

    def do_open_project(self) -> None:
        """Show the project with the cursor."""
        if name := self.project():
            self.terok.open_page("project", project=name)

    def do_add_project(self) -> None:
        """Make a project by a few questions."""
        self.terok.open_page("wizard")

    def on_lines_picked(self, event: Lines.Picked) -> None:
        """Put the cursor where the mouse is; a second click opens."""
        super().on_lines_picked(event)
        if event.opened:
            self.do_open_project()

    def do_projects(self) -> None:
        """Read them again."""
        self.do_again()
