"""The state of real agents at work is right nearly all of the time: asked, answered, broken off, refused, killed."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from product import bare_clone, remove_containers
from support import BASE, Shell, Terminal
from terok.stub import Refusal, RequestRecord, Script, StubProvider, Use, running_stub
from timeline import Truth, measure, table

SILENT = "import time; time.sleep"
QUIET = f"date +%s.%N >> .git/times; python3 -c '{SILENT}(5)'; date +%s.%N >> .git/times"
THINKING = 1.5
QUESTION = {
    "question": "Which side?",
    "header": "Side",
    "type": "choice",
    "multiSelect": False,
    "options": [{"label": "left", "description": "this"}, {"label": "right", "description": "that"}],
}


@dataclass(frozen=True)
class Kind:
    """What the cases need to know of an agent."""

    provider: str
    ready: str
    """What its screen shows when it waits for a prompt."""
    dialog: str
    """What it shows when it asks for permission."""
    question: str = ""
    """The tool by which it asks a person, if there is one."""
    options: tuple[str, ...] = ()
    escape: tuple[str, ...] = ("Escape",)
    busy: str = ""
    """What it shows for as long as it is at work, where that is for a while after the last call of a turn."""

    def step(self, command: str) -> str | Use:
        """Return the step that runs a command for which it has to ask."""
        if self.provider != "openai":
            return command
        escalated = {"cmd": command, "sandbox_permissions": "require_escalated", "justification": "May I?"}
        return Use("exec_command", escalated)


KINDS = {
    "claude": Kind("anthropic", "? for shortcuts", "Do you want to proceed?", "AskUserQuestion"),
    "codex": Kind("openai", "Ask Codex to do anything", "Press enter to confirm", options=("--model", "stub")),
    "gemini": Kind("google", "Type your message", "Allow once", "ask_user"),
    "opencode": Kind(
        *("openrouter", "Ask anything", "Allow once", "question"),
        ("--env", 'OPENCODE_CONFIG_CONTENT={"permission": {"bash": "ask"}}'),
        *(("Escape", "Escape"), "esc interrupt"),
    ),
}


@dataclass
class Play:
    """One agent in the terminal of its task, a person before it, and what is true of it."""

    sh: Shell
    agent: str
    kind: Kind
    stub: StubProvider
    task: str
    container: str
    workspace: Path
    open_terminal: Callable[[str], Terminal]
    truths: list[Truth] = field(default_factory=list)
    case: str = "start"
    seen: int = 0
    began: int = 0

    def true(self, *words: str, at: float | None = None) -> None:
        """Note which words are right from now, or `at`, on."""
        self.truths.append(Truth(time.time() if at is None else at, self.case, frozenset(words)))

    def inside(self, *words: str) -> str:
        return self.sh("podman", "exec", self.container, *words, code=None).out

    def screen(self) -> str:
        return self.inside("tmux", "capture-pane", "-pt", "main")

    def keys(self, *keys: str) -> None:
        """Press keys one after the other, as a person does."""
        for key in keys:
            self.inside("tmux", "send-keys", "-t", "main", key)
            time.sleep(0.3)

    def until(self, condition: Callable[[], object], seconds: float = 60) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, f"{self.agent}, {self.case}:\n{self.screen()}"
            time.sleep(0.2)

    def shows(self, text: str) -> None:
        self.until(lambda: text in self.screen(), 90)

    def attach(self) -> None:
        """Open the terminal as a person does, and wait for the agent's first screen."""
        self.open_terminal(self.task)
        self.shows(self.kind.ready)

    def prompt(self, text: str, *words: str) -> None:
        self.seen, self.began = len(self.turns()), len(self.stub.seen.turns)
        self.true(*(words or ("waiting", "working")))
        self.sh("terok", "task", "send", self.task, text)
        for _ in range(8):
            if len(self.stub.seen.turns) > self.began:
                return
            time.sleep(0.5)
        self.keys("Enter")  # as a person does whose text is still in its box

    def begun(self) -> float:
        """Wait for the first call of the present turn, and return when it began."""
        self.until(lambda: len(self.stub.seen.turns) > self.began)
        return self.stub.seen.turns[self.began]

    def answered(self, seconds: float, *before: str) -> bool:
        """Wait for a call that works, with which a turn ends; returns whether there was one."""
        end, since = time.monotonic() + seconds, self.truths[-1].at
        while time.monotonic() < end:
            for one in self.turns():
                if one.status == 200 and one.ended > since:
                    self.true("working", *before, at=one.began)
                    self.over(one.ended)
                    return True
            time.sleep(0.2)
        return False

    def over(self, at: float) -> None:
        """Note that a turn is over: with its last call, or once the agent does not say any more that it is at work."""
        if self.kind.busy:
            self.true("working", "waiting", at=at)
            self.until(lambda: self.kind.busy not in self.screen())
        self.true("waiting", at=None if self.kind.busy else at)

    def turns(self) -> list[RequestRecord]:
        """Return the requests of the agent's turns so far."""
        return [record for record in self.stub.seen.records if record.turn]

    def call(self, number: int, status: int = 200) -> RequestRecord:
        """Wait for the end of a call of the present turn, whose number counts those with a status."""

        def found() -> list[RequestRecord]:
            return [one for one in self.turns()[self.seen :] if one.status == status]

        self.until(lambda: len(found()) > number)
        return found()[number]

    def tool(self, lines: int) -> list[float]:
        """Return when tools began and ended, once the file has so many lines."""
        path = self.workspace / ".git/times"
        self.until(lambda: not lines or (path.exists() and len(path.read_text().split()) >= lines))
        return [float(line) for line in path.read_text().split()]

    def play(self, *steps: str | Use) -> None:
        """Let the next turn take these steps."""
        self.stub.script = Script((*self.stub.script.commands, *steps))

    def rest(self, seconds: float = 4.0) -> None:
        """Let the present state last, so that it is seen when it wears off."""
        time.sleep(seconds)


def permission_and_silent_tool(one: Play) -> None:
    one.case = "permission"
    one.play(one.kind.step(QUIET))
    one.prompt("Wait, please")
    asking = one.call(0)
    one.true("working", at=asking.began)
    one.true("working", "question", at=asking.ended)
    one.shows(one.kind.dialog)
    one.true("question")
    one.rest()
    one.true("question", "working")
    one.keys("Enter")
    begun = one.tool(1)[0]
    one.case = "silent tool"
    one.true("working", at=begun)
    one.over(one.call(1).ended)
    one.rest()


def question(one: Play) -> None:
    if not one.kind.question:
        return
    one.case = "question"
    one.play(Use(one.kind.question, {"questions": [QUESTION]}))
    one.prompt("Ask me")
    asking = one.call(0)
    one.true("working", at=asking.began)
    one.true("working", "question", at=asking.ended)
    one.shows("Which side?")
    one.true("question")
    one.rest()
    one.true("question", "working")
    one.keys("Enter")
    answered = one.call(1)
    one.true("working", at=answered.began)
    one.over(answered.ended)
    one.rest()


def broken_off(one: Play) -> None:
    one.case = "broken off"
    one.stub.thinking = 8.0
    one.prompt("Think long")
    one.true("working", at=one.begun())
    one.rest(3)
    one.true("working", "waiting")
    one.keys(*one.kind.escape)
    one.rest(1)
    one.true("waiting")
    one.rest(5)
    one.until(lambda: len(one.turns()) > one.seen)  # which the vault has heard out
    one.stub.thinking = THINKING
    one.case = "broken tool"
    one.play(one.kind.step(QUIET.replace("(5)", "(60)")))
    before = len(one.tool(0))
    one.prompt("Wait long")
    asking = one.call(0)
    one.true("working", at=asking.began)
    one.true("working", "question", at=asking.ended)
    one.shows(one.kind.dialog)
    one.true("question")
    one.true("question", "working")
    one.keys("Enter")
    one.true("working", at=one.tool(before + 1)[-1])
    one.rest(3)
    one.true("working", "waiting")
    one.keys(*one.kind.escape)
    one.rest(1)
    one.true("waiting")
    one.rest(5)


def limit(one: Play) -> None:
    one.case = "429"
    one.prompt("Now")
    one.begun()
    reset = float(int(time.time()) + 10)
    one.stub.refusal = Refusal(429, reset)
    refused = one.call(0, 429)
    one.true("working", at=refused.began)
    one.true("limit", at=refused.ended)
    one.until(lambda: time.time() >= reset)
    one.stub.refusal = None
    one.true("waiting", "working", at=reset)
    one.answered(20)
    one.rest()


def credential(one: Play) -> None:
    one.case = "401"
    one.stub.refusal = Refusal(401)
    one.prompt("Now")
    refused = one.call(0, 401)
    one.true("working", at=refused.began)
    one.true("auth", at=refused.ended)
    one.rest(5)
    one.stub.refusal = None
    if not one.answered(20, "auth"):
        one.prompt("Again", "auth", "working")
        one.answered(20, "auth")
    one.rest()


def crash(one: Play) -> None:
    one.case = "crash"
    one.stub.thinking = 8.0
    one.prompt("Think long")
    one.true("working", at=one.begun())
    one.rest(3)
    pane = one.inside("tmux", "display", "-p", "-t", "main", "#{pane_pid}").strip()
    one.inside("pkill", "-KILL", "-P", pane)
    one.true("waiting")
    one.rest(5)
    one.stub.thinking = THINKING


def stop_and_resume(one: Play) -> None:
    one.case = "stop"
    one.true("waiting", "stopped")
    one.sh("terok", "task", "stop", one.task)
    one.true("stopped")
    one.rest()
    one.case = "resume"
    one.true("stopped", "working", "waiting")
    one.sh("terok", "task", "restart", one.task)
    one.true("waiting")
    one.stub.script = Script(())
    one.attach()
    one.rest(2)
    one.prompt("Again")
    assert one.answered(60)
    one.rest()
    one.sh("terok", "task", "stop", one.task)


CASES = (permission_and_silent_tool, question, broken_off, limit, credential, crash, stop_and_resume)


@pytest.fixture
def plays(
    ready: Shell,
    repository: Path,
    real_key: str,
    upstream: Callable[[str, str], None],
    terminal: Callable[..., Terminal],
) -> Iterator[dict[str, Play]]:
    """Start a task of each agent, in one project."""
    name = f"web-{secrets.token_hex(3)}"
    directory = Path(ready.environment["TEROK_ROOT"]) / "config/projects" / name
    directory.mkdir(parents=True)
    settings = f"git:\n  upstream: {bare_clone(repository)}\nagent:\n  name: claude\nimage:\n  base_image: {BASE}\n"
    (directory / "project.yml").write_text(settings)
    ready("terok-executor", "build", "--base", BASE, timeout=1500)

    def open_terminal(task: str) -> Terminal:
        opened = terminal("terok", "attach", task)
        threading.Thread(target=_drain, args=(opened.master,), daemon=True).start()
        return opened

    with ExitStack() as stack:
        started = {}
        for agent, kind in KINDS.items():
            ready("terok-executor", "auth", kind.provider, stdin=real_key + "\n")
            stub = stack.enter_context(running_stub(Script(()), api_key=real_key))
            stub.thinking = THINKING
            upstream(kind.provider, stub.url)
            words = ("run", "-d", name, "--agent", agent, "--restricted", *kind.options, "--json")
            task = ready("terok", "task", *words, timeout=600).json()["id"]
            workspace = Path(ready.environment["TEROK_ROOT"]) / f"state/tasks/{name}/{task}/workspace"
            started[agent] = Play(ready, agent, kind, stub, task, f"terok-{name}-{task}", workspace, open_terminal)
        yield started
    remove_containers(ready, name)


def _drain(descriptor: int) -> None:
    with suppress(OSError):
        while os.read(descriptor, 65536):
            pass


def act(one: Play) -> float:
    """Play all cases; returns when the last one has ended."""
    one.attach()
    one.true("waiting")
    one.rest()
    for case in CASES:
        case(one)
    return time.time()


@pytest.mark.timeout(900)
def test_the_state_is_right_nearly_all_of_the_time(ready: Shell, plays: dict[str, Play], tmp_path: Path) -> None:
    history = tmp_path / "events"
    with history.open("w") as file:
        words = ("terok", "events", "--follow", "--json")
        following = subprocess.Popen(words, stdout=file, env=ready.environment, cwd=ready.cwd)
    try:
        with ThreadPoolExecutor(len(plays)) as pool:
            ends = dict(zip(plays, pool.map(act, plays.values()), strict=True))
    finally:
        following.terminate()
        following.wait(10)
    rows = [json.loads(line) for line in history.read_text().splitlines()]
    measured = {agent: measure(one.truths, said(rows, one.task), ends[agent]) for agent, one in plays.items()}
    print(table(measured))
    cases = [row for rows in measured.values() for row in rows]
    assert sum(row.wrong for row in cases) <= 0.01 * sum(row.seconds for row in cases), table(measured)
    assert max(row.hidden for row in cases) <= 2.0, table(measured)


def said(rows: list[dict], task: str) -> list[tuple[float, str]]:
    """Return what the feed has said of a task, from its snapshot on."""
    first = [
        (0.0, one["word"]) for row in rows if row["type"] == "snapshot" for one in row["tasks"] if one["id"] == task
    ]
    changes = [row for row in rows if row["type"] == "event" and row["task"] == task and row["kind"] == "state"]
    return first + [(row["at"], row["data"]["word"]) for row in changes]
