"""`terok review`, `promote` and `reject`: the gate's own handlers, whose errors always say what to do next."""

from __future__ import annotations

from typing import Any

from terok_util import TerokError

from terok.integrations.sandbox import GATE_VERBS


def review(**words: Any) -> object:
    """Do what `terok sandbox gate review` does."""
    return _run("review", words)


def promote(**words: Any) -> object:
    """Do what `terok sandbox gate promote` does."""
    return _run("promote", words)


def reject(**words: Any) -> object:
    """Do what `terok sandbox gate reject` does."""
    return _run("reject", words)


def _run(verb: str, words: dict[str, Any]) -> object:
    handler = next(node for node in GATE_VERBS if node.name == verb).resolve()
    assert handler is not None
    try:
        return handler(**words)
    except TerokError as error:
        error.hint = error.hint or f"`terok sandbox gate branches {words['scope']}` lists the branches there are"
        raise
