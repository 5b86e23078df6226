"""Offers that were learned earlier, by what they depend on."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from terok_util import FileError, ensure_dir, read_private, write_sensitive_file

from terok_acp.roster.offer import Offer, offer_document, read_offer

FAILURE_SECONDS: Final = 30.0
"""How long a failed probe counts."""
MOST_BYTES: Final = 1 << 20
"""Size of an offer that is kept on disk."""
MOST_FILES: Final = 256


class CacheKey(NamedTuple):
    """All that an offer depends on: the image, which has the adapter's version, the credential's state, the agent."""

    image_id: str
    auth_identity: str
    agent_id: str


class AgentRosterCache:
    """Offers in memory and, given a directory, on disk; failures in memory alone, for a short time.

    A file that is damaged, or somebody else's, counts as none. For one thread; many processes may share the directory.
    """

    def __init__(self, directory: Path | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._directory = directory
        self._clock = clock
        self._offers: dict[CacheKey, Offer] = {}
        self._failures: dict[CacheKey, tuple[float, str]] = {}

    def get(self, key: CacheKey) -> Offer | None:
        """Return what was learned, if anything was."""
        found = self._offers.get(key)
        if found is None and (found := self._read(key)) is not None:
            self._offers[key] = found
        return found

    def put(self, key: CacheKey, offer: Offer) -> None:
        """Keep what an adapter has said; a disk that does not take it costs a probe in a later process."""
        if self._offers.get(key) == offer:
            return
        self._offers[key] = offer
        self._failures.pop(key, None)
        if self._directory is not None:
            text = json.dumps({"key": list(key), "offer": offer_document(offer)})
            if len(text) <= MOST_BYTES:
                with suppress(FileError, OSError):
                    ensure_dir(self._directory)
                    _make_room(self._directory)
                    write_sensitive_file(self._file(self._directory, key), text, durable=False)

    def failed(self, key: CacheKey, problem: str) -> None:
        """Keep a failure for a short time."""
        self._failures[key] = (self._clock() + FAILURE_SECONDS, problem)

    def failure(self, key: CacheKey) -> str | None:
        """Return why the last probe failed, as long as that counts."""
        until, problem = self._failures.get(key, (0.0, ""))
        return problem if problem and self._clock() < until else None

    def invalidate_auth(self, auth_identity: str) -> None:
        """Forget what was learned in this process with a credential's state."""
        for kept in (self._offers, self._failures):
            for key in [key for key in kept if key.auth_identity == auth_identity]:
                del kept[key]

    def __len__(self) -> int:
        return len(self._offers)

    def _read(self, key: CacheKey) -> Offer | None:
        if self._directory is None:
            return None
        try:
            document = json.loads(read_private(self._file(self._directory, key), MOST_BYTES, forbidden=0o022))
            return read_offer(document["offer"]) if document["key"] == list(key) else None
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None

    @staticmethod
    def _file(directory: Path, key: CacheKey) -> Path:
        return directory / f"{hashlib.blake2b(json.dumps(key).encode(), digest_size=16).hexdigest()}.json"


def _make_room(directory: Path) -> None:
    """Remove the oldest files of a directory that has many."""
    files = sorted(directory.glob("*.json"), key=lambda file: file.stat().st_mtime)
    for file in files[: max(0, len(files) - MOST_FILES + 1)]:
        file.unlink(missing_ok=True)
