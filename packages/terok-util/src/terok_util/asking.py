"""Whether a person can be asked: not without a terminal, and not where they said so (`--no-input`, `terokctl`)."""

from __future__ import annotations

import os
import sys

from terok_util.errors import UsageError

_NO_INPUT = "TEROK_NO_INPUT"


def may_ask() -> bool:
    """Tell whether a question on the terminal can be answered; otherwise do as without a terminal."""
    return not os.environ.get(_NO_INPUT) and sys.stdin is not None and sys.stdin.isatty()


def refuse_terminal(what: str) -> None:
    """Refuse to read a terminal that nobody may be asked at; `what` is needed. UsageError."""
    if sys.stdin is not None and sys.stdin.isatty() and not may_ask():
        raise UsageError(f"the {what} is needed, and --no-input forbids to ask", hint="give it on standard input")


def never_ask() -> None:
    """From now on nobody can be asked, by this process and by those it starts."""
    os.environ[_NO_INPUT] = "1"
