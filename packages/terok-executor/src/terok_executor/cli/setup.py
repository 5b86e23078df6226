"""`setup`, `uninstall` and `show-config`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from terok_util import remove_tree, show

from terok_executor.image.settings import ImageSettings
from terok_executor.integrations.sandbox import SandboxConfig
from terok_executor.paths import cache_dir, state_dir, user_roster_dir

if TYPE_CHECKING:
    from terok_executor.image.podman import ImagePodman


def setup() -> int:
    """Prepare the host and write the provider routes."""
    from terok_executor.runner.preflight import ensure_sandbox_ready

    ensure_sandbox_ready(SandboxConfig.load(), _report)
    return 0


def uninstall(keep_images: bool) -> int:
    """Remove the images and what `setup` installed; 1 if an image is left. Credentials and mirrors stay."""
    from terok_executor.image.podman import ImagePodman
    from terok_executor.integrations.sandbox import run_uninstall

    left = remove_images(ImagePodman.find()) if not keep_images else 0
    if cache_dir().exists():
        remove_tree(cache_dir())
    run_uninstall(SandboxConfig.load(), _report)
    return int(bool(left))


def remove_images(podman: ImagePodman) -> int:
    """Remove all images of terok and leftovers of builds; print and count those that cannot be removed."""
    from terok_executor.image.builder import our_images
    from terok_executor.image.context import CONTENT_LABEL
    from terok_executor.image.podman import remove_leavings

    remove_leavings(podman)
    named = {reference: podman.remove(reference) for reference in our_images(podman)}
    for reference, problem in named.items():
        _report(reference, f"not removed: {problem}" if problem else "removed")
    podman.prune(CONTENT_LABEL)  # what it leaves is tried one by one
    nameless = {image: podman.remove(image) for image in podman.untagged(CONTENT_LABEL)}
    for image, problem in nameless.items():
        if problem:
            _report(f"image {image} without a name", f"not removed: {problem}")
    return sum(map(bool, (*named.values(), *nameless.values())))


def show_config(as_json: bool) -> int:
    """Print paths and settings in effect."""
    values = {
        "executor": {
            "state_dir": str(state_dir()),
            "agents_dir": str(user_roster_dir("agents")),
            "providers_dir": str(user_roster_dir("providers")),
            "image": asdict(ImageSettings.load()),
        },
        "sandbox": json.loads(json.dumps(asdict(SandboxConfig.load()), default=str)),
    }
    show(values, as_json, _yaml(values))
    return 0


def _yaml(values: dict[str, Any], indent: str = "") -> Iterator[str]:
    """Yield the lines of a YAML document; scalars and lists are written as JSON has them, which YAML includes."""
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield f"{indent}{key}:"
            yield from _yaml(value, indent + "  ")
        else:
            yield f"{indent}{key}: {json.dumps(value, ensure_ascii=False)}"


def _report(what: str, outcome: str) -> None:
    print(f"{what}: {outcome}")
