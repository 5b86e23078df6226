#!/usr/bin/python3 -IS
"""Note what an agent's own hook tells: `terok-report KIND [-] [NAME=PATH…] [JSON]`.

KIND is permission, question, answered, turn_began, turn_ended, phase, session or idle. The hook's JSON comes as the
last argument, or with `-` on standard input. Each NAME (text, id, options, session) is found in it at PATH: keys
separated by dots, a number for an index, `*` for every item; `PATH,PATH` takes the first there is. Without any, the
names themselves are the keys. `if=PATH~WORDS` reports only what has these words there.

Some things agents have no hook for; for these a report stays behind until it sees them, or nothing is open any more:
`watch=program` behind a permission until the command that it is about (its id) runs, which is a person's yes, and
`watch=FILE` behind the beginning of a turn until the agent notes in such a file (`*` is any text) that it is idle, as
when a person has broken the turn off.

Nothing is printed and the exit code is 0 whatever happens, because agents act on what their hooks say.
"""

from __future__ import annotations

import json
import os
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from glob import glob
from typing import Any

KINDS = ("permission", "question", "answered", "turn_began", "turn_ended", "phase", "session", "idle")
OVER = ("turn_began", "turn_ended", "idle")
"""Kinds after which nothing that was asked before is open."""
NAMES = {"text": 2000, "id": 200, "session": 200}
MAX_OPTIONS = 20
MAX_OPTION = 200
MAX_INPUT = 4 * 1024 * 1024
MAX_FILE = 256 * 1024
"""Bytes after which a new file is begun; one older file is kept."""
LOOK = 0.2
SELDOM = {"answered": 5.0, "idle": 0.5}
"""Seconds between two looks for what there is no hook for, at first and at last."""
UNSEEN = 30.0
"""Seconds after which an agent that was never seen busy was so between two looks."""
COMMAND = 8
"""Letters and digits of the shortest command that is told from all others."""


def main(arguments: list[str]) -> None:
    """Append one line to the task's reports."""
    kind, *more = arguments
    if kind not in KINDS:
        return
    text = more.pop() if more and more[-1].startswith("{") else ""
    if "-" in more:
        more.remove("-")
        text = sys.stdin.buffer.read(MAX_INPUT).decode("utf-8", "replace")
    given = json.loads(text) if text.strip() else {}
    for word in more:
        path, _, wanted = word.removeprefix("if=").partition("~")
        if word.startswith("if=") and not any(wanted in words(value) for value in first(given, path)):
            return
    named = [word for word in more if "=" in word and not word.startswith(("if=", "watch="))]
    paths = dict(word.split("=", 1) for word in named) or {name: name for name in (*NAMES, "options")}
    line: dict[str, Any] = {"kind": kind, "at": round(time.time(), 3)}
    for name, limit in NAMES.items():
        if found := [words(value)[:limit] for value in first(given, paths.get(name))]:
            line[name] = " ".join(found)[:limit]
    if options := first(given, paths.get("options")):
        offered = options[0] if isinstance(options[0], list) else options
        line["options"] = [words(option)[:MAX_OPTION] for option in offered[:MAX_OPTIONS]]
    append(json.dumps(line).encode("ascii") + b"\n")
    place = next((word.removeprefix("watch=") for word in more if word.startswith("watch=")), "")
    if place:
        stay_behind(place, line)


def stay_behind(place: str, line: dict[str, Any]) -> None:
    """Watch in a process of its own, for which no agent waits."""
    size, session = os.path.getsize(reports()), line.get("session", "")
    if place == "program":
        kind, seen = "answered", runs(line.get("id", ""))
    else:
        kind, seen = "idle", rests(os.path.expanduser(place), session)
    if next(seen) or os.fork():
        return
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nothing, number)
    wait_for(kind, line, size, seen)


def first(node: Any, paths: str | None) -> list[Any]:
    """Return what the first of the paths leads to that leads anywhere."""
    for path in (paths or "").split(","):
        nodes = [node] if path else []
        for key in path.split(".") if path else ():
            nodes = [below for one in nodes for below in step(one, key)]
        if nodes := [one for one in nodes if one not in (None, "")]:
            return nodes
    return []


def step(node: Any, key: str) -> list[Any]:
    """Return what lies below one key."""
    if isinstance(node, dict):
        return [node[key]] if key in node else []
    if isinstance(node, list):
        return node if key == "*" else node[int(key) :][:1] if key.isdecimal() else []
    return []


def words(value: Any) -> str:
    """Return a value as text."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def wait_for(kind: str, line: dict[str, Any], size: int, seen: Iterator[bool]) -> None:
    """Look until something is seen, and report it; behind `size` bytes another report may say that it is over."""
    began = time.monotonic()
    while True:
        time.sleep(min(SELDOM[kind], max(LOOK, (time.monotonic() - began) / 20)))
        if is_over(size, line):
            return
        if next(seen):
            break
    told = {"kind": kind, "at": round(time.time(), 3)} | {key: line[key] for key in ("id", "session") if key in line}
    append(json.dumps(told).encode("ascii") + b"\n")


def is_over(size: int, asked: dict[str, Any]) -> bool:
    """Whether a report behind the first `size` bytes says that this is answered, or that nothing is open any more."""
    now = os.path.getsize(reports())
    if now == size:
        return False
    with open(reports(), "rb") as file, suppress(ValueError, AttributeError):
        file.seek(size if now > size else 0)
        for text in file:
            row = json.loads(text)
            answered = row.get("kind") == "answered" and "id" in asked and row.get("id") == asked["id"]
            if answered or row.get("kind") in OVER:
                return True
    return False


def runs(command: str) -> Iterator[bool]:
    """Yield whether a process that was not there at first has a command in its command line, however it is quoted."""
    wanted, known = bare(command), set(processes())
    while True:
        found = processes()
        yield len(wanted) >= COMMAND and any(wanted in bare(found[one]) for one in set(found) - known)


def processes() -> dict[str, str]:
    """Return the command line of every process here."""
    found = {}
    for number in filter(str.isdecimal, os.listdir("/proc")):
        with suppress(OSError), open(f"/proc/{number}/cmdline", encoding="utf-8", errors="replace") as file:
            found[number] = file.read()
    return found


def bare(text: str) -> str:
    """Return the letters and digits of a text."""
    return "".join(filter(str.isalnum, text))


def rests(pattern: str, session: str) -> Iterator[bool]:
    """Yield whether the agent says in its file about a session that it is idle, after it was busy or a while."""
    busy, until = False, time.monotonic() + UNSEEN
    while True:
        says = ""
        for path in glob(pattern):
            with suppress(OSError, ValueError), open(path, encoding="utf-8") as file:
                about = json.loads(file.read(MAX_INPUT))
                says = about.get("status", "") if about.get("sessionId") == session else says
        busy = busy or says == "busy" or time.monotonic() > until
        yield busy and says in ("idle", "shell")


def reports() -> str:
    """Return the path of the file of reports."""
    return os.path.join(os.environ.get("TEROK_TASK_DIR", "/home/dev/.terok"), "reports.jsonl")


def append(line: bytes) -> None:
    """Write the line behind those before it, at once, so that lines of several hooks do not mix."""
    path = reports()
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
    try:
        status = os.fstat(descriptor)
        if stat.S_ISREG(status.st_mode):
            os.write(descriptor, line)
            if status.st_size > MAX_FILE:
                os.replace(path, path + ".old")
    finally:
        os.close(descriptor)


if __name__ == "__main__":
    with suppress(OSError, ValueError, TypeError, RecursionError):
        main(sys.argv[1:])
    os._exit(0)  # without the tidying up of an interpreter, which the agent would wait for
