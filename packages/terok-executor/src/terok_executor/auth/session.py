"""AuthSession: one sign-in as a state machine for front ends; it knows no terminal."""

from __future__ import annotations

import contextlib
import os
import re
import select
import threading
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from terok_util import TerokError, safe_text

from terok_executor.errors import LoginError
from terok_executor.roster.types import LoginSpec

EventKind = Literal["url", "code", "input", "waiting", "done", "failed"]
MAX_HELD = 64 * 1024
_CONTROL = re.compile(r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b\[[0-?]*[ -/]*[@-~]|\x1b[@-_]")
_URL = re.compile(r"https?://[!-~]+")
SessionState = Literal["new", "running", "done", "failed", "cancelled"]
LOGIN_SECONDS = 900.0
QUIET_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class AuthEvent:
    """One thing a front end shows.

    `url`      the page to open; `text` is its address
    `code`     `text` is to be typed there
    `input`    `text` says what `AuthSession.answer` is to be given
    `waiting`  nothing to do here until the person is done there
    `done`     the credential is in the vault; `text` says as what
    `failed`   nothing was stored; `text` says why, `hint` what to do
    """

    kind: EventKind
    text: str = ""
    hint: str = ""


class LoginDriver(Protocol):
    """Where a vendor's sign-in runs."""

    def open(self) -> None:
        """Make the place ready."""

    def run(self, stdin: int, stdout: int) -> int:
        """Run the sign-in on these descriptors and return its exit code; blocks."""

    def callback(self, url: str) -> None:
        """Hand the address to the sign-in that its page leads back to."""

    def collect(self) -> dict[str, Any]:
        """Return the credential that the sign-in has left."""

    def close(self) -> None:
        """End whatever runs and leave nothing behind; may be called twice, and while `run` is running."""


class AuthSession:
    """One sign-in. Iterate over `events`; `answer` and `cancel` may be called from another thread.

    `store` puts the credential into the vault and returns what to tell the person. Nothing outlives the last event:
    the place where the sign-in ran is gone by then, whatever happened.
    """

    def __init__(
        self,
        spec: LoginSpec,
        driver: LoginDriver,
        store: Callable[[dict[str, Any]], str],
        *,
        timeout: float = LOGIN_SECONDS,
    ) -> None:
        self.state: SessionState = "new"
        self._spec = spec
        self._driver = driver
        self._store = store
        self._timeout = timeout
        self._input: int | None = None
        self._lock = threading.Lock()
        self._cancelled = threading.Event()

    def events(self) -> Generator[AuthEvent, None, None]:
        """Run the sign-in and yield what happens; the last event is `done` or `failed`. Only once per session."""
        if self.state != "new":
            raise LoginError("a sign-in runs only once", hint="begin another one")
        self.state = "running"
        try:
            self._driver.open()
            yield from self._conversation()
            text = self._store(self._driver.collect())
        except TerokError as error:
            self.state = "cancelled" if self._cancelled.is_set() else "failed"
            ending = AuthEvent("failed", error.message, error.hint or "")
        else:
            self.state = "done"
            ending = AuthEvent("done", text)
        finally:
            if self.state == "running":
                self.state = "cancelled"
            self._driver.close()
        yield ending

    def answer(self, text: str) -> None:
        """Give what the `input` event asked for: a code, or the address that the page led back to."""
        text = text.strip()
        if not text or len(text) > 8192 or not text.isprintable():
            raise LoginError("that cannot be the code", hint="copy it again, as one line")
        port = self._spec.callback_port
        if port is not None and text.startswith((f"http://localhost:{port}/", f"http://127.0.0.1:{port}/")):
            self._driver.callback(text)
            return
        with self._lock:
            if self._input is None:
                raise LoginError("the sign-in does not listen any more")
            with contextlib.suppress(BrokenPipeError):
                os.write(self._input, text.encode() + b"\n")

    def cancel(self) -> None:
        """Give up; the events end with `failed`."""
        self._cancelled.set()

    def _conversation(self) -> Iterator[AuthEvent]:
        """Yield events until the sign-in has ended well; LoginError if it does not."""
        child_in, self._input = os.pipe()
        output, child_out = os.pipe()
        ended: list[int | TerokError] = []
        runner = threading.Thread(target=self._run, args=(child_in, child_out, ended), daemon=True)
        reader = LoginOutput(self._spec)
        try:
            runner.start()
            yield from self._follow(output, reader)
            runner.join(30)
        finally:
            os.close(output)
            with self._lock:
                os.close(self._input)
                self._input = None
        result = ended[0] if ended else LoginError("the sign-in does not end")
        if isinstance(result, TerokError):
            raise result
        if result != 0:
            said = f": {reader.last_line}" if reader.last_line else ""
            raise LoginError(f"the sign-in ended with status {result}{said}", hint="nothing was stored; try again")

    def _run(self, child_in: int, child_out: int, ended: list[int | TerokError]) -> None:
        try:
            ended.append(self._driver.run(child_in, child_out))
        except TerokError as error:
            ended.append(error)
        finally:
            os.close(child_in)
            os.close(child_out)

    def _follow(self, output: int, reader: LoginOutput) -> Iterator[AuthEvent]:
        deadline = time.monotonic() + self._timeout
        announced = waiting = False
        poller = select.poll()
        poller.register(output, select.POLLIN)
        while True:
            if self._cancelled.is_set():
                raise LoginError("the sign-in was given up", hint="nothing was stored")
            if time.monotonic() > deadline:
                raise LoginError(f"the sign-in took longer than {self._timeout:.0f} s", hint="nothing was stored")
            quiet = not poller.poll(QUIET_SECONDS * 1000)
            data = b"" if quiet else os.read(output, 65536)
            for event in reader.feed(data) if data else reader.finish():
                announced = True
                yield event
            if not quiet and not data:
                return
            if quiet and announced and not waiting:
                waiting = True
                yield AuthEvent("waiting")


@dataclass(slots=True)
class LoginOutput:
    """Collects the output of one sign-in.

    It comes out of a container and is not trusted: a URL counts only if it begins as the roster says.
    """

    spec: LoginSpec
    _held: str = ""
    _seen: set[str] = field(default_factory=set)
    _last: str = ""

    def feed(self, data: bytes) -> list[AuthEvent]:
        """Take more output and return what it newly tells, page before code before question."""
        self._held = (self._held + data.decode("utf-8", "replace"))[-MAX_HELD:]
        # A line that is not complete may hold the beginning of a URL only.
        complete, newline, rest = self._held.rpartition("\n")
        if not newline:
            return []
        self._held = rest
        return self._read(_CONTROL.sub("", complete))

    def finish(self) -> list[AuthEvent]:
        """Return what the last, incomplete line tells; also asked for when the output pauses."""
        held, self._held = _CONTROL.sub("", self._held), ""
        return self._read(held)

    @property
    def last_line(self) -> str:
        """The last line with text in it, safe to show."""
        return safe_text(self._last, limit=300)

    def _read(self, text: str) -> list[AuthEvent]:
        events: list[AuthEvent] = []
        for line in text.replace("\r", "\n").splitlines():
            self._last = line.strip() or self._last
            urls = [url.rstrip(".,)") for url in _URL.findall(line)]
            events += self._new("url", [url for url in urls if url.startswith(self.spec.urls)])
            if self.spec.code and not urls:
                events += self._new("code", re.findall(self.spec.code, line)[:1])
        if self.spec.paste and any(event.kind == "url" for event in events):
            events.append(AuthEvent("input", self.spec.paste))
        return events

    def _new(self, kind: EventKind, texts: list[str]) -> list[AuthEvent]:
        fresh = [text for text in texts if text not in self._seen]
        self._seen.update(fresh)
        return [AuthEvent(kind, text) for text in fresh]
