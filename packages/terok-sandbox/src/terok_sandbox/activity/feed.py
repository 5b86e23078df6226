"""The telling side of a feed: a worker's facts, and those who follow them."""

from __future__ import annotations

import asyncio
import secrets
import socket

from terok_sandbox.activity.state import Part
from terok_sandbox.shield.control import MAX_SUBSCRIBERS, Connection, Operation, serve_control
from terok_sandbox.shield.errors import BadMessage
from terok_sandbox.shield.protocol import Fields, encode
from terok_sandbox.values.facts import Fact, fact_to_json


class Feed:
    """Facts that one worker knows, and who follows them. Used from its event loop."""

    def __init__(self) -> None:
        self._part = Part(secrets.token_hex(4))
        self._number = 0
        self._followers: set[Connection] = set()
        self.operations: dict[str, Operation] = {"activity": self._subscribe}

    def tell(self, fact: Fact) -> None:
        """Take in a fact and pass it on."""
        self._number += 1
        self._part = self._part.add(self._number, fact)
        if self._followers:
            line = encode("fact", seq=self._number, **fact_to_json(fact))
            for follower in self._followers:
                follower.send_event(line)

    async def _subscribe(self, connection: Connection, fields: Fields) -> Fields:
        """Return all facts; with `follow` those to come are sent as events."""
        if fields.get("follow") is True:
            if len(self._followers) >= MAX_SUBSCRIBERS and connection not in self._followers:
                raise BadMessage(f"{MAX_SUBSCRIBERS} readers follow this container already", hint="close one of them")
            self._followers.add(connection)
            connection.subscribe(self._followers.discard)
        facts = [{"seq": number, **fact_to_json(fact)} for number, fact in self._part.facts]
        return {"run": self._part.run, "facts": facts}


async def serve_feed(feed: Feed, listener: socket.socket | None) -> None:
    """Serve a feed until cancelled; `listener` is the supervisor's and outlives this worker."""
    if listener is None:
        await asyncio.get_running_loop().create_future()
    else:
        await serve_control(None, listener, feed.operations)
