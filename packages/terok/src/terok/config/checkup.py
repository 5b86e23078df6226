"""Everything that is wrong in the files of a configuration, not only the first thing. Imports pydantic."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from terok_util import TerokError, safe_text

from terok.config.layers import PROJECT_FILE, Source, host_sources, read_scope
from terok.config.mentions import missing_mentions
from terok.config.owners import HOST, PROJECT, Owners
from terok.config.project import find_project, project_directories, project_sources
from terok.config.validation import Problem, problems


class Wrong(NamedTuple):
    """One thing that is wrong; `line` and `key` are empty for a file that cannot be read at all."""

    file: str
    line: int
    key: str
    message: str
    hint: str | None


def problems_of_files(projects: Iterable[str] = ()) -> list[Wrong]:
    """Return all problems of the configuration files, and of these projects or of all; UnknownProject for another.

    Of projects without any, what they mention has to be there too: agents, tools, profiles, files, repositories.
    """
    names = [*projects] or [*project_directories()]
    host = [*_each_host()]
    found = [*host]
    for name in names:
        directory, _ = find_project(name)
        try:
            sources = [source for source in project_sources(name) if source.path.name == PROJECT_FILE]
        except TerokError as error:
            found.append(Wrong(str(directory), 0, "", error.message, error.hint))
            continue
        wrong = [one for source in sources for one in _of(source, PROJECT)]
        found += wrong or ([] if host else [*_mentioned(name)])
    return found


def _mentioned(project: str) -> Iterator[Wrong]:
    """Yield what a sound project mentions and is not there, at the place that mentions it."""
    for setting, error in missing_mentions(project):
        top = setting.layers[-1] if setting.layers else None
        file, line = (top.file, top.line) if top is not None else ("default", 0)
        yield Wrong(file, line, setting.key, f"{file}:{line}: {setting.key}: {safe_text(error.message)}", error.hint)


def check_host(file: Path, before: bytes, after: bytes) -> None:
    """Raise ConfigError for what a change makes wrong in a `config.yml`."""
    _check_change(file, before, after, HOST)


def check_project(file: Path, before: bytes, after: bytes) -> None:
    """Raise ConfigError for what a change makes wrong in a `project.yml`."""
    _check_change(file, before, after, PROJECT)


def _check_change(file: Path, before: bytes, after: bytes, owners: Owners) -> None:
    """Raise ConfigError for what a change makes wrong; what was wrong before can be mended one by one."""
    known = {(problem.key, problem.text) for problem in _problems(file, before, owners)}
    for problem in _problems(file, after, owners):
        if (problem.key, problem.text) not in known:
            raise problem.error()


def _problems(file: Path, content: bytes, owners: Owners) -> list[Problem]:
    level = "user" if owners is HOST else "project"
    return problems(read_scope(Source(level, file, content)), owners)


def _each_host() -> Iterator[Wrong]:
    try:
        sources = host_sources()
    except TerokError as error:
        yield Wrong("config.yml", 0, "", error.message, error.hint)
        return
    for source in sources:
        yield from _of(source, HOST)


def _of(source: Source, owners: Owners) -> Iterator[Wrong]:
    try:
        scope = read_scope(source)
    except TerokError as error:
        yield Wrong(str(source.path), getattr(error, "line", None) or 0, "", error.message, error.hint)
        return
    for problem in problems(scope, owners):
        said = problem.error()
        yield Wrong(str(source.path), problem.line, ".".join(map(str, problem.key)), said.message, said.hint)
