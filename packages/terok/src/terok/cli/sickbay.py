"""`terok sickbay`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from terok_util import UsageError, show

from terok.config.project import find_project
from terok.services.health import Health, Sickbay

if TYPE_CHECKING:
    from collections.abc import Iterator

    from terok.services.checks import Finding, Level

_WORDS: Final[dict[Level, str]] = {"ok": "ok", "info": "info", "warn": "WARN", "error": "ERROR"}


def sickbay(project: str | None, task: str | None, fix: bool, system: bool, as_json: bool) -> int:
    """Print every check; 1 for warnings, 2 for errors."""
    if system and project is not None:
        raise UsageError("--system is about the host", hint="leave out the project, or --system")
    if project is not None and task is None:
        find_project(project)  # a broken one is for the checks to say
    words = [project, task] if project is not None and task is not None else None
    health = Sickbay().examine(project, words, fix=fix, system=system)
    value = {
        "findings": [one.document() for one in health.findings],
        "mended": [one.document() for one in health.mended],
        "failed": [{**one.document(), "error": why} for one, why in health.failed],
        "seconds": health.seconds,
    }
    show(value, as_json, _lines(health, fix=fix))
    return health.code


def _lines(health: Health, *, fix: bool) -> Iterator[str]:
    yield from (f"mended  {one.check}: {one.text}" for one in health.mended)
    yield from (f"FAILED  to mend {one.check}: {why}" for one, why in health.failed)
    for one in health.findings:
        yield f"{_WORDS[one.level]:7} {one.check}: {one.text}"
        if one.level in ("warn", "error") and (hint := _hint(one, fix=fix)):
            yield f"{'':8}{hint}"


def _hint(one: Finding, *, fix: bool) -> str:
    if one.hint:
        return f"hint: {one.hint}"
    return "hint: `terok sickbay --fix` mends it" if one.mend is not None and not fix else ""
