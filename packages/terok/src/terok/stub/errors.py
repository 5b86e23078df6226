"""Errors of the stub provider.

TerokError
└── StubError            the stub could not be started
    ├── ScriptError      the script is malformed
    └── BadRequestError  a client sent something that is not a request of the protocol (answered with 400)
"""

from __future__ import annotations

from terok_util import TerokError


class StubError(TerokError):
    """The stub provider could not do its work."""


class ScriptError(StubError):
    """A script is malformed."""


class BadRequestError(StubError):
    """A request is not one of the protocol it was sent to."""
