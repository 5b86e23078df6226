"""Importing a screen, and opening windows of tmux: in threads, because both read files."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, Final

from terok_util.process import run

PROGRAM: Final = ("-P", "-c", "import sys; from terok.cli import main; sys.exit(main())")
"""Behind the interpreter, the words that run terok, whatever is in PATH."""
_PATIENCE: Final = 10.0


def command_line(words: Sequence[str]) -> list[str]:
    """Return the program with a command of it."""
    return [sys.executable, *PROGRAM, *words]


def opened(reference: str) -> Any:
    """Return what `module:name` names."""
    module, _, name = reference.partition(":")
    return getattr(import_module(module), name)


def tmux_window(words: Sequence[str]) -> str:
    """Run a command of terok in a new window of the tmux that we are in, and return what to say."""
    title = " ".join(words[-1:])
    run(["tmux", "new-window", "-n", title, "--", *command_line(words)], timeout=_PATIENCE)
    return f"{title} is in a window of its own"
