"""Making a project ready: its mirror and its image, step by step. It goes on when a person looks elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, ClassVar, Final

from textual.widget import Widget

from terok.tui.background.projects import build_project, mirror_project
from terok.tui.bindings import bindings_of
from terok.tui.screens.on_lines import OnLines
from terok.tui.views.ready import Step, outcome, step_lines
from terok.tui.views.text import Line, Span, cropped, said
from terok.tui.widgets.lines import Bar, Lines

MOST_LINES: Final = 5000
_STEPS: Final[dict[str, tuple[str, Callable[..., str]]]] = {
    "mirror": ("bring the mirror up to date", mirror_project),
    "image": ("bring the image up to date", build_project),
    "rebuild": ("build the image anew", partial(build_project, rebuild=True)),
}


class ReadyScreen(OnLines, inherit_bindings=False):
    """The steps, and below them what they say on their way."""

    NAME: ClassVar[str] = "ready"
    BINDINGS = bindings_of("ready")
    DEFAULT_CSS = "ReadyScreen #steps { height: 4; border-bottom: solid ansi_bright_black; }"

    def __init__(self, project: str, steps: Sequence[str] = ("mirror", "image")) -> None:
        super().__init__()
        self._subject = project
        self._steps = [Step(_STEPS[name][0]) for name in steps]
        self._jobs = [_STEPS[name][1] for name in steps]
        self._said: list[str] = []

    def body(self) -> Iterable[Widget]:
        """Return the steps above what is said."""
        return Bar(id="steps"), Lines()

    def title_text(self) -> str:
        """Return the project."""
        return f"making {self._subject} ready"

    def on_mount(self) -> None:
        """Begin."""
        super().on_mount()
        self._go_on()

    def _go_on(self) -> None:
        """Begin the first step that is not done."""
        here = next((number for number, step in enumerate(self._steps) if step.state != "done"), None)
        if here is None:
            self.note(f"{self._subject} is ready: {outcome(self._steps)}")
        else:
            self._begin(here)

    def _begin(self, here: int) -> None:
        step, job = self._steps[here], partial(self._jobs[here], self._subject)
        self._put(here, step._replace(state="now", told=""))
        self.terok.read(
            step.words,
            job,
            lambda told: self._ended(here, "done", told),
            failed=lambda told: self._ended(here, "failed", told),
        )

    def _ended(self, here: int, state: Any, told: str) -> None:
        self._put(here, self._steps[here]._replace(state=state, told=told))
        if state == "done":
            self._go_on()

    def _put(self, here: int, step: Step) -> None:
        self._steps[here] = step
        self.redraw()

    def progress(self, words: str, text: str) -> None:
        """Add a line that a step says, and stay at the end."""
        stays = self.lines.at_end
        self._said = [*self._said[-MOST_LINES:], text]
        self.redraw()
        if stays:
            self.lines.go(None, end=True)

    def draw(self) -> None:
        """Draw the steps and what is said."""
        steps, texts = step_lines(self._steps), self._said
        bar = self.query_one("#steps", Bar)
        bar.styles.height = len(steps) + 1
        bar.show(lambda cells: [cropped(line, cells) for line in steps])

        def line(number: int, cells: int) -> Line:
            return cropped((said(texts[number]),), cells)

        if texts:
            self.lines.show(len(texts), line)
        else:
            self.lines.show(1, lambda number, cells: (Span(outcome(self._steps), "dim"),))

    def idle(self) -> dict[str, str]:
        """Return why nothing is tried again."""
        failed = any(step.state == "failed" for step in self._steps)
        return {} if failed else {"again": "no step has failed"}

    def do_again(self) -> None:
        """Try the step again that has failed."""
        self._go_on()

    def do_new(self) -> None:
        """Ask for a task of the project."""
        self.terok.open_page("new", project=self._subject)
