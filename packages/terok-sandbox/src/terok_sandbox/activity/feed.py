"""The telling side of a feed: a worker's facts, and those who follow them."""

from __future__ import annotations

import asyncio
import secrets
import socket
import time
from operator import itemgetter
from typing import Final

from terok_util.token_bucket import TokenBucket

from terok_sandbox.activity.state import MAX_OVER, MAX_STANDING
from terok_sandbox.shield.control import MAX_SUBSCRIBERS, Connection, Operation, serve_control
from terok_sandbox.shield.errors import BadMessage
from terok_sandbox.shield.protocol import Fields, encode
from terok_sandbox.values.facts import Fact, Key, fact_to_json

BURST: Final = 100
PER_SECOND: Final = 20.0
"""Facts that are told one by one: what a container does in large numbers must not keep its followers busy."""
FLOOD_SECONDS: Final = 0.5


class Feed:
    """Facts that one worker knows, and who follows them. Used from its event loop."""

    def __init__(self) -> None:
        self._run = secrets.token_hex(4)
        self._number = 0
        # By kind, and whether it is over: each in the order it was told, as `Part` would keep it.
        self._kept: dict[tuple[str, bool], dict[Key, tuple[int, Fact]]] = {}
        self._followers: set[Connection] = set()
        self._room = TokenBucket(burst=BURST, per_second=PER_SECOND, now=time.monotonic())
        self._missed = 0
        self.operations: dict[str, Operation] = {"activity": self._subscribe}

    def tell(self, fact: Fact) -> None:
        """Take in a fact and pass it on."""
        self._number += 1
        key, over = fact.key, fact.over
        if (other := self._kept.get((fact.kind, not over))) is not None:
            other.pop(key, None)
        kept = self._kept.setdefault((fact.kind, over), {})
        kept.pop(key, None)
        kept[key] = (self._number, fact)
        if len(kept) > (MAX_OVER if over else MAX_STANDING):
            del kept[next(iter(kept))]
        if self._followers:
            self._pass_on(fact)

    def _pass_on(self, fact: Fact) -> None:
        """Send a fact to the followers; of a flood only that there was one, as all of it stands in the snapshot."""
        loop = asyncio.get_running_loop()
        if self._missed or not self._room.take_token(time.monotonic()):
            self._missed += 1
            if self._missed == 1:
                loop.call_later(FLOOD_SECONDS, self._tell_missed)
            return
        self._send(encode("fact", seq=self._number, **fact_to_json(fact)))

    def _tell_missed(self) -> None:
        self._send(encode("lost", count=self._missed))
        self._missed = 0

    def _send(self, line: bytes) -> None:
        for follower in self._followers:
            follower.send_event(line)

    async def _subscribe(self, connection: Connection, fields: Fields) -> Fields:
        """Return all facts; with `follow` those to come are sent as events."""
        if fields.get("follow") is True:
            if len(self._followers) >= MAX_SUBSCRIBERS and connection not in self._followers:
                raise BadMessage(f"{MAX_SUBSCRIBERS} readers follow this container already", hint="close one of them")
            self._followers.add(connection)
            connection.subscribe(self._followers.discard)
        told = sorted((entry for kept in self._kept.values() for entry in kept.values()), key=itemgetter(0))
        return {"run": self._run, "facts": [{"seq": number, **fact_to_json(fact)} for number, fact in told]}


async def serve_feed(feed: Feed, listener: socket.socket | None) -> None:
    """Serve a feed until cancelled; `listener` is the supervisor's and outlives this worker."""
    if listener is None:
        await asyncio.get_running_loop().create_future()
    else:
        await serve_control(None, listener, feed.operations)
