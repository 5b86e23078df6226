"""One report, and how it is read from a line that anything in the container may have written."""

from __future__ import annotations

import re
from typing import Any, TypeGuard, get_args

from terok_util import json_object, lean_dataclass, safe_text

from terok_executor.roster.spelling import ReportKind

MAX_LINE = 16 * 1024
MAX_TEXT = 2000
MAX_ID = 200
MAX_OPTIONS = 20
_KINDS = frozenset(get_args(ReportKind))
_SESSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}")


@lean_dataclass(frozen=True, slots=True)
class Report:
    """A claim from inside: something is asked, a turn has ended, the agent is at something.

    `at` is in seconds since the epoch and never later than it was read; `text` is one line of safe text. A question has
    the answers on offer (`options`); its `id` comes again when it is answered, where the agent tells. `session` is the
    id of the conversation, "" or fit for a command line.
    """

    kind: ReportKind
    at: float
    text: str = ""
    id: str = ""
    options: tuple[str, ...] = ()
    session: str = ""


def parse_report(line: bytes, now: float) -> Report | None:
    """Return the report in a line, None if there is none; `now` is in seconds since the epoch."""
    row = json_object(line) if len(line) <= MAX_LINE else None
    if row is None or not isinstance(row.get("kind"), str) or row["kind"] not in _KINDS:
        return None
    at, options = row.get("at"), row.get("options")
    return Report(
        kind=row["kind"],
        at=min(float(at), now) if _is_time(at) else now,
        text=_text(row, "text", MAX_TEXT),
        id=_text(row, "id", MAX_ID),
        options=tuple(
            safe_text(one, limit=MAX_ID)
            for one in (options[:MAX_OPTIONS] if isinstance(options, list) else ())
            if isinstance(one, str)
        ),
        session=checked_session(row.get("session")),
    )


def checked_session(value: Any) -> str:
    """Return the id of a conversation if it may stand in a command line, else ""."""
    return value if isinstance(value, str) and _SESSION.fullmatch(value) else ""


def _is_time(value: Any) -> TypeGuard[float]:
    return type(value) in (int, float) and 0 <= value < 10**11  # not so for NaN either


def _text(row: dict[str, Any], key: str, limit: int) -> str:
    value = row.get(key)
    return safe_text(value, limit=limit) if isinstance(value, str) else ""
