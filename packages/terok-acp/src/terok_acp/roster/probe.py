"""Asking an adapter what it offers: a session in an empty directory, which is ended again at once."""

from __future__ import annotations

import select
import socket
import time
from contextlib import suppress
from typing import Any, Final

from terok_util import safe_text

from terok_acp.adapters.process import AdapterProcess
from terok_acp.adapters.spec import AdapterSpec
from terok_acp.errors import ProbeError
from terok_acp.integrations.sandbox import ContainerRuntime
from terok_acp.protocol.frames import METHOD_NOT_FOUND, Frame, error, is_request, request
from terok_acp.protocol.framing import TO_EDITOR, FrameReader, Violation, encode
from terok_acp.protocol.methods import VERSION
from terok_acp.roster.offer import Offer

PROBE_SECONDS: Final = 60.0
"""Time for `initialize` and `session/new` together: on a loaded machine the slowest adapter takes twenty seconds."""
EMPTY: Final = "/tmp/terok-empty"  # noqa: S108 - a directory that the wrapper makes in the container
_GOODBYE: Final = 3.0


def probe_agent_models(
    *, spec: AdapterSpec, container: str, runtime: ContainerRuntime, timeout: float = PROBE_SECONDS
) -> tuple[str, ...]:
    """Return the ids of an agent's models, without its name; raises as `probe_offer`."""
    return probe_offer(spec, container, runtime, timeout).models


def probe_offer(spec: AdapterSpec, container: str, runtime: ContainerRuntime, timeout: float = PROBE_SECONDS) -> Offer:
    """Start an agent's adapter, ask it, and end it; ProbeError, with its last words, if it does not say in time."""
    process = AdapterProcess(spec, container, runtime)
    try:
        with process.start() as stream:
            return _asked(_Conversation(stream, time.monotonic() + timeout), spec)
    except _Silence as error:
        words = process.log_tail(300)
        hint = f"see `terok-acp probe {container} {spec.agent}`"
        raise ProbeError(f"agent {spec.agent}: {error}{': ' if words else ''}{words}", hint=hint) from None
    finally:
        process.stop()


class _Silence(Exception):
    """The adapter gave no usable answer; the text says why."""


def _asked(talk: _Conversation, spec: AdapterSpec) -> Offer:
    about = talk.call("initialize", {"protocolVersion": VERSION, "clientCapabilities": {}, "clientInfo": _CLIENT})
    if about.get("protocolVersion") != VERSION:
        raise _Silence(f"it speaks version {about.get('protocolVersion')!r:.20} of the protocol")
    session = talk.call("session/new", {"cwd": EMPTY, "mcpServers": []})
    key = session.get("sessionId")
    # Sessions that only asked would stand in its list for ever.
    can = about.get("agentCapabilities")
    can = can.get("sessionCapabilities") if type(can) is dict else None
    for name in ("close", "delete"):
        if type(can) is dict and type(can.get(name)) is dict:
            with suppress(_Silence):
                talk.call(f"session/{name}", {"sessionId": key}, seconds=_GOODBYE)
    return Offer(spec.agent, spec.label, about, {name: value for name, value in session.items() if name != "sessionId"})


_CLIENT: Final = {"name": "terok-acp", "version": "1"}


class _Conversation:
    """Requests of ours on a stream, one at a time; what the adapter asks is refused, what it tells is passed over."""

    def __init__(self, stream: socket.socket, deadline: float) -> None:
        self._stream = stream
        self._deadline = deadline
        self._reader = FrameReader(TO_EDITOR)
        self._number = 0

    def call(self, method: str, params: Frame, *, seconds: float | None = None) -> Frame:
        deadline = self._deadline if seconds is None else min(self._deadline, time.monotonic() + seconds)
        self._number += 1
        self._send(request(self._number, method, params), deadline)
        while True:
            for frame in self._reader.feed(self._receive(method, deadline)):
                if isinstance(frame, Violation):
                    continue
                if is_request(frame):
                    self._send(error(frame["id"], METHOD_NOT_FOUND, "not while it is asked what it offers"), deadline)
                elif "method" not in frame and frame.get("id") == self._number:
                    return _result(method, frame)

    def _receive(self, method: str, deadline: float) -> bytes:
        self._wait(deadline, select.POLLIN, method)
        try:
            data = self._stream.recv(1 << 16)
        except OSError:
            data = b""
        if not data:
            raise _Silence(f"it ended before it answered {method}")
        return data

    def _send(self, frame: Frame, deadline: float) -> None:
        data = memoryview(encode(frame))
        while data:
            self._wait(deadline, select.POLLOUT, str(frame.get("method", "a reply")))
            try:
                data = data[self._stream.send(data) :]
            except OSError:
                raise _Silence("it ended before it was asked anything") from None

    def _wait(self, deadline: float, event: int, what: str) -> None:
        poller = select.poll()
        poller.register(self._stream, event)
        if not poller.poll(max(0.0, deadline - time.monotonic()) * 1000):
            raise _Silence(f"it did not answer {what} in time")


def _result(method: str, frame: Frame) -> Frame:
    result: Any = frame.get("result")
    if type(result) is dict:
        return result
    problem = frame.get("error")
    words = problem.get("message") if type(problem) is dict else None
    raise _Silence(f"it refused {method}: {safe_text(words, limit=300) if type(words) is str else 'no reason given'}")
