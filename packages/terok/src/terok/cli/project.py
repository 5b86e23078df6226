"""`terok project list` and `show`: what is there, without anything that changes it."""

from __future__ import annotations

from typing import Any

from terok_util import show, table

from terok.config.project import BrokenProject, Project, list_projects, load_project
from terok.config.sections import HOOKS


def list_all(as_json: bool) -> int:
    """Print a row for every project, and what is wrong with a broken one."""
    found = list_projects()
    cells = [_cells(one) for one in found]
    empty = "no project yet: `terok project wizard` makes one"
    show(
        [row(one) for one in found],
        as_json,
        table(("PROJECT", "AGENT", "CLASS", "REPOSITORY", ""), cells) if cells else empty,
    )
    return 0


def row(project: Project | BrokenProject) -> dict[str, Any]:
    """Return a project as JSON values, as `list` and `show` print it."""
    if isinstance(project, BrokenProject):
        return {"name": project.name, "directory": project.directory, "error": project.message, "hint": project.hint}
    return {
        "name": project.name,
        "directory": project.directory,
        "level": project.level,
        "error": None,
        "description": project.project.description,
        "upstream": project.git.upstream,
        "branch": project.git.branch,
        "repos": project.repos,
        "security_class": project.security_class,
        "agent": project.agent.name,
        "provider": project.agent.provider,
        "model": project.agent.model,
        "base_image": project.image.base_image,
        "agents": project.image.agents,
        "own_image": bool(project.image.user_snippet_file or project.image.user_snippet_inline),
        "credential_set": project.credentials.set,
        "profiles": project.sandbox["shield_profiles"],
        "allow": project.shield.allow,
        "presets": sorted(project.presets),
        "hooks": [name for name in HOOKS if getattr(project.hooks, name) is not None],
        "instructions": bool(project.instructions.strip()),
    }


def _cells(project: Project | BrokenProject) -> tuple[str, ...]:
    if isinstance(project, BrokenProject):
        return project.name, "", "broken", "", f"{project.message}{f'; {project.hint}' if project.hint else ''}"
    return (
        project.name,
        project.agent.name,
        project.security_class,
        project.git.upstream or "(none)",
        project.project.description,
    )


def show_one(project: str, as_json: bool) -> int:
    """Print a project with what its tasks get."""
    found = row(load_project(project))
    lines = (
        f"{name.replace('_', ' '):<16}{_text(value)}" for name, value in found.items() if name != "error" and value
    )
    show(found, as_json, lines)
    return 0


def _text(value: Any) -> str:
    if isinstance(value, tuple | list):
        return ", ".join(getattr(item, "upstream", None) or str(item) for item in value)
    return "yes" if value is True else str(value)
