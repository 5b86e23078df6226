#!/usr/bin/python3 -IS
"""Note what an agent's own hook tells: `terok-report KIND [-] [NAME=PATH…] [JSON]`.

KIND is permission, question, answered, turn_ended, phase, session or idle. The hook's JSON comes as the last argument,
or with `-` on standard input. Each NAME (text, id, options, session) is found in it at PATH: keys separated by dots, a
number for an index, `*` for every item; `PATH,PATH` takes the first there is. Without any, the names themselves are the
keys. Nothing is printed and the exit code is 0 whatever happens, because agents act on what their hooks say.
"""

from __future__ import annotations

import json
import os
import stat
import sys
import time
from contextlib import suppress
from typing import Any

KINDS = ("permission", "question", "answered", "turn_ended", "phase", "session", "idle")
NAMES = {"text": 2000, "id": 200, "session": 200}
MAX_OPTIONS = 20
MAX_OPTION = 200
MAX_INPUT = 4 * 1024 * 1024
MAX_FILE = 256 * 1024
"""Bytes after which a new file is begun; one older file is kept."""


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
    paths = dict(word.split("=", 1) for word in more if "=" in word) or {name: name for name in (*NAMES, "options")}
    line: dict[str, Any] = {"kind": kind, "at": round(time.time(), 3)}
    for name, limit in NAMES.items():
        if found := [words(value)[:limit] for value in first(given, paths.get(name))]:
            line[name] = " ".join(found)[:limit]
    if options := first(given, paths.get("options")):
        offered = options[0] if isinstance(options[0], list) else options
        line["options"] = [words(option)[:MAX_OPTION] for option in offered[:MAX_OPTIONS]]
    append(json.dumps(line).encode("ascii") + b"\n")


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


def append(line: bytes) -> None:
    """Write the line behind those before it, at once, so that lines of several hooks do not mix."""
    path = os.path.join(os.environ.get("TEROK_TASK_DIR", "/home/dev/.terok"), "reports.jsonl")
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
