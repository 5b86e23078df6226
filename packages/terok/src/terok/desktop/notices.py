"""Which changes are worth a notification, and its words. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from terok_util import safe_text

from terok.model.money import NEARLY, amount
from terok.model.words import GROUPS, LABELS, TITLES

if TYPE_CHECKING:
    from collections.abc import Collection

    from terok.model.task import Event, Task

MAX_TEXT: Final = 300


class Notice(NamedTuple):
    """One notification: about which task and which state, in safe words."""

    task: str
    word: str
    summary: str
    body: str
    urgent: bool

    def variables(self, task: Task) -> dict[str, str]:
        """Return what a user's command finds in its environment."""
        fields = {"TASK": task.id, "PROJECT": task.project, "NAME": task.name, "STATE": self.word, "GROUP": task.group}
        return {f"TEROK_NOTIFY_{key}": value for key, value in {**fields, "TEXT": self.body}.items()}


def notice_of(event: Event, task: Task, states: Collection[str]) -> Notice | None:
    """Return the notification that an event is worth, None for most.

    One is worth it that says that a budget is nearly used, where budgets are in `states` (words and groups). Else it is
    if the state's word has changed to one of them, is still so, and nobody has looked at the task since.
    """
    if event.kind == NEARLY:
        return _nearly(event, task) if {"budget", "needs"} & {*states} else None
    word = str(event.data.get("word", ""))
    if event.kind != "state" or word == event.data.get("was") or word != task.word or not task.unread:
        return None
    if word not in states and GROUPS[word] not in states:
        return None
    label = LABELS.get(word, word)
    summary = safe_text(f"{task.project}/{task.name}: {label}", limit=MAX_TEXT)
    body = safe_text(task.reason, limit=MAX_TEXT)
    return Notice(task.id, word, summary, body or TITLES[task.group], task.group == "needs")


def _nearly(event: Event, task: Task) -> Notice:
    told: dict[str, Any] = {"whose": "task", "limit": "", "used": 0, "most": 0, **event.data}
    body = f"{amount(told['limit'], told['used'], told['most'])} of the {told['whose']} used"
    summary = safe_text(f"{task.project}/{task.name}: budget nearly used", limit=MAX_TEXT)
    return Notice(task.id, "budget", summary, safe_text(body, limit=MAX_TEXT), urgent=False)


def terminal_notice(notice: Notice) -> str:
    """Return what makes a terminal show a notification (OSC 9) and ring."""
    text = f"{notice.summary} - {notice.body}".replace(";", ",")
    return f"\x1b]9;{safe_text(text, limit=MAX_TEXT)}\x1b\\\a"
