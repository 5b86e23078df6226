"""Following a started run to its end, and its result in words."""

from __future__ import annotations

import signal
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from terok_util import TerokError, safe_text, show

from terok_executor.cli.showing import event_printer
from terok_executor.errors import RequestError
from terok_executor.launch.task_files import MAX_PROMPT_BYTES
from terok_executor.runner.agent_runner import AgentRunner

if TYPE_CHECKING:
    from terok_executor.runner.result import RunResult


def catch_termination() -> None:
    """Unwind at SIGTERM and SIGHUP as at Ctrl-C, so that nothing stays when a batch system or terminal ends us.

    An ignored signal (`nohup`) stays ignored.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _terminated)


def follow_to_end(
    runner: AgentRunner, name: str, *, started: float, as_json: bool, remove: bool, raw: bool = False
) -> int:
    """Print what the agent does, then the result; returns its exit code. `started` is from `time.monotonic`.

    `raw` prints the lines of its output instead.
    """
    output = sys.stderr if as_json else sys.stdout

    def print_line(line: str) -> None:
        output.write(f"{line}\n")
        output.flush()

    removal_code = 0
    try:
        outcome = runner.follow(name, print_line) if raw else runner.follow_events(name, event_printer(output))
        result = runner.result(name, outcome, duration=time.monotonic() - started)
    finally:
        if remove:
            removal_code = _remove(runner, name)
    if as_json:
        show(result, as_json, "")
    else:
        print(summary(result), file=sys.stderr)
    return outcome.exit_code or removal_code


def _remove(runner: AgentRunner, name: str) -> int:
    """Remove a container; if it has to stay, print the reason and return its exit code."""
    try:
        runner.remove(name)
    except TerokError as error:
        print(f"note: {safe_text(error.message)}; {error.hint}", file=sys.stderr)
        return error.exit_code
    return 0


def summary(result: RunResult) -> str:
    """Return the result as lines for a person."""
    lines = [
        f"container {result.container}: exit code {result.exit_code} after {result.duration:.1f} s"
        + (" (time ran out)" if result.timed_out else "")
    ]
    lines += [f"  commit {commit.id[:12]} on {commit.branch}: {commit.subject}" for commit in result.commits]
    if result.gate:
        lines.append(f"  gate: {result.gate}" if result.commits else "  no new commit in the gate")
    return "\n".join((*lines, *(f"  {line}" for line in result.troubles())))


def _terminated(number: int, _frame: object) -> None:
    raise SystemExit(128 + number)


def read_prompt(text: str | None, file: str | None) -> str:
    """Return the prompt given as text, as a file or on standard input (`-`); RequestError if it cannot be read."""
    if file is None:
        return text or ""
    try:
        with nullcontext(sys.stdin.buffer) if file == "-" else Path(file).open("rb") as stream:
            return stream.read(MAX_PROMPT_BYTES + 1).decode("utf-8", "surrogateescape")
    except OSError as error:
        raise RequestError(f"the prompt file {file} cannot be read: {error.strerror}") from None
