"""Read what ``git log -z -c --root --raw --format=%H`` says of commits."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from terok_sandbox.gate.errors import GateError

SYMLINK: Final = "120000"
SUBMODULE: Final = "160000"
NOTHING: Final = "000000"

_COMMIT: Final = re.compile(rb"[0-9a-f]{40}(?:[0-9a-f]{24})?\Z")


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


def parse_changes(raw: bytes) -> Iterator[str | Change]:
    """Yield each commit's name, then its changes; `GateError` when the bytes are not such an output."""
    commit = ""
    fields = iter(raw.split(b"\0"))
    for field in (entry.removeprefix(b"\n") for entry in fields):
        if _COMMIT.match(field):
            commit = field.decode()
            yield commit
        elif field.startswith(b":"):
            path = next(fields, b"")
            yield _change(commit, field, path)
        elif field:
            raise GateError("git described the changes in a form that is not understood")


def _change(commit: str, field: bytes, path: bytes) -> Change:
    parents = len(field) - len(field.lstrip(b":"))
    words = field[parents:].split(b" ")
    if len(words) != 2 * parents + 3 or not commit or not path:
        raise GateError("git described the changes in a form that is not understood")
    modes = tuple(word.decode("latin-1") for word in words[: parents + 1])
    oid = words[2 * parents + 1].decode("latin-1")
    return Change(commit, path.decode("utf-8", "surrogateescape"), modes[:-1], modes[-1], oid)
