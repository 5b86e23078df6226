"""The vault proxy: speaks HTTP with one container on behalf of the providers it holds phantom tokens for.

Per request: screen the head, recognize the token, check that it and the route permit what is asked, write the audit
row, and only then send the request on. docs/security/vault-proxy.md lists what is refused and changed on the way.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from terok_sandbox.http1.body import Body, request_body
from terok_sandbox.http1.head import HTTP2_PREFACE, HttpSyntaxError, RequestHead, http2_refusal
from terok_sandbox.http1.stream import Deadlines, HeadTooLarge, Stream
from terok_sandbox.vault.access import TokenGrant, VaultAccess
from terok_sandbox.vault.errors import VaultError
from terok_sandbox.vault.exchange import UNDECIDED, Exchange, OpenExchanges
from terok_sandbox.vault.frames import CLOSE, frame
from terok_sandbox.vault.ledger import MAX_PATH, Ledger
from terok_sandbox.vault.oauth import FreshCredentials
from terok_sandbox.vault.refusal import VaultRefusal, malformed
from terok_sandbox.vault.reply import Reply, refusal_of
from terok_sandbox.vault.store import TokenRow
from terok_sandbox.vault.swap import HEADERS_TOO_LARGE, Presented, Screened, read_screened, swap, token_in_url
from terok_sandbox.vault.tokens import token_digest, token_id
from terok_sandbox.vault.upstream import Upload, UpstreamClient
from terok_sandbox.vault.usage.meter import UsageMeter
from terok_sandbox.vault.usage.observation import Origin
from terok_sandbox.vault.websocket import BROKEN, POLICY, bridge, handshake_headers, new_key, requested_key, switching

_log = logging.getLogger(__name__)

HEALTH_PATH: Final = "/-/health"
IDLE_SECONDS: Final = 75.0
"""How long a connection may be unused, before its first request and between requests."""
HEAD_SECONDS: Final = 20.0
"""How long a request head may take from its first byte to its last."""
BODY_STALL_SECONDS: Final = 300.0
LINGER_SECONDS: Final = 2.0
SMALL_UPLOAD: Final = 64 * 1024


class VaultProxy:
    """Serves the connections of one container. Create it inside the event loop that serves them.

    Without `credentials`, credentials are sent as they are stored; without a `meter`, nothing is counted.
    """

    def __init__(
        self,
        access: VaultAccess,
        deadlines: Deadlines,
        *,
        container: str,
        audit_path: Path,
        meter: UsageMeter | None = None,
        credentials: FreshCredentials | None = None,
    ) -> None:
        self._access = access
        self._container = container
        self._meter = meter
        self._credentials: FreshCredentials | VaultAccess = credentials or access
        self._open = OpenExchanges(access, meter)
        self._upstream = UpstreamClient(deadlines)
        self._ledger = Ledger(audit_path, container)

    async def close(self) -> None:
        """Close upstream connections, the vault and the audit."""
        self._open.close()
        self._upstream.close()
        self._access.close()
        self._ledger.close()

    async def serve(self, client: Stream) -> None:
        """Answer the requests of one connection, one after the other, until it ends."""
        while True:
            try:
                data = await client.read_head(IDLE_SECONDS, HEAD_SECONDS)
                if data is None:
                    client.close()
                    return None
                if data == HTTP2_PREFACE:
                    return self._turn_away_http2(client)
                head, screened = read_screened(data, self._access.places)
            except HeadTooLarge:
                return self._turn_away(client, HEADERS_TOO_LARGE)
            except TimeoutError:
                if client.alive:
                    client.close()
                    return None
                return self._turn_away(client, _HEAD_TIMEOUT)
            except HttpSyntaxError as error:
                return self._turn_away(client, malformed(str(error)))
            if not await self._answer(client, head, screened):
                return None

    def _turn_away(self, client: Stream, refusal: VaultRefusal) -> None:
        """Refuse what is not even a request head."""
        self._ledger.refuse(self._ledger.begin(), refusal)
        Reply(client, minor=1, keep=False).refuse(refusal, LINGER_SECONDS)

    def _turn_away_http2(self, client: Stream) -> None:
        refusal = VaultRefusal(505, "http2_refused", "the vault speaks HTTP/1.1 only")
        self._ledger.refuse(self._ledger.begin(), refusal)
        client.write(http2_refusal(refusal.message))
        client.linger(LINGER_SECONDS)

    async def _answer(self, client: Stream, head: RequestHead, screened: Screened | VaultRefusal) -> bool:
        """Answer one request; return whether the connection goes on."""
        if head.target == HEALTH_PATH:
            return await self._health(client, head)
        exchange = self._ledger.begin()
        exchange.method = head.method[:16]
        reply = Reply(client, minor=head.minor, keep=head.minor > 0)
        grant = await self._granted(screened, exchange)
        if isinstance(grant, VaultRefusal):
            if grant.reason == "token_in_url":
                exchange.path = "(with the token in it)"
            self._ledger.refuse(exchange, grant)
            if self._meter is not None:
                self._meter.refused(exchange.number, exchange.provider, exchange.method, exchange.path, grant)
            reply.refuse(grant, LINGER_SECONDS)
            return False
        screened = grant.screened
        reply.keep = reply.keep and not screened.closes
        if (refusal := self._ledger.release(exchange)) is not None:
            reply.refuse(refusal, LINGER_SECONDS)
            return False
        if self._meter is not None:
            path = screened.target.path
            origin = Origin(grant.billing, grant.token.credential_set, exchange.number)
            exchange.traffic.observer = self._meter.observe(grant.route, screened.method, path, origin)
        self._open.add(exchange, grant)
        try:
            if screened.websocket:
                await self._bridge(client, reply, head, grant, exchange)
                return False
            return await self._forward(client, reply, grant, exchange)
        except asyncio.CancelledError:
            if exchange.stopped is not None and client.open:
                if exchange.task is not None:
                    exchange.task.uncancel()
                return self._stop(client, reply, exchange, exchange.stopped)
            if exchange.outcome == UNDECIDED:
                exchange.outcome = "client_left"
            raise
        finally:
            self._open.remove(exchange)
            self._ledger.finish(exchange)

    def _stop(self, client: Stream, reply: Reply, exchange: Exchange, refusal: VaultRefusal) -> bool:
        """End what was under way when it lost its permission."""
        if exchange.status == 101 and reply.begun:
            client.write(frame(CLOSE, POLICY))
            client.linger(LINGER_SECONDS)
            return False
        return self._fail(client, reply, exchange, refusal)

    async def _granted(self, screened: Screened | VaultRefusal, exchange: Exchange) -> TokenGrant | VaultRefusal:
        """Decide, and decide anew for as long as a budget holds the request."""
        since = time.monotonic()
        while True:
            grant = await self._decide(screened, exchange)
            if not isinstance(grant, VaultRefusal):
                return grant
            if (refusal := await self._open.hold(grant, since)) is not None:
                return refusal

    async def _decide(self, screened: Screened | VaultRefusal, exchange: Exchange) -> TokenGrant | VaultRefusal:
        if isinstance(screened, VaultRefusal):
            return screened
        exchange.path = screened.target.path[:MAX_PATH]
        if (refusal := await self._access.ready()) is not None:
            return refusal
        try:
            return await self._judge(screened, exchange)
        except VaultError as error:
            return VaultRefusal(503, "vault_unavailable", error.message, error.hint)

    async def _judge(self, screened: Screened, exchange: Exchange) -> TokenGrant | VaultRefusal:
        """Decide on a screened request."""
        if (grant := self._access.granted(screened)) is not None:
            exchange.token_id, exchange.provider = grant.token.token_id, grant.token.provider
            credential = await self._credentials.current(grant.token.provider, grant.token.credential_set)
            if credential is grant.credential:
                return self._admitted(grant)
        found = self._recognize(screened, exchange)
        if isinstance(found, VaultRefusal):
            return found
        presented, row = found
        exchange.token_id, exchange.provider = row.token_id, row.provider
        if row.container != self._container:
            _log.warning("token %s of container %s was used here", row.token_id, row.container)
            return VaultRefusal(403, "foreign_token", "the token belongs to another container and is refused here")
        route = self._access.route(row.provider)
        if route is None:
            return VaultRefusal(404, "no_route", f"there is no route for the provider {row.provider}")
        if not route.allows(screened.method, screened.target):
            return VaultRefusal(
                403,
                "rule_refused",
                f"the rules of {row.provider} do not permit this {screened.method}",
                hint="the rules stand in the provider's YAML file on the host",
            )
        credential = await self._credentials.current(row.provider, row.credential_set)
        if isinstance(credential, VaultRefusal):
            return credential
        if credential is None:
            return VaultRefusal(
                502,
                "credential_missing",
                f"the vault has no credential for {row.provider} in the set {row.credential_set}",
                hint=f"store one with `terok-sandbox vault set {row.provider} --set {row.credential_set}`",
            )
        request = swap(screened, presented, route, credential.data)
        if isinstance(request, VaultRefusal):
            return request
        patterns = self._access.patterns(self._container, credential)
        if isinstance(patterns, VaultRefusal):
            return patterns
        billing = self._access.billing(row.provider, row.credential_set)
        grant = TokenGrant(screened, request, presented.token, row, route, credential, patterns, billing)
        self._access.grant(grant)
        return self._admitted(grant)

    def _admitted(self, grant: TokenGrant) -> TokenGrant | VaultRefusal:
        """Ask the meter last: nothing is waited for from here to the release, so requests are counted one by one."""
        if self._meter is None:
            return grant
        screened = grant.screened
        return self._meter.admit(grant.route, screened.method, screened.target.path) or grant

    def _recognize(self, screened: Screened, exchange: Exchange) -> tuple[Presented, TokenRow] | VaultRefusal:
        known: tuple[Presented, TokenRow] | None = None
        for presented in screened.presented:
            row = self._access.token(presented.token)
            if row is None:
                continue
            if known is not None and known[1].token_id != row.token_id:
                return VaultRefusal(400, "ambiguous_token", "the request presents two different tokens")
            known = known or (presented, row)
        if known is not None:
            return known
        if any(self._access.token(part) for part in screened.target.parts()):
            return token_in_url()
        if not screened.presented:
            return VaultRefusal(401, "missing_token", "the request presents no token", hint=_USE_AS_GIVEN)
        exchange.token_id = token_id(token_digest(screened.presented[0].token))
        return VaultRefusal(401, "unknown_token", "the token is not known to the vault", hint=_USE_AS_GIVEN)

    async def _forward(self, client: Stream, reply: Reply, grant: TokenGrant, exchange: Exchange) -> bool:
        screened = grant.screened
        framing = request_body(screened.length, chunked=screened.chunked)
        client.on_leave = exchange.traffic.leave
        try:
            body = await self._body(client, framing, screened, exchange)
            answer = await self._upstream.send(grant.request, body, screened.length)
            exchange.status = answer.head.status
            if answer.head.status == 401:
                self._credentials.rejected(grant.token.provider, grant.token.credential_set, grant.credential)
            try:
                await reply.send(answer, grant.request, grant.patterns, exchange.traffic)
            except BaseException:
                self._upstream.drop(answer)
                raise
            self._upstream.release(answer)
            exchange.outcome = "client_left" if client.left else "complete"
        except (OSError, ValueError) as error:
            return self._fail(client, reply, exchange, refusal_of(error))
        finally:
            client.on_leave = None
        if reply.keep and (framing is None or framing.done):
            return True
        # An answer that came before the end of the upload: let the client read it.
        client.close() if framing is None or framing.done else client.linger(LINGER_SECONDS)
        return False

    def _fail(self, client: Stream, reply: Reply, exchange: Exchange, refusal: VaultRefusal) -> bool:
        """End an exchange that went wrong; an answer already begun must not look complete."""
        exchange.outcome = refusal.reason
        _log.warning("%s %s: %s", exchange.number, exchange.provider, refusal.reason)
        if reply.begun:
            client.reset()
        else:
            exchange.status = refusal.status
            reply.refuse(refusal, LINGER_SECONDS)
        return False

    async def _body(self, client: Stream, framing: Body | None, screened: Screened, exchange: Exchange) -> Upload:
        """Return the body: whole if it came with the head, so that both leave together; else as it arrives."""
        if framing is None:
            await self._open.ask(exchange, b"", last=True)
            return None
        if screened.expects_continue:
            client.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        length = screened.length
        if length is not None and length <= SMALL_UPLOAD and (body := client.take_buffered(length)) is not None:
            framing.feed(body)
            await self._open.ask(exchange, body, last=True)
            exchange.traffic.count(sent=length)
            return body
        return self._upload(client, framing, exchange)

    async def _upload(self, client: Stream, framing: Body, exchange: Exchange) -> AsyncIterator[bytes]:
        async for piece in client.read_body(framing, BODY_STALL_SECONDS):
            await self._open.ask(exchange, piece, last=framing.done)
            exchange.traffic.count(sent=len(piece))
            yield piece
        await self._open.ask(exchange, b"", last=True)

    async def _bridge(
        self, client: Stream, reply: Reply, head: RequestHead, grant: TokenGrant, exchange: Exchange
    ) -> None:
        screened = grant.screened
        if (client_key := requested_key(head)) is None:
            self._fail(client, reply, exchange, malformed("the WebSocket handshake is incomplete"))
            return
        key = new_key()
        headers = (*handshake_headers(key, screened.subprotocols), *grant.request.headers)
        try:
            answer = await self._upstream.upgrade(replace(grant.request, headers=headers))
        except (OSError, ValueError) as error:
            self._fail(client, reply, exchange, refusal_of(error))
            return
        try:
            exchange.status = answer.head.status
            if 300 <= answer.head.status < 400:
                self._fail(client, reply, exchange, _REDIRECTED)
                return
            if answer.head.status != 101:
                # The upstream's refusal is for the client to read; its connection ends with it.
                reply.keep = False
                await reply.send(answer, grant.request, grant.patterns, exchange.traffic)
                exchange.outcome = "complete"
                client.close()
                return
            client.write(switching(answer, key, screened, client_key))
            reply.begun = True
            exchange.traffic.begin(answer.head)

            async def permitted() -> bool:
                if (refusal := await self._open.again(grant)) is not None:
                    exchange.outcome = refusal.reason
                return refusal is None

            orderly = await bridge(client, answer.stream, grant.patterns, exchange.traffic, permitted)
            if exchange.outcome == UNDECIDED:
                exchange.outcome = "complete" if orderly else "broken_off"
            client.close()
            answer.stream.close()
        except asyncio.CancelledError:
            if answer.stream.open and reply.begun:
                code = BROKEN if exchange.stopped is None else POLICY
                answer.stream.write(frame(CLOSE, code, key=b"\0\0\0\0"))
            if exchange.stopped is not None:
                answer.stream.abort()  # what waits there must not follow
            raise
        except (OSError, ValueError) as error:
            self._fail(client, reply, exchange, refusal_of(error))
        finally:
            answer.stream.close()

    async def _health(self, client: Stream, head: RequestHead) -> bool:
        reply = Reply(client, minor=head.minor, keep=False)
        if (refusal := await self._access.ready()) is not None:
            reply.refuse(refusal, LINGER_SECONDS)
            return False
        reply.send_own(200, [], json.dumps({"status": "ok", "container": self._container}).encode())
        client.linger(LINGER_SECONDS)
        return False


_USE_AS_GIVEN: Final = "use the token from the container's environment as it is"
_HEAD_TIMEOUT: Final = VaultRefusal(408, "head_timeout", "the request head did not come to its end")
_REDIRECTED: Final = VaultRefusal(502, "upstream_redirect", "the provider redirects the WebSocket handshake")
