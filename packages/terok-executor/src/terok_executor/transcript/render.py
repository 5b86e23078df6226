"""Events as lines for a terminal: pure, and safe whatever the container has put into them."""

from __future__ import annotations

from terok_util import safe_text

from terok_executor.transcript.event import Tokens, TranscriptEvent

MAX_LINES = 200
"""Lines of what an agent says that are shown."""
MAX_RESULT_LINES = 12
MAX_PERSON_LINES = 5
MAX_WIDTH = 16384
"""Characters of a line."""
SHORT = 300
"""Characters of a tool's name, of its arguments, of an option."""

_BOLD, _DIM, _RED, _YELLOW, _CYAN, _PLAIN = "1", "2", "31", "33", "36", ""


def render_event(event: TranscriptEvent, *, color: bool = False) -> list[str]:
    """Return an event as lines for a person, none for an event that only programs need."""
    return [f"\x1b[{style}m{line}\x1b[0m" if color and style else line for style, line in _styled(event)]


def _styled(event: TranscriptEvent) -> list[tuple[str, str]]:
    """Return the event's lines, each with the number of its style."""
    match event.kind:
        case "message":
            if event.speaker == "person":
                return [(_BOLD, line) for line in _lines(event.text, MAX_PERSON_LINES, "> ")]
            return [(_DIM if event.speaker == "output" else _PLAIN, line) for line in _lines(event.text, MAX_LINES, "")]
        case "thought":
            return [(_DIM, line) for line in _lines(event.text, MAX_LINES, ". ")]
        case "tool_call":
            first, *more = _lines(event.text or event.input, MAX_RESULT_LINES, "") or [""]
            name = safe_text(event.name, limit=SHORT) or "tool"
            return [(_CYAN, f"[{name}] {first}".rstrip()), *((_CYAN, f"    {line}") for line in more)]
        case "tool_result":
            shown = [(_DIM, line) for line in _lines(event.text, MAX_RESULT_LINES, "    ")]
            return [*shown, (_RED, f"    failed{_code(event)}")] if event.failed else shown
        case "question":
            options = "  ".join(
                f"{number}) {safe_text(one, limit=SHORT)}" for number, one in enumerate(event.options, 1)
            )
            asked = [(_YELLOW, line) for line in _lines(event.text, MAX_LINES, "? ")]
            return [*asked, (_YELLOW, f"  {options}")] if options else asked
        case "end":
            reason = [(_RED, line) for line in _lines(event.text, MAX_LINES, "failed: ")]
            failed = (reason or [(_RED, f"failed{_code(event)}")]) if event.failed else []
            return [*failed, *_usage(event.tokens, event.cost_usd)]
    return []


def _code(event: TranscriptEvent) -> str:
    return f" (exit {event.exit_code})" if event.exit_code is not None else ""


def _lines(text: str, most: int, mark: str) -> list[str]:
    """Return the lines of a text, safe, each after the mark, with a note in place of those above `most`."""
    lines = text.rstrip().split("\n") if text.strip() else []
    shown = [f"{mark}{safe_text(line.rstrip(), limit=MAX_WIDTH)}".rstrip() for line in lines[:most]]
    return [*shown, f"{mark}… {len(lines) - most} more lines"] if len(lines) > most else shown


def _usage(tokens: Tokens | None, cost: float | None) -> list[tuple[str, str]]:
    words = []
    if tokens is not None:
        words = [f"{tokens.input + tokens.cache_read + tokens.cache_write:,} tokens in, {tokens.output:,} out"]
    if cost:
        words.append(f"{cost:.4f} USD by the agent's own count")
    return [(_DIM, ", ".join(words))] if words else []
