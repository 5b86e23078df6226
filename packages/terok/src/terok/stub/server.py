"""The stub provider: a loopback HTTP server that plays a language model from a script.

It speaks the Anthropic Messages API, OpenAI's Responses and Chat Completions APIs and Google's Generative Language API,
with and without streaming, which is enough to take a real agent CLI through turns of tool use without an account.
Everything it says comes from the pure modules beside this one.
"""

from __future__ import annotations

import asyncio
import json
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from email.utils import formatdate
from types import ModuleType
from typing import Any, Self

from aiohttp import ClientConnectionResetError, web

from terok.errors import BadRequestError, StubError
from terok.stub import anthropic, gemini, openai_chat, openai_responses
from terok.stub.invoice import Invoice
from terok.stub.record import MAX_FIELD_CHARS, Recorder, RequestRecord, presented_credential
from terok.stub.script import Conversation, Script, Text, next_reply
from terok.stub.tools import choose_shell_tool

MAX_BODY_BYTES = 32 * 1024 * 1024
CLIENT_GONE = 499
"""Status recorded for a request whose client left before the answer was complete."""
LIMITED = 429
LOOK_SECONDS = 0.05
PAUSE_SECONDS = 120.0
MODEL_NAMES = ("stub", "claude-stub", "gpt-stub")

_GOOGLE = re.compile(r"/v1(?:beta)?/models/([^/:]+):(generateContent|streamGenerateContent|countTokens)")
_PROTOCOLS: Mapping[str, ModuleType] = {
    "/messages": anthropic,
    "/messages/count_tokens": anthropic,
    "/chat/completions": openai_chat,
    "/responses": openai_responses,
}


class Pause:
    """A point that the closing sentence waits at, once, so that somebody can look at the running client.

    The client sees a model that takes its time. `limit` (seconds) ends the waiting when nobody resumes.
    """

    def __init__(self, *, limit: float = PAUSE_SECONDS) -> None:
        self._limit = limit
        self._reached = threading.Event()
        self._resumed = threading.Event()

    def hold(self) -> None:
        """Wait until `resume` was called; blocks, so not for an event loop's own thread."""
        self._reached.set()
        self._resumed.wait(self._limit)

    def reached(self, timeout: float) -> bool:
        """Wait up to `timeout` seconds for the turn to get to its end; tell whether it has."""
        return self._reached.wait(timeout)

    def resume(self) -> None:
        """Let the closing sentence through, now or whenever it comes."""
        self._resumed.set()


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer with an error status; `reset_at` (whole seconds since the epoch) is when calls are taken again."""

    status: int
    reset_at: float | None = None
    final: bool = False
    """Whether it asks the client not to try again by itself."""


class StubProvider:
    """A model provider on loopback, for as long as the `async with` block runs.

    `api_key` is the key requests must present (in `x-api-key`, `Authorization: Bearer` or `api-key`); any other is
    answered with 401. None lets every request through. `port` 0 takes a free one; see `url`. At `pause` the closing
    sentence waits. `trouble` says with which error status a model call, by its number, is answered instead (0: none),
    and `pace` how many seconds pass between the events of a stream.
    """

    def __init__(
        self,
        script: Script,
        *,
        port: int = 0,
        api_key: str | None = None,
        host: str = "127.0.0.1",
        pause: Pause | None = None,
        trouble: Callable[[int], int] = lambda _: 0,
        pace: float = 0.0,
    ) -> None:
        self.script = script
        self.seen = Recorder()
        """The requests so far."""
        self.refusal: Refusal | None = None
        """How steps of a turn are refused, if they are; may be changed at any time."""
        self.thinking = 0.0
        """Seconds that pass before the answer to a step of a turn."""
        self.invoice = Invoice()
        self._trouble, self._pace, self._calls = trouble, pace, 0
        self._host = host
        self._port = port
        self._api_key = api_key
        self._pause = pause
        self._runner: web.AppRunner | None = None
        self._steps = set[int]()

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=MAX_BODY_BYTES)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host, self._port).start()
        except OSError as error:
            await self._runner.cleanup()
            hint = "use port 0 to take a free one"
            raise StubError(f"cannot listen on {self._host}:{self._port}: {error.strerror}", hint=hint) from error
        self._port = int(self._runner.addresses[0][1])
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    @property
    def port(self) -> int:
        """The TCP port listened on."""
        return self._port

    @property
    def url(self) -> str:
        """Base URL without a trailing slash or `/v1`."""
        return f"http://{self._host}:{self._port}"

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        header, presented = presented_credential(request.headers, self._api_key)
        status, size, began = CLIENT_GONE, 0, time.time()
        try:
            raw = await request.read()
            size = len(raw)
            if self._api_key is not None and presented != "expected" and request.path != "/":
                response: web.StreamResponse = _unauthorized(request)
            else:
                response = await self._answer(request, raw)
            status = response.status
        except web.HTTPRequestEntityTooLarge:
            status = 413
            response = _json(status, _errors(request).error("request_too_large", "the body is too large"))
        except ClientConnectionResetError:  # nobody is there to be answered
            status, response = CLIENT_GONE, web.Response(status=CLIENT_GONE)
        finally:
            self.seen.add(
                RequestRecord(
                    method=request.method,
                    path=request.path[:MAX_FIELD_CHARS],
                    credential_header=header,
                    presented=presented,
                    body_bytes=size,
                    status=status,
                    user_agent=request.headers.get("User-Agent", "")[:MAX_FIELD_CHARS],
                    began=began,
                    ended=time.time(),
                    turn=id(request) in self._steps,
                )
            )
            self._steps.discard(id(request))
        return response

    async def _answer(self, request: web.Request, raw: bytes) -> web.StreamResponse:
        path = request.path.rstrip("/")
        google = _GOOGLE.fullmatch(path)
        path = path.removeprefix("/backend-api/codex").removeprefix("/api").removeprefix("/v1")
        if request.method in {"GET", "HEAD"}:
            return _lookup(request, path)
        protocol = gemini if google else _PROTOCOLS.get(path)
        if protocol is None or request.method != "POST":
            return _json(404, _errors(request).error("not_found_error", "no such endpoint"))
        try:
            conversation = _conversation(protocol, raw)
        except BadRequestError as error:
            return _json(400, protocol.error("invalid_argument" if google else "invalid_request_error", str(error)))
        verb = google[2] if google else path.rpartition("/")[2]
        if verb in ("countTokens", "count_tokens"):
            return _json(200, protocol.count_tokens(conversation))
        self.seen.note_outputs(conversation)
        if google:
            model, stream = google[1][:MAX_FIELD_CHARS], verb == "streamGenerateContent"
            conversation = replace(conversation, model=model, stream=stream)
        self._calls += 1
        if (status := self._trouble(self._calls)) != 0:
            return _json(status, protocol.error("overloaded_error", "the model is busy"))
        return await self._reply(request, protocol, conversation)

    async def _think(self, request: web.Request) -> None:
        """Let the time pass that a model takes; ClientConnectionResetError once nobody waits for the answer."""
        until = time.monotonic() + self.thinking
        while (left := until - time.monotonic()) > 0:
            await asyncio.sleep(min(left, LOOK_SECONDS))
            if request.transport is None or request.transport.is_closing():
                raise ClientConnectionResetError

    async def _reply(
        self, request: web.Request, protocol: ModuleType, conversation: Conversation
    ) -> web.StreamResponse:
        if choose_shell_tool(conversation.tools) is not None:
            self.seen.turns.append(time.time())
            self._steps.add(id(request))
            await self._think(request)
            if self.refusal is not None:
                return _refused(protocol, self.refusal)
        reply, reply_id = next_reply(self.script, conversation), f"stub{self.seen.total:06d}"
        if self._pause is not None and conversation.tools and reply == Text(self.script.final):
            await asyncio.to_thread(self._pause.hold)
        conversation = replace(conversation, charge=self.invoice.bill(conversation, reply))
        headers = {"request-id": f"req_{reply_id}", "x-request-id": f"req_{reply_id}"}
        if not conversation.stream:
            return _json(200, protocol.body(reply, conversation, reply_id), headers)
        response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache", **headers}
        )
        await response.prepare(request)
        for event in protocol.stream(reply, conversation, reply_id):
            await response.write(event)
            if self._pace:
                await asyncio.sleep(self._pace)
        await response.write_eof()
        return response


def _conversation(protocol: ModuleType, raw: bytes) -> Conversation:
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise BadRequestError("the body is not JSON") from error
    conversation: Conversation = protocol.read_request(body, size=len(raw))
    return conversation


def _lookup(request: web.Request, path: str) -> web.Response:
    if path == "":
        return _json(200, {"status": "ok"})
    if path == "/models":
        return _json(200, _errors(request).models(MODEL_NAMES))
    kind, _, name = path.removeprefix("/").partition("/")
    if kind == "models" and name:
        listed: dict[str, Any] = _errors(request).models((name[:MAX_FIELD_CHARS],))
        return _json(200, listed["data"][0])
    return _json(404, _errors(request).error("not_found_error", "no such endpoint"))


def _refused(protocol: ModuleType, refusal: Refusal) -> web.Response:
    kind = {401: "authentication_error", LIMITED: "rate_limit_error"}.get(refusal.status, "api_error")
    headers = {} if refusal.reset_at is None else {"retry-after": formatdate(refusal.reset_at, usegmt=True)}
    headers |= {"x-should-retry": "false"} if refusal.final else {}
    return _json(refusal.status, protocol.error(kind, "the stub refuses, as it was told"), headers)


def _unauthorized(request: web.Request) -> web.Response:
    protocol = _errors(request)
    kind = "authentication_error" if protocol is anthropic else "invalid_api_key"
    return _json(401, protocol.error(kind, "the API key is not the expected one"))


def _errors(request: web.Request) -> ModuleType:
    """Return the protocol whose shapes the client expects where the path does not tell."""
    speaks_anthropic = "anthropic-version" in request.headers or "/messages" in request.path
    return anthropic if speaks_anthropic else openai_chat


def _json(status: int, data: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> web.Response:
    return web.json_response(data, status=status, headers=headers)
