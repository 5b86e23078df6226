"""`terok image`: handlers."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from terok_util import Progress, UsageError, show, table

from terok.cli.project_changes import build as build_project
from terok.integrations.executor import ImageSettings
from terok.model.shown import size
from terok.services.images import Images

if TYPE_CHECKING:
    from collections.abc import Collection

    from terok.integrations.executor import StoredImage


def list_all(as_json: bool) -> int:
    """Print terok's images."""
    found = Images().stored()
    cells = (
        (
            one.reference or one.id[:12],
            one.kind,
            one.project,
            size(one.own_size),
            one.created[:10],
            ",".join(one.agents),
        )
        for one in found
    )
    titles = ("IMAGE", "KIND", "PROJECT", "OWN SIZE", "CREATED", "AGENTS")
    show(found, as_json, table(titles, cells) if found else "no image yet; the first task builds one")
    return 0


def build(project: str | None, agents: str | None, rebuild: bool, full_rebuild: bool, as_json: bool) -> int:
    """Build the image of a project, or of a selection of agents."""
    if project is not None and agents is not None:
        hint = f"`terok project agents {project}`"
        raise UsageError("a project's agents are those of its image.agents", hint=hint)
    if project is not None:
        return build_project(project, rebuild, full_rebuild, as_json)
    settings = ImageSettings.load()
    with Progress() as say:
        selection = agents or settings.agents
        built = Images(say).of_agents(settings, selection, rebuild=rebuild, full_rebuild=full_rebuild)
    show(built, as_json, f"{built.image}: {'built' if built.built else 'up to date'}")
    return 0


def clean_up(yes: bool, as_json: bool) -> int:
    """Print images that nothing needs, and with `yes` remove them; 1 if one is still there then."""
    images = Images()
    found = images.unneeded()
    done = images.clean_up(found) if yes else found
    failed = [one for one in done if one.failed]
    lines = [f"{one.image}  {size(one.size)}  {one.failed or one.reason}" for one in done]
    total = size(sum(one.size for one in done if not one.failed))
    lines.append(f"{len(done) - len(failed)} removed, {total}" if yes else f"{total}; --yes removes them")
    rows = [asdict(one) | {"removed": yes and not one.failed} for one in done]
    show(rows, as_json, lines if done else "nothing to remove")
    return 1 if failed else 0


def usage(as_json: bool) -> int:
    """Print what images take up, by kind."""
    found = Images().stored()
    kinds = {kind: [one for one in found if one.kind == kind] for kind in dict.fromkeys(one.kind for one in found)}
    sums = {kind: _sum(those) for kind, those in kinds.items()}
    rows = [{"kind": kind, "images": number, "bytes": total} for kind, (number, total) in sums.items()]
    everything = _sum(found)
    cells = [(kind, number, size(total)) for kind, (number, total) in [*sums.items(), ("total", everything)]]
    show({"kinds": rows, "bytes": everything[1]}, as_json, table(("KIND", "IMAGES", "SIZE"), cells))
    return 0


def _sum(images: Collection[StoredImage]) -> tuple[int, int]:
    """Return the number of images, each of which can have several names, and the bytes that they take up."""
    return len({one.id for one in images}), sum(one.own_size for one in images)
