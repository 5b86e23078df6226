"""Projects: what `project.yml` says over the configuration of user and system, as one value."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field, fields, replace
from pathlib import Path
from typing import Any

from terok_util import (
    ConfigError,
    ConfigScope,
    ConfigStack,
    TerokError,
    UsageError,
    did_you_mean,
    lean_dataclass,
    namespace_config_dir,
    read_config_file,
    safe_text,
    system_config_dir,
)

from terok.config import sections
from terok.config.kept import kept
from terok.config.layers import (
    INSTRUCTIONS_FILE,
    PROJECT_FILE,
    Source,
    host_sources,
    nested,
    resolve,
    stack_of,
)
from terok.config.spelling import check_variable
from terok.errors import UnknownProject
from terok.integrations.executor import ImageSettings
from terok.integrations.sandbox import Budget, Limits
from terok.model.names import check_project_name

_VARIABLES = "run.env"
LIST_HINT = "see `terok project list`"


@lean_dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A project with every setting of its layers; `level` says whose directory it is in: `user` or `system`."""

    name: str
    directory: str
    level: str
    project: sections.AboutSection
    agent: sections.AgentSection
    run: sections.RunSection
    shield: sections.ShieldSection
    credentials: sections.CredentialsSection
    shared: sections.SharedSection
    hooks: sections.HooksSection
    git: sections.ProjectGitSection
    tasks: sections.TasksSection
    image: ImageSettings
    sandbox: Mapping[str, Any]
    """Keywords of `SandboxConfig` that the layers say."""
    presets: Mapping[str, Any] = field(default_factory=dict)
    instructions: str = ""
    """Content of `instructions.md`."""

    @property
    def security_class(self) -> str:
        """Whether containers see the upstream beside the gate."""
        return str(self.sandbox["security_class"])

    @property
    def repos(self) -> tuple[sections.Repository, ...]:
        """The repositories, the first of which is worked on in the workspace; empty without one."""
        first = self.git.upstream
        main = () if first is None else (sections.Repository(name=self.name, upstream=first, branch=self.git.branch),)
        return (*main, *self.git.repos)


@lean_dataclass(frozen=True, slots=True, kw_only=True)
class BrokenProject:
    """A project whose files cannot be used, and why."""

    name: str
    directory: str
    message: str
    hint: str | None = None


KINDS: dict[str, type] = {
    kind.__name__: kind
    for kind in (
        *(Project, BrokenProject, ImageSettings, Budget, Limits, sections.Repository),
        *(sections.AboutSection, sections.AgentSection, sections.RunSection, sections.ShieldSection),
        *(sections.CredentialsSection, sections.SharedSection, sections.HooksSection, sections.ProjectGitSection),
        sections.TasksSection,
    )
}


def project_directories() -> dict[str, tuple[Path, str]]:
    """Return directory and level of every project by name; the user's hide the system's of the same name.

    ConfigError if a directory of projects cannot be read: what is in it must not be taken for gone.
    """
    found: dict[str, tuple[Path, str]] = {}
    places = {system_config_dir() / "projects": "system", namespace_config_dir("projects"): "user"}
    for place, level in places.items():
        try:
            names = sorted(path.name for path in place.iterdir() if path.name[0] != "." and _is_project(path))
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            if level == "system" and isinstance(error, PermissionError):
                continue  # that of root's own terok
            raise ConfigError(f"cannot read {place}: {error.strerror}", hint=f"check: ls -ld {place}") from error
        found |= {name: (place / name, level) for name in names}
    return dict(sorted(found.items()))


def _is_project(path: Path) -> bool:
    """Whether a directory has a `project.yml`; one that cannot be looked into may have, and is a broken project."""
    try:
        (path / PROJECT_FILE).lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        pass
    return True


def load_project(name: str, *, preset: str | None = None, overrides: Mapping[str, Any] | None = None) -> Project:
    """Return a project, with a preset and the values of a command line by dotted key on top of its layers.

    Raises:
        UnknownProject: There is no such project, or preset.
        ConfigError: A layer is wrong; the message names file, line and key.
    """
    directory, level = find_project(name)
    sources = _sources(directory)
    given = dict(overrides or {})
    # What people give a container on a command line may be secret: it is in no file that is kept.
    variables = given.pop(_VARIABLES, None)
    more = json.dumps([name, preset, given], sort_keys=True, default=str)
    value: Project = kept(
        f"project-{name}",
        lambda: _made(name, directory, level, sources, preset, given),
        sources=sources,
        more=more,
        kinds=KINDS,
        variant=more if preset or given else "",
    )
    return value if variables is None else _with_variables(value, variables)


def _with_variables(project: Project, variables: Mapping[str, str]) -> Project:
    """Return a project whose containers get further variables; ConfigError for a name that is none."""
    for name, content in variables.items():
        try:
            check_variable(name)
        except ValueError as error:
            raise ConfigError(f"command line: {_VARIABLES}: {error}") from error
        if not isinstance(content, str):
            raise ConfigError(f"command line: {_VARIABLES}.{name}: use text")
    return replace(project, run=replace(project.run, env={**project.run.env, **variables}))


def list_projects() -> list[Project | BrokenProject]:
    """Return every project by name; what is wrong with one is a value, so that it does not hide the others."""
    places = project_directories()
    read: dict[str, list[Source] | BrokenProject] = {}
    for name, (directory, _) in places.items():
        try:
            read[name] = _sources(directory)
        except TerokError as error:
            read[name] = _broken(name, directory, error)

    def make() -> tuple[Project | BrokenProject, ...]:
        return tuple(_each(places, read))

    sources = [source for found in read.values() if isinstance(found, list) for source in found]
    names = [*places, *(str(one) for one in read.values() if isinstance(one, BrokenProject))]
    return [*kept("projects", make, sources=sources, more=names, kinds=KINDS)]


def _each(
    places: Mapping[str, tuple[Path, str]], read: Mapping[str, list[Source] | BrokenProject]
) -> Iterator[Project | BrokenProject]:
    for name, found in read.items():
        directory, level = places[name]
        if isinstance(found, BrokenProject):
            yield found
            continue
        try:
            yield _made(name, directory, level, found, None, {})
        except TerokError as error:
            yield _broken(name, directory, error)


def _broken(name: str, directory: Path, error: TerokError) -> BrokenProject:
    return BrokenProject(name=name, directory=str(directory), message=safe_text(error.message), hint=error.hint)


def find_project(name: str) -> tuple[Path, str]:
    """Return directory and level of a project; UnknownProject, with the nearest name, if there is none."""
    places = project_directories()
    if name in places:
        return places[name]
    hint = did_you_mean(name, places, LIST_HINT if places else "make one with `terok project wizard`")
    raise UnknownProject(f"there is no project {safe_text(name, limit=80)!r}", hint=hint)


def project_sources(name: str) -> list[Source]:
    """Return the files that a project depends on, the lowest layer first; raises as `load_project` does."""
    return _sources(find_project(name)[0])


def _sources(directory: Path) -> list[Source]:
    """Return the files that a project depends on, the lowest layer first, and its instructions."""
    files = [directory / PROJECT_FILE, directory / INSTRUCTIONS_FILE]
    own = [Source("project", path, read_config_file(path)) for path in files]
    return [*host_sources(), *own]


def project_stack(
    sources: Iterable[Source], *, preset: str | None = None, overrides: Mapping[str, Any] | None = None
) -> ConfigStack:
    """Return the checked layers of a project; raises as `load_project` does."""
    from terok.config.owners import PROJECT  # imports pydantic
    from terok.config.validation import check, checked

    scopes = [checked(source) for source in sources if source.path.name != INSTRUCTIONS_FILE]
    if overrides:
        scopes.append(ConfigScope("command line", None, nested(overrides)))
        try:
            check(scopes[-1], PROJECT)
        except ConfigError as error:  # an option is a request, not a file
            raise UsageError(error.message.removeprefix("command line: "), hint=error.hint) from None
    try:
        return stack_of(scopes, preset=preset)
    except KeyError:
        known = sorted({name for scope in scopes for name in scope.data.get("presets") or ()})
        others = f"use one of {', '.join(known)}" if known else "see `terok config explain presets`"
        hint = did_you_mean(preset or "", known, others)
        raise UnknownProject(f"there is no preset {safe_text(preset or '', limit=80)!r}", hint=hint) from None


def _made(
    name: str,
    directory: Path,
    level: str,
    sources: list[Source],
    preset: str | None,
    overrides: Mapping[str, Any],
) -> Project:
    from terok.config.owners import PROJECT
    from terok.config.validation import parse

    check_project_name(name)
    parsed = parse(resolve(project_stack(sources, preset=preset, overrides=overrides)), PROJECT)
    own = {one.name: getattr(parsed.product, one.name) for one in fields(parsed.product)}
    text = next(source.content for source in sources if source.path.name == INSTRUCTIONS_FILE)
    return Project(
        name=name,
        directory=str(directory),
        level=level,
        image=parsed.image,
        sandbox=parsed.sandbox,
        instructions=text.decode("utf-8", "replace"),
        **own,
    )
