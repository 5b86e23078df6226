"""`terok shield sets`: its handler."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from terok_util import namespace_config_dir, show, table

from terok.config.explanation import settings_of
from terok.integrations.sandbox import list_profiles, profile_path

KEY = "shield.profiles"


def sets(project: str | None, chosen: str | None, as_json: bool) -> int:
    """Print every set and whether it is open, or choose; PolicyError for an unknown set."""
    place = namespace_config_dir()
    if chosen is not None:
        _choose(project, chosen, place)
    setting = settings_of(project)[KEY]
    rows = [
        {"name": one.name, "open": one.name in setting.value, "origin": one.origin, "summary": one.summary}
        for one in list_profiles(place)
    ]
    cells = [("*" if row["open"] else "", row["name"], row["summary"]) for row in rows]
    document = {"sets": rows, "set_in": setting.origin}
    show(document, as_json, [*table(("OPEN", "SET", "WHAT IS IN IT"), cells), f"set in: {setting.origin}"])
    return 0


def _choose(project: str | None, chosen: str, place: Path) -> None:
    names = [] if chosen == "none" else [name.strip() for name in chosen.split(",") if name.strip()]
    value: Any = None if chosen == "default" else names
    for name in value or ():
        profile_path(name, place)
    if project is not None:
        from terok.services.projects import Projects

        Projects().change(project, KEY, value)
        return
    from terok.config.edit import edit_host

    edit_host(KEY, value)
