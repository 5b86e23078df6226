"""Images: those of projects, what is in storage, and what of it nothing needs any more."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from terok_util import ConfigError, namespace_config_dir, read_file

from terok.config.project import project_directories
from terok.integrations.executor import (
    AgentRoster,
    ImageBuilder,
    StoredImage,
    build_project_image,
    remove_images,
    stored_images,
)

if TYPE_CHECKING:
    from terok.config import Project
    from terok.integrations.executor import Agent, ImageSettings, Tool

Say = Callable[[str], None]
MAX_SNIPPET = 64 * 1024
ALL = "all"
"""The selection of agents that leaves it to each task."""


@dataclass(frozen=True, slots=True)
class BuiltImage:
    """The image of a project, or that of agents, and whether anything had to be built."""

    image: str
    built: bool


@dataclass(frozen=True, slots=True)
class Removal:
    """An image that nothing needs any more, and why; `failed` says why it is still there."""

    image: str
    size: int
    reason: str
    failed: str = ""


class Images:
    """Use cases of images; `say` gets lines of progress."""

    def __init__(self, say: Say | None = None) -> None:
        self._say = say

    def stored(self) -> list[StoredImage]:
        """Return terok's images in storage; BuildError if Podman does not answer."""
        return stored_images()

    def of_project(
        self,
        project: Project,
        agent: str | None = None,
        tools: Iterable[str] = (),
        *,
        rebuild: bool = False,
        full_rebuild: bool = False,
    ) -> BuiltImage | None:
        """Bring the image of a project's tasks up to date; None for a project that wants nothing of its own.

        It has the agent (by default the project's), the tools, what `image.agents` selects, and the project's own
        lines. Without those two the executor chooses an image that has the agent.
        """
        snippet = snippet_of(project.image)
        if not snippet.strip() and project.image.agents == ALL:
            return None
        roster = AgentRoster.load()
        wanted = {one.name: one for one in chosen(roster, project, agent, tools)}.values()
        builder = self._builder(project.image)
        if snippet.strip():
            image, built = build_project_image(
                builder,
                project.name,
                snippet,
                wanted,
                roster.installs,
                owner=owner(),
                rebuild=rebuild,
                full_rebuild=full_rebuild,
            )
            return BuiltImage(image, built)
        present = None if rebuild or full_rebuild else builder.present(wanted, roster.installs)
        if present is not None:
            return BuiltImage(present, built=False)
        images = builder.build(wanted, rebuild=rebuild, full_rebuild=full_rebuild)
        return BuiltImage(images.l1, images.built)

    def of_agents(
        self, settings: ImageSettings, selection: str, *, rebuild: bool = False, full_rebuild: bool = False
    ) -> BuiltImage:
        """Bring the image of a selection of agents up to date."""
        chosen_agents = AgentRoster.load().select(selection)
        images = self._builder(settings).build(chosen_agents, rebuild=rebuild, full_rebuild=full_rebuild)
        return BuiltImage(images.l1, images.built)

    def unneeded(self) -> list[Removal]:
        """Return images that nothing needs: leftovers of builds, and those of projects that are gone.

        Images of projects are those of this user and configuration; a project's directory that cannot be read is an
        error, so that it is never taken for gone.
        """
        return unneeded_of(self.stored(), project_directories())

    def clean_up(self, removals: Sequence[Removal]) -> list[Removal]:
        """Remove images, and return them with why one is still there."""
        failed = remove_images(one.image for one in removals)
        return [Removal(one.image, one.size, one.reason, failed.get(one.image, "")) for one in removals]

    def _builder(self, settings: ImageSettings) -> ImageBuilder:
        return ImageBuilder(settings.base_image, settings.family, on_line=self._say)


def snippet_of(settings: ImageSettings) -> str:
    """Return the lines of a project's image: those of its file, and then those in the configuration."""
    text = ""
    if settings.user_snippet_file:
        path = Path(settings.user_snippet_file)
        try:
            text = read_file(path, MAX_SNIPPET).decode()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not UTF-8"
            raise ConfigError(
                f"image.user_snippet_file: {path} cannot be read: {reason}", hint=f"ls -l {path}"
            ) from None
    return "\n".join(part.rstrip("\n") for part in (text, settings.user_snippet_inline) if part.strip())


def chosen(roster: AgentRoster, project: Project, agent: str | None, tools: Iterable[str]) -> list[Agent | Tool]:
    """Return what a project's image holds."""
    wanted: list[Agent | Tool] = [roster.agent(agent or project.agent.name)]
    wanted += [roster.tool(name) for name in (*project.run.tools, *tools)]
    return wanted if project.image.agents == ALL else [*wanted, *roster.select(project.image.agents)]


def owner() -> str:
    """Return what tells the projects of this configuration from those of another one with the same storage."""
    return sha256(str(namespace_config_dir("projects")).encode()).hexdigest()[:12]


def unneeded_of(images: Iterable[StoredImage], projects: Collection[str]) -> list[Removal]:
    """Return which of the images nothing needs, where these are all projects: none that a container uses."""
    mine = owner()
    found = []
    for image in images:
        reason = ""
        if image.kind == "leftover":
            reason = "left over from a build"
        elif image.kind == "project" and image.owner == mine and image.project not in projects:
            reason = f"there is no project {image.project}"
        if reason and not image.containers:
            found.append(Removal(image.reference or image.id, image.own_size, reason))
    return found
