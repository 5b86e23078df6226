"""Asking for a task, in each mode: what is to be done is asked for at once, everything else is proposed."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from terok.tui.background.projects import read_choices
from terok.tui.bindings import bindings_of
from terok.tui.screens.on_form import OnForm
from terok.tui.views.new import Choices, new_fields, wish

if TYPE_CHECKING:
    from terok.tui.views.form import Field


class NewScreen(OnForm, inherit_bindings=False):
    """The form of a task."""

    NAME: ClassVar[str] = "new"
    BINDINGS = bindings_of("new")

    def __init__(self, project: str = "") -> None:
        super().__init__()
        self.given["project"] = project
        self._choices: Choices | None = None
        self._starting = self._soon = False
        """Whether it is being started, and whether it will be once the projects are known."""

    def title_text(self) -> str:
        """Return for which project."""
        project = self.given.get("project", "")
        return f"new task in {project}" if project else "new task"

    def on_mount(self) -> None:
        """Ask what is to be done, while it is read what there is to choose from."""
        super().on_mount()
        self.terok.read("reading the projects", lambda _: read_choices(), self._with_choices)
        self.ask(
            "what is to be done:",
            lambda text: self.written("prompt", text),
            other=self._at_once,
            hint="nothing for a terminal; alt+enter starts at once",
        )

    def _with_choices(self, found: Choices) -> None:
        self._choices = found
        if not self.given.get("project") and len(found.presets) == 1:
            self.given["project"] = next(iter(found.presets))
        self.redraw()
        if self._soon:
            self._soon = False
            self.do_start()

    def _at_once(self, text: str) -> None:
        self.put("prompt", text)
        self.do_start()

    def fields(self) -> list[Field]:
        """Return the fields."""
        return new_fields(self.given, self._choices)

    def idle(self) -> dict[str, str]:
        """Return why nothing is started a second time."""
        return {"start": "it is being started"} if self._starting else {}

    def do_start(self) -> None:
        """Start the task; until it is there the form stays, so that nothing that was written is lost."""
        if self._choices is None:  # without them no project is proposed, and none is found wrong
            self._soon = True
            self.note("reading the projects")
            return
        if not self.is_right():
            return
        wanted, self._starting = wish(self.fields()), True
        self.note(f"starting a task in {wanted.project}")
        self.terok.create_task(wanted.project, wanted.prompt, then=self._started, **wanted.options)

    def _started(self, started: bool) -> None:
        self._starting = False
        if started and self.app.screen is self:
            self.do_back()
