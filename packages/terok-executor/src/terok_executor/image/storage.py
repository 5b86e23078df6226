"""The images of terok in Podman's storage, and the space they take."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from terok_util.process import ProcessError, run

from terok_executor.errors import BuildError
from terok_executor.image.context import AGENTS_LABEL, CONTENT_LABEL
from terok_executor.image.podman import QUERY_SECONDS, ImagePodman, build_lock
from terok_executor.image.project import PROJECT_LABEL

_LOCK_SECONDS = 60.0
_KINDS = {"l0": "tools", "build": "build", "base": "base", "l1-cli": "agents", "l1-sidecar": "tool", "l2": "project"}


@dataclass(frozen=True, slots=True)
class StoredImage:
    """One image. `size` is with everything below it, `own_size` without what another one has too, both in bytes.

    `kind` is base, tools, build, agents, tool, project or, without a name, leftover; `created` is RFC 3339.
    """

    reference: str
    id: str
    kind: str
    size: int
    own_size: int
    created: str
    agents: tuple[str, ...] = ()
    project: str = ""
    owner: str = ""
    containers: int = 0


def stored_images() -> list[StoredImage]:
    """Return terok's images, the lowest first, without unnamed ones that another image needs.

    BuildError if Podman does not answer.
    """
    podman = ImagePodman.find().binary
    try:
        listed = run([podman, "images", "--format", "json"], timeout=QUERY_SECONDS).text
        ids = list(dict.fromkeys(str(one["Id"]) for one in json.loads(listed) or ()))
        inspected = run([podman, "image", "inspect", *ids], timeout=QUERY_SECONDS, check=False).text if ids else "[]"
        used = run([podman, "ps", "--all", "--no-trunc", "--format", "{{.ImageID}}"], timeout=QUERY_SECONDS).text
        return images_of(json.loads(inspected), used.split())
    except (ProcessError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BuildError(
            f"images cannot be listed: {str(error)[:200]}", hint="check that `podman images` works"
        ) from None


def images_of(inspected: Iterable[Mapping[str, Any]], used: Sequence[str]) -> list[StoredImage]:
    """Return terok's among inspected images; `used` is the image of each container."""
    everything = [*inspected]
    layers = {str(one["Id"]): tuple(one["RootFS"]["Layers"]) for one in everything}
    sizes = {str(one["Id"]): int(one["Size"]) for one in everything}
    found = []
    for image in everything:
        labels = image.get("Labels") or {}
        if CONTENT_LABEL not in labels:
            continue
        name = str(image["Id"])
        below = [other for other, its in layers.items() if other != name and layers[name][: len(its)] == its]
        below = [other for other in below if layers[other] != layers[name] or other < name]
        own = max(0, sizes[name] - max((sizes[other] for other in below), default=0))
        project, _, owner = str(labels.get(PROJECT_LABEL, "")).partition("/")
        agents = tuple(filter(None, str(labels.get(AGENTS_LABEL, "")).split(",")))
        for reference in image.get("RepoTags") or [""]:
            found.append(
                StoredImage(
                    reference=reference,
                    id=name,
                    kind=_kind(reference),
                    size=sizes[name],
                    own_size=own,
                    created=str(image.get("Created", "")),
                    agents=agents,
                    project=project,
                    owner=owner,
                    containers=used.count(name),
                )
            )
            own = 0  # a second name of the same image takes no space
    order = [*_KINDS.values(), "leftover"]
    return sorted(found, key=lambda one: (order.index(one.kind), one.reference))


def remove_images(names: Iterable[str]) -> dict[str, str]:
    """Remove images by reference or ID while nobody builds; return why one is still there, by its name.

    LockTimeout if somebody builds for more than a minute.
    """
    podman = ImagePodman.find()
    with build_lock(_LOCK_SECONDS):
        failed = {name: why for name in names if (why := podman.remove(name))}
        return {name: why for name, why in failed.items() if podman.facts(name) is not None}  # one may go with another


def _kind(reference: str) -> str:
    repository = reference.rpartition(":")[0].removeprefix("localhost/terok-")
    return _KINDS.get(repository, "leftover")
