"""Names of projects and tasks for shell completion: from the directory and the database, without anything heavy."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def projects(prefix: str, words: Sequence[str]) -> Iterable[str]:
    """Return the names of projects."""
    from terok.paths import projects_dir

    try:
        return sorted(os.listdir(projects_dir()))  # noqa: PTH208 - names alone
    except OSError:
        return ()


def tasks(prefix: str, words: Sequence[str]) -> Iterable[str]:
    """Return names and identifiers of tasks, once something of them is typed also `PROJECT/NAME`."""
    from terok.paths import database_path

    if not database_path().exists():
        return ()
    from terok.store import Store

    with Store(create=False) as store:
        found = store.candidates()
    return [
        "@latest",
        *(one.name for one in found),
        *(one.id for one in found),
        *(f"{one.project}/{one.name}" for one in found),
    ]
