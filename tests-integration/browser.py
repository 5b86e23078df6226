"""A headless Chromium, driven through its debugging pipe: real pages with real keys."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import time
from itertools import count
from pathlib import Path
from typing import Any

PROGRAM = "chromium-headless-shell"
PATIENCE = 90.0
# Keys that write nothing, with the numbers that browsers give them.
NAMED = {"Enter": 13, "Escape": 27, "Tab": 9, "Backspace": 8, "ArrowDown": 40, "ArrowUp": 38}


class Browser:
    """One browser with a profile of its own; its first page is what it shows."""

    def __init__(self, place: Path, environment: dict[str, str]) -> None:
        reads, writes = os.pipe(), os.pipe()
        ours = {**environment, "HOME": str(place), "XDG_CONFIG_HOME": str(place), "XDG_CACHE_HOME": str(place)}
        options = (f"--user-data-dir={place}", "--remote-debugging-pipe", "--window-size=1000,700", "--no-first-run")
        words = (PROGRAM, *options, "--disable-gpu", "--disable-dev-shm-usage")
        script = f'exec "$@" 3<&{reads[0]} 4>&{writes[1]}'
        with (place / "chromium.log").open("wb") as log:
            self.process = subprocess.Popen(
                ("bash", "-c", script, "bash", *words),
                pass_fds=(reads[0], writes[1]),
                env=ours,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        os.close(reads[0])
        os.close(writes[1])
        self._say, self._hear = os.fdopen(reads[1], "wb", 0), os.fdopen(writes[0], "rb")
        self._numbers, self._left = count(1), b""
        target = self._ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]

    def _ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        answer = self._answer(method, **parameters)
        assert "error" not in answer, answer
        return answer["result"]

    def _answer(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        asked = {"id": number, "method": method, "params": parameters}
        if session := getattr(self, "_session", ""):
            asked["sessionId"] = session
        self._say.write(json.dumps(asked).encode() + b"\0")
        while True:
            answer = json.loads(self._message())
            if answer.get("id") == number:
                return answer

    def _message(self) -> bytes:
        while b"\0" not in self._left:
            more = os.read(self._hear.fileno(), 1 << 16)
            assert more, "the browser has ended"
            self._left += more
        message, _, self._left = self._left.partition(b"\0")
        return message

    def open(self, address: str) -> None:
        self._ask("Page.navigate", url=address)

    def js(self, expression: str) -> Any:
        """Return what an expression is; None while one page gives way to the next."""
        answer = self._answer("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        return answer.get("result", {}).get("result", {}).get("value")

    def reload(self) -> None:
        self.js("window.before = true")
        self._ask("Page.reload")
        deadline = time.monotonic() + PATIENCE
        while self.js("window.before === undefined") is not True:
            assert time.monotonic() < deadline, "the page stays"
            time.sleep(0.05)

    def text(self) -> str:
        """Return what a person reads on the page, line by line."""
        lines = "[...document.querySelectorAll('#screen div, #said:not([hidden])')].map(one => one.textContent)"
        return "\n".join(line.rstrip() for line in self.js(lines) or ())

    def until(self, text: str, *, gone: bool = False) -> str:
        """Wait until a text is on the page, or no longer, and return all of it."""
        deadline = time.monotonic() + PATIENCE
        while (text in (shown := self.text())) is gone:
            assert time.monotonic() < deadline, f"{text!r} {'stays' if gone else 'never came'}:\n{shown}"
            time.sleep(0.05)
        return shown

    def keys(self, *keys: str) -> None:
        """Press keys, by their names or the character that they write."""
        for key in keys:
            named = {"windowsVirtualKeyCode": NAMED[key]} if key in NAMED else {"text": key}
            self._ask("Input.dispatchKeyEvent", type="keyDown", key=key, **named)
            self._ask("Input.dispatchKeyEvent", type="keyUp", key=key)

    def write(self, text: str, *keys: str) -> None:
        self.keys(*text, *keys)

    def click(self, text: str) -> None:
        """Click where a text begins."""
        piece = f"[...document.querySelectorAll('#screen span')].find(one => one.textContent.includes({text!r}))"
        box = self.js(f"(box => box && [box.left, box.top, box.width])({piece}?.getBoundingClientRect())")
        assert box, f"{text!r} is not there:\n{self.text()}"
        written = self.js(f"{piece}.textContent")
        x = box[0] + box[2] * (written.index(text) + 0.5) / len(written)
        for kind in ("mousePressed", "mouseReleased"):
            self._ask("Input.dispatchMouseEvent", type=kind, x=x, y=box[1] + 4, button="left", clickCount=1)

    def picture(self, file: Path) -> None:
        file.write_bytes(base64.b64decode(self._ask("Page.captureScreenshot")["data"]))

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        self._say.close()
        self._hear.close()


def present() -> bool:
    return shutil.which(PROGRAM) is not None
