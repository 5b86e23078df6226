"""Read what `git log -z --root --raw` with `FORMAT` says of commits, as it comes."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from terok_sandbox.gate.errors import GateError

SYMLINK: Final = "120000"
SUBMODULE: Final = "160000"
NOTHING: Final = "000000"

FORMAT: Final = "%H %P"
MAX_FIELD: Final = 128 * 1024
"""Bytes of a path, and of what precedes it: the names of a commit's parents are among it."""

_COMMIT: Final = re.compile(rb"([0-9a-f]{40}(?:[0-9a-f]{24})?) ([0-9a-f ]*)\Z")
_STRANGE: Final = "git described the changes in a form that is not understood"


class TooMuch(GateError):
    """A push brings more than it may of something."""


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit, and whether it joins others."""

    oid: str
    merge: bool


@dataclass(frozen=True, slots=True)
class Change:
    """One path that a commit changes. `before` are its modes in the parents; `oid` is what it is afterwards."""

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
    """Hands each commit to `take`, then its changes.

    `GateError` when the bytes are not such an output, `TooMuch` for a path that is longer than `MAX_FIELD`, before it
    was read whole.
    """

    def __init__(self, take: Callable[[Commit | Change], None]) -> None:
        self._take = take
        self._rest = b""
        self._commit = ""
        self._change = b""

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        *fields, self._rest = (self._rest + data).split(b"\0")
        for field in fields:
            self._read(field)
        self._bound(self._rest)

    def end(self) -> None:
        """Say that there are no more."""
        if self._rest or self._change:
            raise GateError(_STRANGE)

    def _bound(self, field: bytes) -> None:
        if len(field) > MAX_FIELD:
            raise TooMuch("characters in a path" if self._change else "parents of a commit")

    def _read(self, field: bytes) -> None:
        self._bound(field)
        if self._change:
            self._take(_change(self._commit, self._change, field))
            self._change = b""
            return
        field = field.removeprefix(b"\n")
        if match := _COMMIT.match(field):
            self._commit = match[1].decode()
            self._take(Commit(self._commit, b" " in match[2]))
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
