"""The one place where processes are started: bounded, redacted, and ended together with what they start."""

from __future__ import annotations

from terok_util.lazy import lazy_exports

TYPE_CHECKING = False
if TYPE_CHECKING:
    from terok_util.process.blocking import MAX_OUTPUT, run, stream
    from terok_util.process.concurrent import run_async
    from terok_util.process.errors import OutputTooLarge, ProcessError, ProcessFailed, ProcessTimeout, ToolNotFound
    from terok_util.process.kill import kill_tree
    from terok_util.process.result import Completed
    from terok_util.process.start import DEVNULL, PIPE, STDOUT, exec_replace, spawn, spawn_async
    from terok_util.process.tools import find_tool

    __all__ = [
        "DEVNULL",
        "MAX_OUTPUT",
        "PIPE",
        "STDOUT",
        "Completed",
        "OutputTooLarge",
        "ProcessError",
        "ProcessFailed",
        "ProcessTimeout",
        "ToolNotFound",
        "exec_replace",
        "find_tool",
        "kill_tree",
        "run",
        "run_async",
        "spawn",
        "spawn_async",
        "stream",
    ]
else:
    __getattr__, __dir__, __all__ = lazy_exports(
        __name__,
        {
            "DEVNULL": ".start",
            "MAX_OUTPUT": ".blocking",
            "PIPE": ".start",
            "STDOUT": ".start",
            "Completed": ".result",
            "OutputTooLarge": ".errors",
            "ProcessError": ".errors",
            "ProcessFailed": ".errors",
            "ProcessTimeout": ".errors",
            "ToolNotFound": ".errors",
            "exec_replace": ".start",
            "find_tool": ".tools",
            "kill_tree": ".kill",
            "run": ".blocking",
            "run_async": ".concurrent",
            "spawn": ".start",
            "spawn_async": ".start",
            "stream": ".blocking",
        },
    )
