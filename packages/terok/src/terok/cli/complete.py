"""Names for shell completion: from directories and the database, without anything heavy.

What cannot be found out is not offered: a completion never fails and never prints.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_TERMS = ("s:", "p:", "a:", "m:", "age:", "cost:", "name:", "id:", "race:")


def projects(prefix: str, words: Sequence[str]) -> Iterable[str]:
    """Return the names of projects."""
    from terok_util import system_config_dir

    from terok.paths import projects_dir

    found: set[str] = set()
    for place in (system_config_dir() / "projects", projects_dir()):
        try:
            found |= {name for name in os.listdir(place) if name[0] != "."}  # noqa: PTH208 - names alone
        except OSError:
            continue
    return sorted(found)


def tasks(prefix: str, words: Sequence[str]) -> Iterable[str]:
    """Return names and identifiers of tasks, of the project that is typed already if one is."""
    from terok.store.glance import task_names

    everyone = task_names()
    places = sorted({project for _, project, _ in everyone})
    typed = {*places}.intersection(words[2:])
    if "/" in prefix:
        return [*(f"{place}/@latest" for place in places), *(f"{project}/{name}" for _, project, name in everyone)]
    found = [(task, name) for task, project, name in everyone if not typed or project in typed]
    names = ["@latest", *(name for _, name in found), *_identifiers(prefix, [task for task, _ in found])]
    return names if typed else [*names, *(f"{place}/" for place in places)]


def terms(prefix: str, words: Sequence[str]) -> Iterable[str]:
    """Return tasks, and terms of a filter."""
    kind, colon, _ = prefix.removeprefix("!").partition(":")
    sign = "!" if prefix.startswith("!") else ""
    if not colon:
        return [*tasks(prefix, words), *(f"{sign}{term}" for term in _TERMS)]
    if kind == "s":
        from terok.model.words import STATES

        return [f"{sign}s:{word}" for word in STATES]
    if kind == "p":
        return [f"{sign}p:{name}" for name in projects("", ())]
    if kind == "a":
        return [f"{sign}a:{name}" for name in agents("", ())]
    if kind == "race":
        from terok.store.glance import race_names

        return [f"{sign}race:{race}" for race, _ in race_names()]
    return [f"{sign}m:{mode}" for mode in ("interactive", "headless", "web")] if kind == "m" else []


def agents(prefix: str, words: Sequence[str]) -> Iterable[str]:
    """Return the names of agents."""
    from terok.integrations.executor import agent_names

    return agent_names(prefix, words)


def agent_list(prefix: str, words: Sequence[str]) -> Iterable[str]:
    """Return the names of agents behind those of a list that are typed already."""
    begun = prefix.rpartition(",")[0]
    return [f"{begun},{name}" if begun else name for name in agents("", ())]


def races(prefix: str, words: Sequence[str]) -> Iterable[str]:
    """Return names and identifiers of races."""
    from terok.store.glance import race_names

    found = race_names()
    return ["@latest", *(name for _, name in found), *_identifiers(prefix, [race for race, _ in found])]


def agents_or_providers(prefix: str, words: Sequence[str]) -> Iterable[str]:
    """Return the names of agents and of providers."""
    from terok.integrations.executor import agent_or_provider_names

    return agent_or_provider_names(prefix, words)


def presets(prefix: str, words: Sequence[str]) -> Iterable[str]:
    """Return the presets of the project that is typed already."""
    from terok_util import TerokError

    for name in set(projects("", ())).intersection(words):
        try:
            return _presets(name)
        except TerokError:
            continue
    return ()


def _presets(project: str) -> list[str]:
    from terok_util import namespace_config_dir, read_config_file, system_config_dir

    from terok.config.kept import kept
    from terok.config.layers import PROJECT_FILE, Source, host_sources

    def read() -> list[str]:
        from terok.config.project import load_project

        return sorted(load_project(project).presets)

    places = (namespace_config_dir("projects"), system_config_dir() / "projects")
    files = [file for place in places if (file := place / project / PROJECT_FILE).exists()]
    sources = [*host_sources(), *(Source("project", file, read_config_file(file)) for file in files)]
    found: list[str] = kept(f"presets-{project}", read, sources=sources, kinds={})
    return found


def keys(prefix: str, words: Sequence[str]) -> Iterable[str]:
    """Return the keys of `config.yml`."""
    from terok.config.kept import kept

    found: list[str] = kept("keys", _keys, sources=(), kinds={})
    return found


def _keys() -> list[str]:
    from terok.config.owners import HOST

    return [*HOST.keys]


def kinds(prefix: str, words: Sequence[str]) -> Iterable[str]:
    """Return the kinds of entries of a timeline."""
    from terok.model.timeline import KINDS

    return KINDS


def _identifiers(prefix: str, found: Iterable[str]) -> list[str]:
    """Return identifiers spelled as one was begun: a person may write it in capitals and with hyphens."""
    if not prefix:
        return [*found]
    from terok.model.ids import normalize

    begun = normalize(prefix)
    return [prefix + task[len(begun) :] for task in found if begun and task.startswith(begun)]
