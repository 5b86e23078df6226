"""The prompt of a follow-up, with the comments of a person that were claimed together with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from terok.model.review import letter
from terok.store.reviewing import comments

if TYPE_CHECKING:
    from terok.store import Store


def with_comments(store: Store, task_id: str, follow_up: int, text: str) -> str:
    """Return the prompt of a follow-up, as it goes to the agent."""
    return letter(text, comments(store, task_id, follow_up=follow_up))
