"""Projects: made, shown, changed, copied, made ready and deleted."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from terok_util import atomic_write, ensure_dir, remove_tree, safe_text, yaml

from terok.config import Project, list_projects, load_project
from terok.config.checkup import check_project
from terok.config.edit import edit_file, edited, editing
from terok.config.layers import PROJECT_FILE
from terok.config.project import find_project, project_directories
from terok.errors import ProjectError
from terok.model.names import MAX_PROJECT, check_project_name
from terok.paths import projects_dir

if TYPE_CHECKING:
    from terok.config import BrokenProject
    from terok.services.images import BuiltImage
    from terok.services.tasks import Tasks

Say = Callable[[str], None]
HEAD = """\
# Project {name}. `terok config schema project` lists every key, `terok config explain KEY` says more about one.
# What is not here is as in config.yml.
"""


class Mirrored(NamedTuple):
    """The mirror of a project, and where new work starts: both None without a repository.

    `pending` are changes upstream that wait for a person.
    """

    mirror: str | None
    branch: str | None
    pending: int
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Prepared:
    """The result of making a project ready; `branch` is where new work starts, None without a repository."""

    project: str
    made: bool
    mirror: str | None
    branch: str | None
    pending: int
    notes: tuple[str, ...]
    image: str
    built: bool


class Projects:
    """Use cases of projects; `say` gets lines of progress."""

    def __init__(self, say: Say | None = None) -> None:
        self._say = say

    def all(self) -> list[Project | BrokenProject]:
        """Return every project; a broken one is a value."""
        return list_projects()

    def get(self, name: str) -> Project:
        """Return one project; raises as `load_project` does."""
        return load_project(name)

    def file(self, name: str) -> Path:
        """Return where a project's `project.yml` is, whether it can be used or not; UnknownProject without one."""
        return find_project(name)[0] / PROJECT_FILE

    def create(self, name: str, data: Mapping[str, Any]) -> Path:
        """Make a project of the sections of its `project.yml`, and return that file.

        Raises:
            BadName: The name cannot be a project's.
            ProjectError: There is one of this name.
            ConfigError: A section is wrong.
        """
        check_project_name(name)
        file = projects_dir() / name / PROJECT_FILE
        text = document(name, data)
        with editing():
            if os.path.lexists(file):
                raise ProjectError(f"there is a project {name} already", hint=f"see `terok project show {name}`")
            check_project(file, b"", text.encode())
            ensure_dir(file.parent)
            atomic_write(file, text, mode=0o600)
        return file

    def change(self, name: str, key: str, value: Any) -> bool:
        """Set a key in a project's file, or take it out with None; returns whether that changed the file.

        ConfigError, and the file stays as it is, for a key or value that is wrong.
        """
        file = self.file(name)
        return edit_file(file, key, value, partial(check_project, file))

    def choose_agents(self, name: str, selection: str) -> None:
        """Choose the agents in a project's image: `all`, `a,b` or `all,-x`; RosterError for one that there is not."""
        from terok.integrations.executor import AgentRoster

        AgentRoster.load().select(selection)
        self.change(name, "image.agents", selection)

    def derive(self, source: str, name: str, changes: Mapping[str, Any] | None = None) -> Project:
        """Make a project with the files of another, and `changes` by dotted key; raises as `create` does."""
        check_project_name(name)
        origin, target = Path(load_project(source).directory), projects_dir() / name
        making = ensure_dir(target.parent) / f".{name}.new"
        with editing(), _told(f"project {name} cannot be made"):
            if os.path.lexists(target):
                raise ProjectError(f"there is {target} already", hint="choose another name")
            if os.path.lexists(making):  # of a command that was killed
                remove_tree(making)
            shutil.copytree(origin, making, symlinks=True)
            file = making / PROJECT_FILE
            content = before = file.read_bytes()
            for key, value in (changes or {}).items():
                content = edited(content.decode(), key.split("."), value, name=str(file)).encode()
            check_project(file, before, content)
            atomic_write(file, content, mode=0o600)
            making.rename(target)
        return load_project(name)

    def prepare(self, name: str, upstream: str | None = None) -> Prepared:
        """Make a project ready for tasks, and the project itself first if there is none and `upstream` is given.

        Its repository is mirrored and its image is built. Raises as `create`, GateError and BuildError.
        """
        made = name not in project_directories()
        if made:
            if upstream is None:
                find_project(name)  # raises
            self.create(name, {"git": {"upstream": upstream}})
        elif upstream is not None and load_project(name).git.upstream != upstream:
            raise ProjectError(
                f"project {name} has another repository",
                hint=f"leave it out, or change it: `terok project edit {name} git.upstream REPO`",
            )
        project = load_project(name)
        mirror = self.mirror(project)
        image = self.build(project)
        return Prepared(name, made, *mirror, image.image, image.built)

    def mirror(self, project: Project) -> Mirrored:
        """Bring the mirror of a project up to date, which is made if need be; raises as `bring_up_to_date`."""
        if project.git.upstream is None:
            return Mirrored(None, None, 0, ("no repository: set git.upstream",))
        from terok.services.mirroring import bring_up_to_date

        synced = bring_up_to_date(project, self._say or (lambda line: None))
        notes = (*synced.notes, *synced.errors)
        return Mirrored(str(synced.path), synced.default_branch, len(synced.pending), notes)

    def build(self, project: Project, *, rebuild: bool = False, full_rebuild: bool = False) -> BuiltImage:
        """Bring the image of a project's tasks up to date."""
        from terok.services.images import Images

        images = Images(self._say)
        own = images.of_project(project, rebuild=rebuild, full_rebuild=full_rebuild)
        if own is not None:
            return own
        wanted = ",".join((project.agent.name, *project.run.tools))
        return images.of_agents(project.image, wanted, rebuild=rebuild, full_rebuild=full_rebuild)

    def delete(self, tasks: Tasks, name: str) -> int:
        """Delete a project, and return the number of the operation that brings it back.

        Its mirror stays. ProjectError for a project with tasks, or of the system.
        """
        file = self.file(name)
        left = [one.name for one in tasks.store.tasks() if one.project == name]
        if left:
            shown = ", ".join(left[:5]) + (", …" if len(left) > 5 else "")
            raise ProjectError(
                f"project {name} has {len(left)} tasks: {shown}",
                hint=f"delete them first: `terok task delete p:{name}`",
            )
        if file.parent.parent != projects_dir():
            raise ProjectError(f"project {name} is the system's: {file.parent}", hint="its owner may remove it")
        from terok.services.project_deletion import KIND, details_of

        return tasks.operations.run("project delete", name, f"deleted project {name}", KIND, details_of(file.parent))


@contextmanager
def _told(problem: str) -> Iterator[None]:
    """Raise a ProjectError for what the system refuses in the block."""
    try:
        yield
    except shutil.Error as error:
        raise ProjectError(f"{problem}: {safe_text(str(error), limit=300)}") from error
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        raise ProjectError(f"{problem}: {place}{error.strerror}") from error


def document(name: str, data: Mapping[str, Any]) -> str:
    """Return the text of a new `project.yml`: a person's own words, and only what was answered."""
    sections = {section: values for section, values in data.items() if values is not None}
    blocks = [yaml.dump({section: values}) for section, values in sections.items()]
    return "\n".join([HEAD.format(name=name), *blocks])


def suggested_name(repository: str) -> str:
    """Return a name for the project of a repository: the last part of its address, as names are spelled."""
    last = re.split(r"[/:\\]", repository.rstrip("/"))[-1].removesuffix(".git").lower()
    return re.sub(r"[^a-z0-9_-]+", "-", last)[:MAX_PROJECT].strip("-_")
