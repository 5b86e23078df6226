"""Names of branches and tags that git, or a person, could take for something else."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from terok_sandbox.gate.refs import HEADS, TAGS
from terok_sandbox.values.names import is_ref

_GIT_S_OWN: Final = re.compile(r"@|[A-Z_]*HEAD|[0-9a-f]{40}(?:[0-9a-f]{24})?")
_PLACES: Final = frozenset({"refs", "heads", "tags", "remotes", "origin"})
_REMOTES: Final = frozenset({"gate", "upstream"})


def misleading(ref: str, exists: Callable[[str], bool]) -> str:
    """Return why nothing may be called `ref` (a full name), in words; empty if it may.

    Git looks for a short name among tags before branches, and among both before what a clone knows of its remotes.
    `exists` tells whether there is a ref of a full name.
    """
    tag = ref.startswith(TAGS)
    name = ref.removeprefix(TAGS if tag else HEADS)
    first, inside, _ = name.partition("/")
    if not is_ref(ref):
        return f"{name} is no name that git takes"
    if _GIT_S_OWN.fullmatch(name):
        return f"git means something else by {name}"
    if first in _PLACES or (tag and inside and first in _REMOTES):
        return f"the {'tag' if tag else 'branch'} {name} could be taken for a branch of a remote, or another ref"
    if exists((HEADS if tag else TAGS) + name):
        return (
            f"there is a {'branch' if tag else 'tag'} {name} already; a branch and a tag of one name are not told apart"
        )
    return ""
