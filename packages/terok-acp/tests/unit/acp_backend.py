"""An adapter that does what its prompts say: a program of the standard library alone, so that it runs anywhere.

Prompts are words: `say TEXT`, `flood N`, `ask`, `wait`, `die`, `stuck`, several with `;` between. `raw JSON` alone
sends a list of frames as they are, with SESSION for the session's name, and says what came back. Sessions are kept in
the directory of $ACP_BACKEND_STATE, so that another process can resume them.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path
from typing import Any

NAME = os.environ.get("ACP_BACKEND_NAME", "echo")
STATE = Path(os.environ.get("ACP_BACKEND_STATE", "/tmp"))
lock = threading.Lock()
answers: dict[int, Any] = {}
answered = threading.Condition()
cancelled: dict[str, threading.Event] = {}
count = 0


def send(frame: dict[str, Any]) -> None:
    with lock:
        sys.stdout.write(json.dumps({"jsonrpc": "2.0", **frame}) + "\n")
        sys.stdout.flush()


def update(session: str, **content: Any) -> None:
    send({"method": "session/update", "params": {"sessionId": session, "update": content}})


def say(session: str, text: str) -> None:
    update(session, sessionUpdate="agent_message_chunk", content={"type": "text", "text": text})


def ask(session: str) -> str:
    global count
    number, count = count, count + 1
    options = [
        {"optionId": "go", "name": "Go", "kind": "allow_once"},
        {"optionId": "no", "name": "No", "kind": "reject_once"},
    ]
    call = {"toolCallId": f"call-{number}", "title": "run", "kind": "execute"}
    update(session, sessionUpdate="tool_call", **call, status="pending")
    params = {"sessionId": session, "toolCall": call, "options": options}
    send({"id": number, "method": "session/request_permission", "params": params})
    with answered:
        answered.wait_for(lambda: number in answers)
    outcome = answers.pop(number)["outcome"]
    return outcome.get("optionId", outcome["outcome"])


def raw(session: str, text: str) -> None:
    frames = json.loads(text.replace("SESSION", session))
    for frame in frames:
        send(frame)
    wanted = {frame["id"] for frame in frames if "id" in frame}
    with answered:
        answered.wait_for(lambda: wanted <= answers.keys())
    say(session, json.dumps({number: answers[number] for number in wanted}))


def turn(number: Any, session: str, text: str) -> None:
    if text.startswith("raw "):
        raw(session, text.removeprefix("raw "))
        send({"id": number, "result": {"stopReason": "end_turn"}})
        return
    stop = cancelled[session] = threading.Event()
    for words in text.split(";"):
        verb, _, rest = words.strip().partition(" ")
        if verb == "say":
            say(session, rest)
        elif verb == "flood":
            for index in range(int(rest)):
                say(session, f"{index:08d}" + "." * 100)
        elif verb == "ask":
            say(session, ask(session))
        elif verb == "wait":
            stop.wait()
        elif verb == "stuck":
            return
        elif verb == "die":
            os._exit(3)
        elif verb == "memory":
            with (STATE / f"{session}.txt").open() as file:
                say(session, f"{len(file.readlines())} prompts")
        if stop.is_set():
            break
    with (STATE / f"{session}.txt").open("a") as file:
        file.write(text.replace("\n", " ") + "\n")
    send({"id": number, "result": {"stopReason": "cancelled" if stop.is_set() else "end_turn"}})


def options() -> list[dict[str, Any]]:
    values = [{"value": value, "name": value} for value in ("small", "large:v1")]
    model = {"id": "model", "name": "Model", "category": "model", "type": "select", "currentValue": "small"}
    return [{**model, "options": values}]


def serve(frame: dict[str, Any]) -> None:
    method, params, number = frame.get("method"), frame.get("params", {}), frame.get("id")
    if method is None:
        with answered:
            answers[number] = frame.get("result", {"outcome": {"outcome": "error"}, **frame.get("error", {})})
            answered.notify_all()
    elif method == "initialize":
        sessions: dict[str, Any] = {"resume": {}, "close": {}, "list": {}}
        abilities = {"loadSession": True, "promptCapabilities": {}, "sessionCapabilities": sessions}
        send({"id": number, "result": {"protocolVersion": 1, "agentCapabilities": abilities, "authMethods": []}})
    elif method == "session/new":
        session = f"{NAME}-{os.urandom(6).hex()}"
        (STATE / f"{session}.txt").touch()
        send({"id": number, "result": {"sessionId": session, "configOptions": options()}})
    elif method in ("session/resume", "session/load"):
        if (STATE / f"{params['sessionId']}.txt").exists():
            send({"id": number, "result": {"configOptions": options()}})
        else:
            send({"id": number, "error": {"code": -32002, "message": "no such session"}})
    elif method == "session/prompt":
        text = "".join(block.get("text", "") for block in params["prompt"])
        threading.Thread(target=turn, args=(number, params["sessionId"], text), daemon=True).start()
    elif method == "session/cancel":
        if params["sessionId"] in cancelled:
            cancelled[params["sessionId"]].set()
    elif method == "session/set_config_option":
        chosen = options()
        chosen[0]["currentValue"] = params["value"]
        send({"id": number, "result": {"configOptions": chosen}})
    elif number is not None:
        send({"id": number, "result": {}})


for line in sys.stdin:
    serve(json.loads(line))
