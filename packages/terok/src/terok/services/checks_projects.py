"""Checks of the configuration and of projects: what a task would fail on before it has begun."""

from __future__ import annotations

import shlex
import shutil
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from terok_util import TerokError

from terok.config import BrokenProject, load_settings
from terok.config.sections import HOOKS
from terok.integrations.executor import AgentRoster
from terok.integrations.sandbox import SSHManager, open_vault
from terok.services.checks import Check, Finding, without_tasks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from terok.config import Project
    from terok.services.health_view import View

BUILTIN: Final = frozenset(("cd", "command", "echo", "eval", "exec", "exit", "export", "printf", "read", "set", "test"))
KEYWORDS: Final = frozenset(("if", "for", "while", "until", "case", "{", "(", "!", "[", ":", "."))


def of_projects(view: View, only: str | None = None) -> Iterator[Check]:
    """Yield the checks of the configuration, and of every project or one."""
    if only is None:
        yield Check("configuration", _configuration, "is valid")
    if view.projects.value is None:
        yield Check("projects", lambda: _unread(view))
        return
    for project in view.projects.value:
        if only in (None, project.name):
            yield Check(f"project {project.name}", partial(_project, project))
    wanted = [one for one in view.sound_projects() if only in (None, one.name)]
    if wanted:
        yield Check("credentials", partial(_credentials, view, wanted), "there is one for every project's agent")


def _configuration() -> Iterator[Finding]:
    load_settings()  # raises, naming file, line and key
    yield from ()


def _unread(view: View) -> Iterator[Finding]:
    error = view.projects.error
    text = error.message if isinstance(error, TerokError) else str(error or "they could not be read in time")
    yield Finding("projects", "error", text)


def _project(project: Project | BrokenProject) -> Iterator[Finding]:
    name = f"project {project.name}"
    if isinstance(project, BrokenProject):
        hint = project.hint or f"`terok project edit {project.name}`"
        yield Finding(name, "error", project.message, project.name, hint)
        return
    change = f"`terok project edit {project.name}`"
    for repository in project.repos:
        place = repository.upstream
        if place.startswith("/") and not Path(place).is_dir():
            yield Finding(name, "warn", f"its repository {place} is not there", project.name, change)
    if project.image.user_snippet_file and not Path(project.image.user_snippet_file).is_file():
        text = f"image.user_snippet_file: {project.image.user_snippet_file} is not there"
        yield Finding(name, "error", text, project.name, change)
    for file in project.agent.subagents:
        if not (Path(project.directory) / file).is_file():
            yield Finding(name, "error", f"agent.subagents: {file} is not there", project.name, change)
    if isinstance(project.shared.dir, str) and not Path(project.shared.dir).is_dir():
        text = f"shared.dir: {project.shared.dir} is not there"
        yield Finding(name, "warn", text, project.name, change, without_tasks(partial(_make, Path(project.shared.dir))))
    for point in HOOKS:
        command = getattr(project.hooks, point)
        if command is not None and (word := _missing(command, project.directory)):
            yield Finding(name, "warn", f"hooks.{point}: there is no program {word}", project.name, change)


def _make(directory: Path) -> None:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)


def _missing(command: str, directory: str) -> str:
    """Return the program that a simple command starts and this host does not have."""
    try:
        words = shlex.split(command)
    except ValueError:
        return ""
    word = next((one for one in words if "=" not in one), "")
    if not word or word in BUILTIN | KEYWORDS or set(word) & set("$`(){};|&<>*?"):
        return ""
    found = shutil.which(word) or (Path(directory) / word if "/" in word else None)
    return "" if found is not None and Path(found).exists() else word


def _credentials(view: View, projects: list[Project]) -> Iterator[Finding]:
    """Find projects whose agent's provider has no credential, or whose repository is reached by a key that is not."""
    config, roster = view.sandbox.config, AgentRoster.load()
    known: set[tuple[str, str]] = set()
    keys: dict[str, int] = {}
    if config.db_path.exists():
        with open_vault(config) as vault:
            known = {(row.credential_set, row.provider) for row in vault.list_credentials()}
            keys = {one.name: len(SSHManager(vault).of_scope(one.name)) for one in projects}
    for project in projects:
        agent = roster.agents.get(project.agent.name)
        if agent is None:
            text = f"there is no agent {project.agent.name}"
            yield Finding("credentials", "error", text, project.name, "see `terok agents list`")
            continue
        provider = roster.bind(agent, project.agent.provider)
        if (project.credentials.set, provider.name) not in known:
            chosen = "" if project.credentials.set == "default" else f" --credential-set {project.credentials.set}"
            text = f"project {project.name}: the vault has no credential for {provider.name}"
            yield Finding("credentials", "warn", text, project.name, f"`terok auth {provider.name}{chosen}`")
        if project.credentials.ssh_keys and not keys.get(project.name):
            text = f"project {project.name}: it is to sign with SSH keys, and has none"
            yield Finding("credentials", "warn", text, project.name, f"`terok sandbox ssh add {project.name}`")
