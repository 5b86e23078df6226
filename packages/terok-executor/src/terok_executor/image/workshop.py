"""Where images are built: one build at a time, in a directory of its own, and nothing stays behind.

A build that is cut short leaves working containers in Podman's storage, and temporary files, and nobody removes them.
Whoever holds the lock does: after a build that failed or was interrupted, and before one what a killed one has left.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from terok_util import FileLock, TerokError, ensure_dir, remove_tree

from terok_executor.image.context import CONTENT_LABEL
from terok_executor.image.podman import ImagePodman
from terok_executor.paths import state_dir

LOCK_SECONDS = 3600.0
OURS = "localhost/terok-"


@contextmanager
def workshop(podman: ImagePodman, base: str) -> Iterator[Path]:
    """Give an empty directory for a build's files while nobody else builds; `base` is the image it begins with."""
    directory = ensure_dir(state_dir()) / "build"
    with FileLock(state_dir() / "build.lock", timeout=LOCK_SECONDS):
        if directory.exists():  # a build that was killed has left it
            _clear_up(podman, directory, ())
        known = frozenset(one.id for one in podman.working_containers())
        ensure_dir(directory)
        try:
            yield directory
        except BaseException:
            _clear_up(podman, directory, (base,), known)
            raise
        remove_tree(directory)


def remove_leavings(podman: ImagePodman) -> None:
    """Remove what builds cut short have left; one that is running is waited for."""
    if state_dir().is_dir():
        with FileLock(state_dir() / "build.lock", timeout=LOCK_SECONDS):
            _clear_up(podman, state_dir() / "build", ())


def _clear_up(
    podman: ImagePodman, directory: Path, images: tuple[str, ...], known: frozenset[str] = frozenset()
) -> None:
    """Remove working containers of our images or of `images`, and the directory; `known` ones are somebody else's."""
    present = [one for one in podman.working_containers() if one.id not in known]
    below = podman.facts_found(sorted({one.image_id for one in present})) if present else ()
    ours = {facts.id for facts in below if CONTENT_LABEL in facts.labels}
    for one in present:
        if one.image.startswith(OURS) or one.image_id in ours or one.image in images:
            podman.remove_container(one.id)
    with suppress(TerokError):  # what belongs to somebody else in there is in nobody's way
        remove_tree(directory)
