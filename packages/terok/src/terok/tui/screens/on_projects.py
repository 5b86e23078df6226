"""The actions on a project, which the list of projects and a project's own screen share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from terok.tui.background.projects import choose_agents, choose_sets, delete_project, derive_project
from terok.tui.screens.page import Page


class OnProjects(Page):
    """A screen with a project. It stands behind the class that reads again what is shown, in `do_again`."""

    do_again: Callable[[], None]

    def project(self) -> str:
        """Return the project, "" for none."""
        return ""

    def broken(self) -> bool:
        """Whether the project cannot be used as it is."""
        return False

    def idle(self) -> dict[str, str]:
        """Return why nothing can be done without a project, or with one that is broken."""
        if not self.project():
            return dict.fromkeys(_ACTIONS, "there is no project here")
        return dict.fromkeys(_OF_SOUND_ONES, "it is broken; e changes its settings") if self.broken() else {}

    def do_make_ready(self) -> None:
        """Bring mirror and image up to date."""
        self.terok.open_page("ready", project=self.project())

    def do_sync(self) -> None:
        """Bring the mirror in step with the upstream."""
        self.terok.open_page("ready", project=self.project(), steps=("mirror",))

    def do_build(self) -> None:
        """Build the image anew."""
        self.terok.open_page("ready", project=self.project(), steps=("rebuild",))

    def do_project_settings(self) -> None:
        """Show and change its settings; the file of a broken one is opened in an editor."""
        if self.broken():
            self.terok.open_terminal("project", "edit", self.project())
        else:
            self.terok.open_page("settings", project=self.project())

    def do_project_tasks(self) -> None:
        """Show its tasks in the inbox."""
        self.terok.place = replace(self.terok.place, filter=f"p:{self.project()}")
        while len(self.app.screen_stack) > 1:
            self.app.pop_screen()

    def do_choose_agents(self) -> None:
        """Choose the agents in its image."""
        name = self.project()
        self.ask(
            f"agents in the image of {name}:",
            lambda text: self._change(f"choosing agents of {name}", partial(choose_agents, name), text),
            hint="all, a,b or all,-x",
        )

    def do_open_sets(self) -> None:
        """Choose the egress sets that are open."""
        name = self.project()
        self.ask(
            f"open for {name}:",
            lambda text: self._change(f"choosing sets of {name}", partial(choose_sets, name), text),
            hint="names of sets with commas, none, or default",
        )

    def do_derive(self) -> None:
        """Make another project with its settings."""
        name = self.project()
        self.ask(f"a project like {name}, named:", lambda text: self._derive(name, text))

    def _derive(self, name: str, text: str) -> None:
        if text.strip():
            self.terok.read(
                f"copying {name}",
                lambda _: derive_project(name, text.strip()),
                lambda made: self.terok.open_page("project", project=made),
            )

    def do_delete_project(self) -> None:
        """Delete it."""
        name = self.project()
        self.confirm(f"delete the project {name}", lambda: self._delete_project(name))

    def _delete_project(self, name: str) -> None:
        self.terok.act(f"deleting {name}", delete_project(name), then=self._deleted)

    def _deleted(self, told: str) -> str:
        self.do_again()
        return told

    def _change(self, words: str, change: partial[str], text: str) -> None:
        if text.strip():
            self.terok.read(words, lambda _: change(text.strip()), self._changed)

    def _changed(self, told: str) -> None:
        self.note(told)
        self.do_again()

    def do_new(self) -> None:
        """Ask for a task of the project."""
        self.terok.open_page("new", project=self.project())

    def do_sickbay(self) -> None:
        """Look for what is wrong with the project."""
        self.terok.open_page("sickbay", project=self.project())

    def do_undo(self) -> None:
        """Take back the last thing that can be."""
        self.terok.undo(then=self.do_again)


_OF_SOUND_ONES = ("make_ready", "sync", "build", "choose_agents", "open_sets", "derive")
_ACTIONS = (*_OF_SOUND_ONES, "open_project", "project_settings", "project_tasks", "delete_project")
