"""The wall of one task: how it stands, its verdicts, what was seen of late, its rules, and changes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from terok.model.task import Task
from terok.services import shields
from terok.tui.background.output import Grown
from terok.tui.bindings import bindings_of
from terok.tui.screens.on_sections import OnSections
from terok.tui.screens.rereading import Rereading
from terok.tui.views.sections import Section
from terok.tui.views.shield import LOWERED, terms_of, wall_lines, wall_sections, why_lines
from terok.tui.views.text import Line, Span, cropped, said

if TYPE_CHECKING:
    from terok.services.shields import Wall, Why
    from terok.tui.background.output import Output

_TERMS = "a host, with :port; then for how many minutes; then why"


class ShieldScreen(OnSections, Rereading, inherit_bindings=False):
    """A wall. What it decides is read again when it has decided something."""

    NAME: ClassVar[str] = "shield"
    READS: ClassVar[str] = "reading the wall"
    BINDINGS = bindings_of("shield")

    def __init__(self, task: str) -> None:
        super().__init__()
        self._subject = task
        self._wall: Wall | None = None
        self._why: Why | None = None
        self._watched: Output | None = None

    def here(self) -> str:
        """Return the task."""
        return self._subject

    def title_text(self) -> str:
        """Return the task's name."""
        task = self.world.tasks.get(self._subject)
        return f"shield of {task.project}/{task.name}" if task is not None else f"shield of {self._subject}"

    def look(self) -> Wall:
        """Read the wall."""
        return shields.look(self._subject)

    def take_look(self, value: Wall) -> None:
        """Keep it, and follow what it decides."""
        self._wall = value
        if self._watched is None and value.running:
            self._watched = self.terok.output(["shield", "watch", value.container])

    def output_grown(self, value: Grown) -> None:
        """Read again: a row was written into the audit log, or there will be no more."""
        if value.output is self._watched:
            self.reread()

    def on_unmount(self) -> None:
        """Follow no longer."""
        if self._watched is not None:
            self._watched.close()

    def go_to(self, task: Task) -> None:
        """Show the wall of another task."""
        if self._watched is not None:
            self._watched.close()
        self._subject, self._wall, self._why, self._watched = task.id, None, None, None
        self.came, self.problem = False, ""
        self.reread()

    def about(self, cells: int) -> list[Line]:
        """Return how the wall stands, and the last explanation."""
        if self._wall is None:
            return [cropped((said(self.problem, "error") if self.problem else Span("reading…", "dim"),), cells)]
        return wall_lines(self._wall, cells) + (why_lines(self._why, cells) if self._why is not None else [])

    def sections(self) -> Iterable[Section]:
        """Return verdicts, what was seen, and rules."""
        return wall_sections(self._wall, self.now()) if self._wall is not None else ()

    def idle(self) -> dict[str, str]:
        """Return what cannot be done now."""
        if self._wall is None:
            names = ("raise_wall", "lower_wall", "quarantine", "reset_wall", "open_target", "close_target", "explain")
            return dict.fromkeys((*names, "take_back"), self.problem or "it is being read")
        found: dict[str, str] = {}
        if not self._wall.running:
            found |= dict.fromkeys(("open_target", "close_target", "take_back"), "the container does not run")
        if self._wall.posture == "up":
            found["raise_wall"] = "the wall is up"
        return found

    def _do(self, words: str, deed: Callable[[], str]) -> None:
        self.terok.act(words, lambda _: deed(), (self._subject,), then=self._did)

    def _did(self, said_text: str) -> str:
        self.reread()
        self.terok.latest.ask(self._subject)
        return said_text

    def _set(self, posture: str) -> None:
        self._do(f"wall: {posture}", partial(shields.set_posture, self._subject, posture))

    def do_raise_wall(self) -> None:
        """Raise the wall."""
        self._set("up")

    def do_lower_wall(self) -> None:
        """Lower the wall, as far as the person says, after a second gesture."""
        self.choose(
            "lower the wall",
            LOWERED,
            lambda posture: self.confirm(f"let out what the rules do not: {posture}", lambda: self._set(posture)),
        )

    def do_quarantine(self) -> None:
        """End every connection."""
        self.confirm("end every connection, also to the model", lambda: self._set("quarantine"))

    def do_reset_wall(self) -> None:
        """Drop the verdicts."""
        self.confirm(
            "drop every verdict and raise the wall",
            lambda: self._do("resetting the wall", partial(shields.reset, self._subject)),
        )

    def do_open_target(self) -> None:
        """Open a destination, the one with the cursor first."""
        self.ask("allow:", partial(self._decide, allow=True), text=self._target(), hint=_TERMS)

    def do_close_target(self) -> None:
        """Close a destination, the one with the cursor first."""
        self.ask("deny:", partial(self._decide, allow=False), text=self._target(), hint=_TERMS)

    def _target(self) -> str:
        target: str = getattr(self.picked, "target", "")
        return target

    def _decide(self, text: str, *, allow: bool) -> None:
        if (terms := terms_of(text)) is not None:
            deed = partial(shields.decide, self._subject, terms.target, allow=allow)
            self._do(f"deciding about {terms.target}", partial(deed, minutes=terms.minutes, reason=terms.reason))

    def do_take_back(self) -> None:
        """Take the verdict with the cursor back."""
        verdict = self.picked
        if not isinstance(verdict, shields.Verdict):
            self.note("go to a verdict first", error=True)
            return
        self.confirm(
            f"take back what was decided about {verdict.target}",
            lambda: self._do("taking a verdict back", partial(shields.revoke, self._subject, verdict.target)),
        )

    def do_explain(self) -> None:
        """Explain a decision above the list."""
        self.ask("why:", self._explain, text=self._target(), hint="a host, with :port; 443 without one")

    def _explain(self, text: str) -> None:
        if text.strip():
            self.terok.read("asking the wall", lambda _: shields.why(self._subject, text.strip()), self._with_why)

    def _with_why(self, why: Any) -> None:
        self._why = why
        self.redraw()
