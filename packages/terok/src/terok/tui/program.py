"""The part of the program that screens use."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from rich.style import Style

    from terok.tui.background.latest import Latest
    from terok.tui.background.output import Output
    from terok.tui.views.inbox import Place
    from terok.tui.views.world import World


class Program(Protocol):
    """Everything that a screen may ask for. Nothing here waits: what takes time is done in threads."""

    world: World
    place: Place
    keys: Mapping[str, str]
    looks: dict[str, Style]
    latest: Latest

    def act(
        self,
        words: str,
        job: Callable[[Any], Any],
        tasks: Sequence[str] = (),
        *,
        then: Callable[[Any], str | None] | None = None,
    ) -> None:
        """Have a job of the use cases of tasks done, shown at the tasks as `words`; `then` says what to tell of it."""

    def read(
        self,
        words: str,
        job: Callable[[Callable[[str], None]], Any],
        then: Callable[[Any], Any],
        *,
        failed: Callable[[str], Any] | None = None,
    ) -> None:
        """Have a job done in a thread, and its result passed on in the loop; an error is shown and goes to `failed`."""

    def hand(self, take: Callable[[Any], Any]) -> Callable[[Any], None]:
        """Return a function that passes a value on to `take` in the loop, from any thread."""

    def open_page(self, name: str, **values: Any) -> None:
        """Open a screen of the table in `pages`."""

    def run_verb(self, *words: str) -> None:
        """Show the output of a command of terok."""

    def run_line(self, line: str) -> None:
        """Show the output of a command that a person has written."""

    def output(self, words: Sequence[str]) -> Output:
        """Start a command of terok whose output is to be shown."""

    def open_terminal(self, *words: str) -> None:
        """Run a command of terok that needs a terminal."""

    def create_task(
        self, project: str, prompt: str, *, then: Callable[[bool], Any] = lambda started: None, **options: Any
    ) -> None:
        """Start a task; `options` are those of `Tasks.create`, and `then` is told whether it was started."""

    def undo(self, number: int | None = None, *, then: Callable[[], Any] = lambda: None) -> None:
        """Take back an operation, by default the last, and call `then`."""

    def watch_ages(self, since: Sequence[float]) -> None:
        """Have the screen drawn again when an age that it shows changes."""

    def tell_window(self) -> None:
        """Set the title of the terminal's window."""

    def begin_again(self) -> None:
        """Become the version that is installed, at the place where the person is."""

    def leave(self) -> None:
        """Leave, unless something is under way that a person should know of."""
