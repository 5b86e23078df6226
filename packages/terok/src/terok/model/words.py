"""The words for what a task is doing: in order of precedence, with group and glyph. Every word is a filter term."""

from __future__ import annotations

from typing import Final

GLYPHS: Final = {
    "question": "?",
    "clearance": "!",
    "budget": "$",
    "auth": "@",
    "limit": "%",
    "review": "R",
    "working": ">",
    "waiting": ".",
    "queued": "+",
    "done": "=",
    "failed": "x",
    "stopped": "-",
    "unknown": "~",
}
"""The glyph of each word; the first word that holds is the state."""
WORDS: Final = tuple(GLYPHS)
GROUPS: Final = {
    **dict.fromkeys(("question", "clearance", "budget", "auth", "limit"), "needs"),
    "review": "review",
    "working": "working",
    "waiting": "waiting",
    "queued": "waiting",
    **dict.fromkeys(("done", "failed", "stopped"), "over"),
    "unknown": "doubt",
}
"""The group of each word."""
GROUP_ORDER: Final = tuple(dict.fromkeys(GROUPS.values()))
TITLES: Final = {
    "needs": "Needs you",
    "review": "To review",
    "working": "Working",
    "waiting": "Waiting",
    "over": "Over",
    "doubt": "Doubt",
}
LABELS: Final = {"waiting": "your turn", "limit": "rate limit"}
"""The words that a person reads, where that is not the word itself."""
STATES: Final = tuple(dict.fromkeys((*WORDS, *GROUP_ORDER)))
"""Words and groups: every term by which a person asks for a state."""
ATTENTION: Final = frozenset(word for word, group in GROUPS.items() if group in ("needs", "review"))
