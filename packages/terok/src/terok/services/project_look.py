"""Everything about one project on one page: what its tasks get, its mirror, keys and images, and where that is said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from terok_util import TerokError

from terok.config import BrokenProject, list_projects, sandbox_config
from terok.config.explanation import settings_of
from terok.config.project import find_project
from terok.integrations.executor import AgentRoster
from terok.integrations.sandbox import GitGate, SSHManager, mirror_path, open_vault
from terok.services.at_once import at_once
from terok.services.egress_sets import egress_sets
from terok.services.images import Images, owner

if TYPE_CHECKING:
    from terok.config import Project
    from terok.config.explanation import Setting
    from terok.integrations.executor import StoredImage
    from terok.integrations.sandbox import NewWork
    from terok.services.egress_sets import EgressSets

PATIENCE: Final = 20.0


@dataclass(frozen=True, slots=True)
class MirrorLook:
    """A project's mirror: its number of branches, operations that wait for a person, and what agents have pushed."""

    branches: int = 0
    pending: int = 0
    work: tuple[NewWork, ...] = ()
    made: bool = True


@dataclass(frozen=True, slots=True)
class ProjectLook:
    """A project and what belongs to it. None means that it is not known; `unknown` says why, by the part's name."""

    project: Project | BrokenProject
    agents: tuple[str, ...] | None = None
    sets: EgressSets | None = None
    keys: tuple[str, ...] | None = None
    mirror: MirrorLook | None = None
    images: tuple[StoredImage, ...] | None = None
    settings: tuple[Setting, ...] | None = None
    unknown: tuple[tuple[str, str], ...] = ()


def look_at_project(name: str) -> ProjectLook:
    """Look at everything about a project, side by side; UnknownProject if there is none."""
    project = next((one for one in list_projects() if one.name == name), None)
    if project is None:
        find_project(name)  # raises, with the nearest name
        raise TerokError(f"project {name} is gone", hint="see `terok project list`")
    if isinstance(project, BrokenProject):
        return ProjectLook(project)
    parts: dict[str, Callable[[], Any]] = {
        "agents": partial(_agents, project),
        "sets": partial(egress_sets, name),
        "keys": partial(_keys, project),
        "mirror": partial(_mirror, project),
        "images": partial(_images, name),
        "settings": lambda: tuple(one for one in settings_of(name).values() if one.layers),
    }
    found: dict[str, Any] = {}
    unknown: list[tuple[str, str]] = []
    for part, end in zip(parts, at_once(parts.values(), seconds=PATIENCE), strict=True):
        if end.answered and end.error is None:
            found[part] = end.value
        else:
            error = end.error
            said = error.message if isinstance(error, TerokError) else str(error or "it does not answer")
            unknown.append((part, said))
    return ProjectLook(project, **found, unknown=tuple(unknown))


def _agents(project: Project) -> tuple[str, ...]:
    return tuple(one.name for one in AgentRoster.load().select(project.image.agents))


def _keys(project: Project) -> tuple[str, ...]:
    """Return the SSH keys with which containers of the project may sign; VaultLocked while nobody can tell."""
    config = sandbox_config(project)
    if not config.db_path.exists():
        return ()
    with open_vault(config) as vault:
        return tuple(
            f"{key.key_type} {key.fingerprint} {key.comment}" for key in SSHManager(vault).of_scope(project.name)
        )


def _mirror(project: Project) -> MirrorLook:
    config = sandbox_config(project)
    if not mirror_path(config.gate_base_path, project.name).exists():
        return MirrorLook(made=False)
    gate = GitGate.open(project.name, base=config.gate_base_path, config=config)
    return MirrorLook(len(gate.branch_heads()), len(gate.pending_ops()), tuple(gate.new_work()))


def _images(name: str) -> tuple[StoredImage, ...]:
    return tuple(one for one in Images().stored() if one.project == name and one.owner == owner())
