"""The terminal of a container: an agent at work in it, and messages typed to that agent as a person would."""

from __future__ import annotations

import shlex

from terok_util import safe_text, write_sensitive_file

from terok_executor.errors import RequestError
from terok_executor.integrations.sandbox import Sandbox
from terok_executor.launch.check import terminal_command
from terok_executor.launch.env import CONTAINER_TASK_DIR
from terok_executor.launch.resume import inject_file
from terok_executor.launch.task_files import RunRecord, checked_prompt, load_record
from terok_executor.paths import task_dir
from terok_executor.roster.types import Agent

SESSION = "main"
_MARK = "@terok-agent"
"""An option of tmux that is set while the agent runs: behind it comes a shell, which must not be sent messages."""
_MESSAGE = "message.txt"
_SEND = f"""\
[ "$(tmux show -wqv -t ={SESSION}: {_MARK})" = runs ] || exit 3
tmux load-buffer -b terok "$1" && rm -f "$1" && tmux paste-buffer -p -r -d -b terok -t ={SESSION}: || exit 1
# What follows a paste at once counts as a part of it.
sleep 0.3
tmux send-keys -t ={SESSION}: Enter
"""


def terminal_words(agent: Agent | None, record: RunRecord | None, model: str | None) -> list[str]:
    """Return the command that opens the terminal; a new one begins with the agent (None: without), then a shell."""
    words = ["tmux", "new-session", "-A", "-s", SESSION]
    if agent is None or record is None:
        return words
    started = shlex.join(terminal_command(agent, model=model, unrestricted=record.unrestricted))
    # However the agent has ended, also killed: what it was at is over.
    ended = f"tmux set -uw {_MARK}; terok-report turn_ended"
    return [*words, f"tmux set -w {_MARK} runs; {started}; {ended}; exec bash -l"]


def send_message(sandbox: Sandbox, name: str, text: str) -> None:
    """Type a message to the agent in a container's terminal and press Enter; RequestError if none takes it now."""
    shown = safe_text(checked_prompt(text), multiline=True)
    container = sandbox.runtime.container(name)
    record = load_record(task_dir(name))
    if record is None or not container.running:
        raise RequestError(f"container {name} does not run", hint=f"start it with `terok-executor start {name}`")
    if record.sealed:
        inject_file(sandbox, name, _MESSAGE, shown)
    else:
        write_sensitive_file(task_dir(name) / "home" / _MESSAGE, shown.encode())
    words = ("sh", "-c", _SEND, "send", f"{CONTAINER_TASK_DIR}/{_MESSAGE}")
    if not sandbox.runtime.exec(name, words).ok:
        raise RequestError(
            f"no agent in {name} takes a message now: none works in a terminal there",
            hint=f"when it has ended, continue its conversation with `terok-executor start {name} -p …`",
        )
