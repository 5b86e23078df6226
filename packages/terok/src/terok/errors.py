"""Errors of terok.

TerokError
├── DemoError           the demonstration could not be run to its end (exit 1)
├── StubError           the stub provider could not be started
│   ├── ScriptError     its script is malformed
│   └── BadRequestError a client sent something that is not a request of the protocol (answered with 400)
├── UsageError          (exit 2)
│   ├── BadName         a name breaks the rules for names
│   ├── UnknownTask     an address fits no task
│   ├── AmbiguousTask   an address fits several
│   ├── UnknownRace     an address fits no race, or several
│   ├── FilterError     a filter cannot be understood
│   └── UnknownProject  there is no project, preset or key of this name
├── StoreError          the database cannot be used (exit 1)
│   ├── StoreBusy       another process held it for too long (exit 73)
│   ├── StoreDamaged    it is damaged, or something else (exit 74)
│   └── StoreNewer      a newer version wrote it (exit 4)
├── MalformedDiff       git's answer about a change cannot be read (exit 1)
├── TaskError           something could not be done to a task (exit 1)
│   └── TaskBusy        something else is being done to it (exit 73)
├── ProjectError        a project cannot be used, made or removed (exit 1)
└── ControllerError     the controller cannot be started or does not answer (exit 69)
"""

from __future__ import annotations

from terok_util import TerokError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import ClassVar


class DemoError(TerokError):
    """The demonstration could not be run to its end; what was measured until then is lost."""


class StubError(TerokError):
    """The stub provider could not do its work."""


class ScriptError(StubError):
    """A script is malformed."""


class BadRequestError(StubError):
    """A request is not one of the protocol it was sent to."""


class BadName(UsageError):
    """A name breaks the rules for names of projects or tasks."""


class UnknownTask(UsageError):
    """No task has this address."""


class AmbiguousTask(UsageError):
    """Several tasks have this address; the message lists them."""


class UnknownRace(UsageError):
    """No race, or no attempt of it, has this address, or several have."""


class FilterError(UsageError):
    """A filter cannot be understood; `position` is where, counted from 0."""

    def __init__(self, message: str, *, position: int, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.position = position


class StoreError(TerokError):
    """The database of tasks cannot be used."""


class StoreBusy(StoreError):
    """Another process has held the database for longer than we wait."""

    exit_code: ClassVar[int] = 73


class StoreDamaged(StoreError):
    """The database is damaged, or the file is not one."""

    exit_code: ClassVar[int] = 74


class StoreNewer(StoreError):
    """A newer version of terok has written the database."""

    exit_code: ClassVar[int] = 4


class ControllerError(TerokError):
    """The controller cannot be started, or does not answer."""

    exit_code: ClassVar[int] = 69


class UnknownProject(UsageError):
    """There is no project of this name, or no preset or key of this name in it."""


class ProjectError(TerokError):
    """A project cannot be used, made or removed."""


class TaskError(TerokError):
    """Something could not be done to a task."""


class TaskBusy(TaskError):
    """Something else is being done to the task at this moment, or it runs."""

    exit_code: ClassVar[int] = 73


class MalformedDiff(TerokError):
    """The text that git has answered a question about a change with is not a diff."""
