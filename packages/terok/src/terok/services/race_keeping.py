"""Keeping one attempt of a race: it is promoted and the others are archived, in one operation that undoes all of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from terok.errors import TaskError
from terok.services import archive
from terok.services.race_deletion import parts
from terok.store.races import change_race, race_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from terok.services.task_ends import TaskEnds
