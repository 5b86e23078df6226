from __future__ import annotations

import json
import threading
import time
import urllib.request
from typing import Any

from terok.stub import Pause, Script, running_stub

TOOL = {"name": "Bash", "input_schema": {"properties": {"command": {"type": "string"}}}}


def ask(url: str, said: dict[str, Any], tools: list[dict[str, Any]]) -> bytes:
    body = json.dumps({"messages": [said], "tools": tools}).encode()
    with urllib.request.urlopen(url + "/v1/messages", data=body, timeout=10) as response:
        return response.read()


RESULT = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "call_terok_000", "content": "x"}]}


def test_only_the_closing_sentence_waits_until_it_is_let_go() -> None:
    pause = Pause(limit=30)
    with running_stub(Script(("ls",)), pause=pause) as provider:
        ask(provider.url, {"role": "user", "content": "go"}, [TOOL])
        ask(provider.url, {"role": "user", "content": "a title"}, [])
        assert not pause.reached(0)
        answers: list[bytes] = []
        thread = threading.Thread(target=lambda: answers.append(ask(provider.url, RESULT, [TOOL])))
        thread.start()
        assert pause.reached(10)
        time.sleep(0.1)
        assert not answers
        pause.resume()
        thread.join(10)
    assert b"Done." in answers[0]


def test_nobody_waits_for_ever() -> None:
    with running_stub(Script(("ls",)), pause=Pause(limit=0.05)) as provider:
        assert b"Done." in ask(provider.url, RESULT, [TOOL])
