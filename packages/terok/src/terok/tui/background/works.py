"""Actions that a person has asked for, each in a thread of its own, with its progress and its end as values."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from itertools import count
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from terok_util import TerokError, redact, safe_text

if TYPE_CHECKING:
    from terok.services import Tasks
    from terok.tui.background.posts import Post

MOST: Final = 16
"""Actions that are carried out at once; further ones wait."""


class Work(NamedTuple):
    """An action under way: what it is in words, and the tasks it is about."""

    id: int
    words: str
    tasks: tuple[str, ...] = ()


class Progress(NamedTuple):
    """An action is at a step."""

    work: Work
    text: str


class Ended(NamedTuple):
    """An action has come to an end: with a result, or with an error's message and hint."""

    work: Work
    result: Any = None
    error: str = ""
    hint: str = ""


class Works:
    """Carries actions out. `post` takes `Progress` and `Ended`; what is under way dies with the process.

    Nothing is lost with it: whatever a service has begun is recorded before, and the controller goes on with it.
    """

    def __init__(self, post: Post) -> None:
        self._post = post
        self._numbers = count(1)
        self._room = threading.BoundedSemaphore(MOST)
        self._open: dict[int, Work] = {}

    @property
    def open(self) -> Mapping[int, Work]:
        """Everything under way."""
        return dict(self._open)

    def start(self, words: str, job: Callable[[Callable[[str], None]], Any], tasks: tuple[str, ...] = ()) -> Work:
        """Begin a job, which is given a function for its progress, and return its name for what is posted."""
        work = Work(next(self._numbers), words, tasks)
        self._open[work.id] = work
        threading.Thread(target=self._run, args=(work, job), name=f"work {work.id}", daemon=True).start()
        return work

    def tasks(self, words: str, job: Callable[[Tasks], Any], tasks: tuple[str, ...] = ()) -> Work:
        """Begin a job of the use cases of tasks."""

        def run(say: Callable[[str], None]) -> Any:
            from terok.services import Tasks

            with Tasks(say=say) as service:
                return job(service)

        return self.start(words, run, tasks)

    def _run(self, work: Work, job: Callable[[Callable[[str], None]], Any]) -> None:
        def say(line: str) -> None:
            self._post(Progress(work, safe_text(line, limit=500)))

        with self._room:
            ended = _ended(work, job, say)
        self._open.pop(work.id, None)
        self._post(ended)


def _ended(work: Work, job: Callable[[Callable[[str], None]], Any], say: Callable[[str], None]) -> Ended:
    try:
        return Ended(work, job(say))
    except TerokError as error:
        return Ended(work, None, _shown(error.message), _shown(error.hint or ""))
    except OSError as error:
        return Ended(work, None, _shown(f"{error.filename or ''} {error.strerror or error}".strip()))
    except Exception as error:  # noqa: BLE001 - the last line of defense of a thread: a person has to hear of it
        return Ended(work, None, _shown(f"internal error: {type(error).__name__}: {error}"))


def _shown(text: str) -> str:
    return safe_text(redact(text), limit=500)
