"""The one place that starts processes: bounded, redacted, and ended together with their descendants."""

from __future__ import annotations

from terok_util.lazy import lazy_imports

with lazy_imports(globals()):
    from terok_util.process.blocking import MAX_OUTPUT as MAX_OUTPUT
    from terok_util.process.blocking import attend as attend
    from terok_util.process.blocking import run as run
    from terok_util.process.blocking import stream as stream
    from terok_util.process.concurrent import run_async as run_async
    from terok_util.process.errors import OutputTooLarge as OutputTooLarge
    from terok_util.process.errors import ProcessError as ProcessError
    from terok_util.process.errors import ProcessFailed as ProcessFailed
    from terok_util.process.errors import ProcessTimeout as ProcessTimeout
    from terok_util.process.errors import ToolNotFound as ToolNotFound
    from terok_util.process.kill import kill_tree as kill_tree
    from terok_util.process.result import Completed as Completed
    from terok_util.process.start import DEVNULL as DEVNULL
    from terok_util.process.start import PIPE as PIPE
    from terok_util.process.start import STDOUT as STDOUT
    from terok_util.process.start import Process as Process
    from terok_util.process.start import exec_replace as exec_replace
    from terok_util.process.start import limit as limit
    from terok_util.process.start import spawn as spawn
    from terok_util.process.tools import find_tool as find_tool
