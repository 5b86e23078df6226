"""The egress sets: which destinations containers may reach without asking, by name of the set."""

from __future__ import annotations

from typing import Any, NamedTuple

from terok_util import namespace_config_dir

from terok.config.explanation import settings_of
from terok.integrations.sandbox import list_profiles, profile_path

KEY = "shield.profiles"


class EgressSet(NamedTuple):
    """One set. `origin` says whether it is bundled or a person's own."""

    name: str
    open: bool
    origin: str
    summary: str


class EgressSets(NamedTuple):
    """All sets, and where it is said which of them are open."""

    sets: tuple[EgressSet, ...]
    set_in: str


def egress_sets(project: str | None = None) -> EgressSets:
    """Return every set, and whether it is open for a project, or by `config.yml`."""
    setting = settings_of(project)[KEY]
    found = list_profiles(namespace_config_dir())
    sets = tuple(EgressSet(one.name, one.name in setting.value, one.origin, one.summary) for one in found)
    return EgressSets(sets, setting.origin)


def open_sets(project: str | None, chosen: str) -> None:
    """Choose the open sets: `a,b`, `none`, or `default` for what the layer below says.

    Raises:
        PolicyError: There is no such set.
        ConfigError: The file cannot be changed.
    """
    from terok.config.edit import edit_host  # both check files, which those who only read need not load
    from terok.services.projects import Projects

    names = [] if chosen == "none" else [name.strip() for name in chosen.split(",") if name.strip()]
    value: Any = None if chosen == "default" else names
    for name in value or ():
        profile_path(name, namespace_config_dir())
    if project is not None:
        Projects().change(project, KEY, value)
    else:
        edit_host(KEY, value)
