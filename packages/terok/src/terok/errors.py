"""Errors of terok.

TerokError
└── DemoError   the demonstration could not be run to its end (exit 1)
"""

from __future__ import annotations

from terok_util import TerokError


class DemoError(TerokError):
    """The demonstration could not be run to its end; what was measured until then is lost."""
