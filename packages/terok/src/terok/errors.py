"""Errors of terok.

TerokError
├── DemoError           the demonstration could not be run to its end (exit 1)
├── StubError           the stub provider could not be started
│   ├── ScriptError     its script is malformed
│   └── BadRequestError a client sent something that is not a request of the protocol (answered with 400)
├── UsageError          (exit 2)
│   └── UnknownProject  there is no project, preset or key of this name
└── ProjectError        a project cannot be used, made or removed (exit 1)
"""

from __future__ import annotations

from terok_util import TerokError, UsageError


class DemoError(TerokError):
    """The demonstration could not be run to its end; what was measured until then is lost."""


class StubError(TerokError):
    """The stub provider could not do its work."""


class ScriptError(StubError):
    """A script is malformed."""


class BadRequestError(StubError):
    """A request is not one of the protocol it was sent to."""


class UnknownProject(UsageError):
    """There is no project of this name, or no preset or key of this name in it."""


class ProjectError(TerokError):
    """A project cannot be used, made or removed."""
