"""Read what ``git log -z --root --raw`` with `FORMAT` says of commits, as it comes."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from terok_sandbox.gate.errors import GateError

SYMLINK: Final = "120000"
SUBMODULE: Final = "160000"
NOTHING: Final = "000000"

FORMAT: Final = "%H %P%n%B"
MAX_FIELD: Final = 4 * 1024 * 1024
"""Bytes of one commit message."""

_COMMIT: Final = re.compile(rb"([0-9a-f]{40}(?:[0-9a-f]{24})?) ([0-9a-f ]*)\n")
_STRANGE: Final = "git described the changes in a form that is not understood"


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit, and whether it joins others."""

    oid: str
    merge: bool
    message: bytes


@dataclass(frozen=True, slots=True)
class Change:
    """One path that a commit changes. ``before`` are its modes in the parents; ``oid`` is what it is afterwards."""

    commit: str
    path: str
    before: tuple[str, ...]
    mode: str
    oid: str

    @property
    def removed(self) -> bool:
        """Whether the path is gone afterwards."""
        return self.mode == NOTHING

    @property
    def added(self) -> bool:
        """Whether no parent had the path."""
        return not self.removed and all(mode == NOTHING for mode in self.before)


class ChangeReader:
    """Hands each commit to ``take``, then its changes; `GateError` when the bytes are not such an output."""

    def __init__(self, take: Callable[[Commit | Change], None]) -> None:
        self._take = take
        self._rest = b""
        self._commit = ""
        self._change = b""

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        *fields, self._rest = (self._rest + data).split(b"\0")
        if len(self._rest) > MAX_FIELD:
            raise GateError(f"a commit's message is longer than {MAX_FIELD // 1024 // 1024} MiB")
        for field in fields:
            self._read(field)

    def end(self) -> None:
        """Say that there are no more."""
        if self._rest or self._change:
            raise GateError(_STRANGE)

    def _read(self, field: bytes) -> None:
        if self._change:
            self._take(_change(self._commit, self._change, field))
            self._change = b""
            return
        field = field.removeprefix(b"\n")
        if match := _COMMIT.match(field):
            self._commit = match[1].decode()
            self._take(Commit(self._commit, b" " in match[2], field[match.end() :]))
        elif field.startswith(b":"):
            self._change = field
        elif field:
            raise GateError(_STRANGE)


def _change(commit: str, field: bytes, path: bytes) -> Change:
    parents = len(field) - len(field.lstrip(b":"))
    words = field[parents:].split(b" ")
    if len(words) != 2 * parents + 3 or not commit or not path:
        raise GateError(_STRANGE)
    modes = tuple(word.decode("latin-1") for word in words[: parents + 1])
    oid = words[2 * parents + 1].decode("latin-1")
    return Change(commit, path.decode("utf-8", "surrogateescape"), modes[:-1], modes[-1], oid)
