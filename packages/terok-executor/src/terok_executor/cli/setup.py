"""``setup``, ``uninstall`` and ``show-config``."""

from __future__ import annotations

import json as json_module
from dataclasses import asdict
from typing import Any

from terok_executor.config_view import ExecutorConfigView
from terok_executor.host_setup import ensure_sandbox_ready
from terok_executor.image.builder import our_images
from terok_executor.image.context import CONTENT_LABEL
from terok_executor.image.podman import ImagePodman
from terok_executor.image.workshop import remove_leavings
from terok_executor.integrations.sandbox import SandboxConfig, run_uninstall
from terok_executor.paths import state_dir, user_roster_dir


def setup() -> int:
    """Prepare the host and write the provider routes."""
    ensure_sandbox_ready(SandboxConfig.load(), _report)
    return 0


def uninstall(keep_images: bool) -> int:
    """Remove the images and what set-up installed, 1 if an image is left; credentials and mirrors stay."""
    left = remove_images(ImagePodman.find()) if not keep_images else 0
    run_uninstall(SandboxConfig.load(), _report)
    return int(bool(left))


def remove_images(podman: ImagePodman) -> int:
    """Remove every image of ours and what builds have left, say what cannot be removed and why; returns how many."""
    left = 0
    remove_leavings(podman)
    for reference in our_images(podman):
        problem = podman.remove(reference)
        left += bool(problem)
        _report(reference, f"not removed: {problem}" if problem else "removed")
    podman.prune(CONTENT_LABEL)
    for image in podman.untagged(CONTENT_LABEL):
        problem = podman.remove(image)
        left += bool(problem)
        if problem:
            _report(f"image {image} without a name", f"not removed: {problem}")
    return left


def show_config(json: bool) -> int:
    """Print paths and settings in effect."""
    values = _effective()
    if json:
        print(json_module.dumps(values, indent=2))
        return 0
    from terok_util import yaml

    print(yaml.dump(values), end="")
    return 0


def _effective() -> dict[str, Any]:
    config = SandboxConfig.load()
    return {
        "executor": {
            "state_dir": str(state_dir()),
            "agents_dir": str(user_roster_dir("agents")),
            "providers_dir": str(user_roster_dir("providers")),
            "image": ExecutorConfigView.load().image.model_dump(),
        },
        "sandbox": _plain(asdict(config)),
    }


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple | list) else str(value)


def _report(what: str, outcome: str) -> None:
    print(f"{what}: {outcome}")
