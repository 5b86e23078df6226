"""`terok shield sets`: its handler."""

from __future__ import annotations

from terok_util import show, table

from terok.services.egress_sets import egress_sets, open_sets


def sets(project: str | None, chosen: str | None, as_json: bool) -> int:
    """Print every set and whether it is open, or choose; PolicyError for an unknown set."""
    if chosen is not None:
        open_sets(project, chosen)
    found = egress_sets(project)
    cells = [("*" if one.open else "", one.name, one.summary) for one in found.sets]
    document = {"sets": [one._asdict() for one in found.sets], "set_in": found.set_in}
    show(document, as_json, [*table(("OPEN", "SET", "WHAT IS IN IT"), cells), f"set in: {found.set_in}"])
    return 0
