#!/usr/bin/env python3
"""A small agent: sends the prompt and one tool to a Messages API, runs what the model asks for, until it is done."""

from __future__ import annotations

import argparse
import http.client
import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

TOOL = {
    "name": "bash",
    "description": "Run a shell command in the workspace and return its output.",
    "input_schema": {"type": "object", "properties": {"command": {"type": "string"}}, "required": ["command"]},
}
SYSTEM = "You are a coding agent in a container. Work in the current directory and use the tool bash."
MAX_OUTPUT = 64 * 1024
COMMAND_SECONDS = 300
REQUEST_SECONDS = 120
ATTEMPTS = 8
SESSIONS = Path(os.environ.get("TEROK_TASK_DIR", "/home/dev/.terok")) / "demo-sessions"


class FailedError(Exception):
    """The conversation cannot go on."""


class RetryableError(Exception):
    """The request may be sent again."""


def main() -> int:
    """Run the conversation that standard input asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="demo-model")
    parser.add_argument("--max-turns", type=int, default=50)
    parser.add_argument("--no-stream", action="store_true")
    parser.add_argument("--json", action="store_true", help="print events, one JSON object a line")
    parser.add_argument(
        "--resume", metavar="SESSION", help="go on with the conversation of this id; `last` is the last"
    )
    options = parser.parse_args()
    prompt = sys.stdin.read().strip()
    if not prompt:
        print("error: the prompt is empty", file=sys.stderr)
        return 2
    tell = tell_json if options.json else tell_person
    session, messages = open_session(options.resume)
    messages.append({"role": "user", "content": prompt})
    save_session(session, messages)  # who is killed can go on with it
    report("session", {"session": session})
    tell("prompt", text=prompt, session=session)
    try:
        converse(messages, options, tell)
    except FailedError as error:
        tell("end", error=str(error))
        report("turn_ended", {"text": str(error), "session": session})
        return 1
    finally:
        save_session(session, messages)
    tell("end")
    report("turn_ended", {"session": session})
    return 0


def tell_json(event: str, **parts: Any) -> None:
    """Print an event for a program."""
    print(json.dumps({"event": event, **parts}), flush=True)


def tell_person(event: str, **parts: Any) -> None:
    """Print an event for a person."""
    if event == "tool_result":
        lines = [f"  {line}" for line in parts["output"].splitlines()]
        text = "\n".join([*lines, f"  [exit {parts['exit_code']}]"] if parts["exit_code"] else lines)
    else:
        said = parts.get("error") or parts.get("text") or parts.get("command")
        label = {"prompt": "prompt: ", "message": "agent: ", "tool_call": "$ ", "end": "error: "}[event]
        text = f"{label}{said}" if said else ""
    if text:
        print(text, file=sys.stderr if event == "end" else sys.stdout, flush=True)


def report(kind: str, parts: dict[str, Any]) -> None:
    """Tell the host what the agent is at, as the hooks of other agents do."""
    with suppress(OSError):
        subprocess.run(["terok-report", kind, json.dumps(parts)], stdin=subprocess.DEVNULL, check=False)


def open_session(resumed: str | None) -> tuple[str, list[dict[str, Any]]]:
    """Return the id and the messages of a new conversation, or of an earlier one."""
    if resumed is None:
        return f"demo-{uuid.uuid4()}", []
    try:
        if resumed == "last":
            resumed = max(SESSIONS.iterdir(), key=lambda path: path.stat().st_mtime).stem
        return resumed, json.loads((SESSIONS / f"{resumed}.json").read_text())
    except (OSError, ValueError) as error:
        print(f"error: there is no conversation {resumed}: {error}", file=sys.stderr)
        raise SystemExit(2) from None


def save_session(session: str, messages: list[dict[str, Any]]) -> None:
    """Keep the messages for a later run of this container."""
    with suppress(OSError):
        SESSIONS.mkdir(exist_ok=True)
        (SESSIONS / f"{session}.json").write_text(json.dumps(messages))


def converse(messages: list[dict[str, Any]], options: argparse.Namespace, tell: Callable[..., None]) -> None:
    """Talk to the model until it asks for no tool."""
    for _turn in range(options.max_turns):
        body = {
            "model": options.model,
            "max_tokens": 4096,
            "system": SYSTEM,
            "tools": [TOOL],
            "messages": messages,
            "stream": not options.no_stream,
        }
        answer = ask(body)
        messages.append({"role": "assistant", "content": answer["content"]})
        results = []
        for block in answer["content"]:
            if block["type"] == "text":
                tell("message", text=block["text"])
            elif block["type"] == "tool_use":
                results.append(use_tool(block, tell))
        if not results:
            return
        messages.append({"role": "user", "content": results})
    raise FailedError(f"no end after {options.max_turns} turns")


def use_tool(block: dict[str, Any], tell: Callable[..., None]) -> dict[str, Any]:
    """Run the command of a tool call and return the result block."""
    result: dict[str, Any] = {"type": "tool_result", "tool_use_id": block["id"]}
    command = (block.get("input") or {}).get("command")
    if block.get("name") != TOOL["name"] or not isinstance(command, str):
        return {**result, "is_error": True, "content": "unknown tool or missing command"}
    tell("tool_call", id=block["id"], name=TOOL["name"], command=command)
    try:
        done = subprocess.run(
            ["bash", "-c", command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        output, code = done.stdout, done.returncode
    except subprocess.TimeoutExpired as error:
        output, code = (error.stdout or b"") + b"\n[timed out]", 124
    text = output[-MAX_OUTPUT:].decode("utf-8", "replace")
    tell("tool_result", id=block["id"], output=text, exit_code=code)
    return {**result, "is_error": code != 0, "content": text or "(no output)"}


def ask(body: dict[str, Any]) -> dict[str, Any]:
    """Send one request; a provider that is away for a moment only delays the answer."""
    problem = ""
    for attempt in range(ATTEMPTS):
        if attempt:
            delay = min(0.25 * 2**attempt, 8.0)
            print(f"retrying in {delay:g} s: {problem}", file=sys.stderr, flush=True)
            time.sleep(delay)
        try:
            return exchange(body)
        except (RetryableError, OSError, http.client.HTTPException) as error:
            problem = f"{type(error).__name__}: {error}"
    raise FailedError(f"the provider does not answer: {problem}")


def exchange(body: dict[str, Any]) -> dict[str, Any]:
    """Send one request and return the message that came back."""
    base = urlsplit(os.environ["ANTHROPIC_BASE_URL"])
    kind = http.client.HTTPSConnection if base.scheme == "https" else http.client.HTTPConnection
    connection = kind(base.hostname or "", base.port, timeout=REQUEST_SECONDS)
    try:
        connection.request(
            "POST",
            f"{base.path.rstrip('/')}/v1/messages",
            body=json.dumps(body).encode(),
            headers={
                "content-type": "application/json",
                "anthropic-version": "2023-06-01",
                "x-api-key": os.environ.get("ANTHROPIC_API_KEY", ""),
            },
        )
        response = connection.getresponse()
        passing = response.status >= 500 or response.status == 429
        if passing and response.headers.get("x-should-retry") != "false":
            raise RetryableError(f"status {response.status}")
        if response.status != 200:
            raise FailedError(f"the provider answered {response.status}: {reason(response.read(4096))}")
        if response.headers.get_content_type() == "text/event-stream":
            return gather(response)
        answer = json.loads(response.read())
        return {"content": answer["content"]}
    except (KeyError, ValueError) as error:
        raise FailedError(f"the provider's answer makes no sense: {error!r}") from None
    finally:
        connection.close()


def reason(body: bytes) -> str:
    """Return what an error answer says, as far as it can be understood."""
    try:
        return str(json.loads(body)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return body.decode("utf-8", "replace")


def gather(response: http.client.HTTPResponse) -> dict[str, Any]:
    """Put a streamed message together; a stream that breaks off is asked for again."""
    blocks: dict[int, dict[str, Any]] = {}
    partial: dict[int, str] = {}
    for raw in response:
        if not raw.startswith(b"data:"):
            continue
        event = json.loads(raw[5:])
        kind = event.get("type")
        if kind == "content_block_start":
            blocks[event["index"]] = dict(event["content_block"])
        elif kind == "content_block_delta":
            delta, index = event["delta"], event["index"]
            if delta["type"] == "text_delta":
                blocks[index]["text"] = blocks[index].get("text", "") + delta["text"]
            elif delta["type"] == "input_json_delta":
                partial[index] = partial.get(index, "") + delta["partial_json"]
        elif kind == "error":
            raise RetryableError(json.dumps(event.get("error")))
        elif kind == "message_stop":
            for index, text in partial.items():
                blocks[index]["input"] = json.loads(text or "{}")
            return {"content": [blocks[index] for index in sorted(blocks)]}
    raise RetryableError("the stream ended early")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (KeyboardInterrupt, BrokenPipeError):
        sys.exit(130)
