"""The Podman commands that image building needs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from terok_util import FileLock, TerokError, ensure_dir, last_line, remove_tree
from terok_util.process import ProcessError, ToolNotFound, find_tool, run, stream
from terok_util.values import lean_dataclass

from terok_executor.errors import BuildError, PrerequisiteError
from terok_executor.image.context import CONTENT_LABEL
from terok_executor.paths import state_dir

OnLine = Callable[[str], None]
QUERY_SECONDS = 60.0
PRUNE_SECONDS = 300.0
LOCK_SECONDS = 3600.0
OURS = "localhost/terok-"
LISTINGS = 3
"""How often a listing of all images is tried."""


def silent(_line: str) -> None:
    """Ignore a line of progress."""


@lean_dataclass(frozen=True, slots=True)
class ImageFacts:
    """ID and labels of an image in Podman's storage."""

    id: str
    labels: Mapping[str, str]


@lean_dataclass(frozen=True, slots=True)
class WorkingContainer:
    """A container in which a step of a build runs; `image` is the name that the build has for the image below it."""

    id: str
    image: str
    image_id: str


@lean_dataclass(frozen=True, slots=True)
class ImagePodman:
    """Runs Podman for images; every call is bounded in time."""

    binary: str

    @classmethod
    def find(cls) -> ImagePodman:
        """Locate Podman; PrerequisiteError if the host has none."""
        try:
            return cls(find_tool("podman"))
        except ToolNotFound:
            hint = "install Podman 4.3 or newer with your distribution's package manager"
            raise PrerequisiteError("podman is not installed", hint=hint) from None

    def facts(self, reference: str) -> ImageFacts | None:
        """Return the image's facts, or None if storage holds no such image; BuildError if Podman cannot say."""
        result = self._query(["image", "exists", reference])
        if result == 1:
            return None
        if result != 0:
            hint = "check that `podman images` works"
            raise BuildError(f"podman cannot say whether image {reference} exists", hint=hint)
        known = self.facts_of([reference])
        if known is None:
            raise BuildError(f"image {reference} cannot be inspected", hint="check that `podman images` works")
        return known[0]

    def facts_of(self, references: Sequence[str]) -> list[ImageFacts] | None:
        """Return the facts of several images in one call, or None if not all of them could be had."""
        known = self.facts_found(references)
        return known if len(known) == len(references) else None

    def facts_found(self, references: Sequence[str]) -> list[ImageFacts]:
        """Return the facts of those of several images that Podman knows, none if it cannot say."""
        import json

        try:
            completed = run([self.binary, "image", "inspect", *references], timeout=QUERY_SECONDS, check=False)
            return [ImageFacts(str(image["Id"]), _labels(image)) for image in json.loads(completed.text or "[]")]
        except (ProcessError, ValueError, KeyError, TypeError):
            return []

    def references(self) -> list[str]:
        """Return every repository:tag in storage."""
        argv = [self.binary, "images", "--format", "{{.Repository}}:{{.Tag}}"]
        for left in reversed(range(LISTINGS)):
            try:
                return run(argv, timeout=QUERY_SECONDS).text.split()
            except ProcessError as error:  # Podman fails where another process removes an image in the middle of it
                if not left:
                    raise BuildError(f"images cannot be listed: {error.message}") from None
        raise AssertionError("unreachable")

    def remove(self, reference: str) -> str:
        """Remove an image by reference; return the reason if it is still there, an empty string if it is gone."""
        return self._remove([self.binary, "image", "rm", reference], QUERY_SECONDS)

    def tag(self, reference: str, name: str) -> bool:
        """Give an image another name; return whether it worked."""
        return self._query(["image", "tag", reference, name]) == 0

    def untagged(self, label: str) -> list[str]:
        """Return the images with this label that have no name and that no other image needs."""
        filters = ["--filter", "dangling=true", "--filter", f"label={label}"]
        try:
            return run([self.binary, "images", "--quiet", *filters], timeout=QUERY_SECONDS).text.split()
        except ProcessError:
            return []

    def prune(self, label: str) -> str:
        """Remove untagged images with this label that nothing else needs; return why some are still there, or ""."""
        argv = [self.binary, "image", "prune", "--force", "--filter", f"label={label}"]
        return self._remove(argv, PRUNE_SECONDS)

    def working_containers(self) -> list[WorkingContainer]:
        """Return the containers that builds work in, everybody's; none if Podman cannot say."""
        import json

        try:
            listed = run([self.binary, "ps", "--all", "--external", "--format", "json"], timeout=QUERY_SECONDS).text
            return [
                WorkingContainer(str(row["Id"]), str(row["Image"]), str(row["ImageID"]))
                for row in json.loads(listed)
                if row.get("State") == "storage" and row.get("Command") == ["buildah"]
            ]
        except (ProcessError, ValueError, KeyError, TypeError, AttributeError):
            return []

    def remove_container(self, container: str) -> bool:
        """Remove a container of a build; return whether it is gone."""
        return self._query(["rm", "--force", container]) == 0

    def pull(self, reference: str, on_line: OnLine, *, timeout: float) -> int:
        """Fetch an image from its registry; return Podman's exit code."""
        return stream([self.binary, "pull", reference], on_line, timeout=timeout, check=False)

    def import_root(self, archive: Path, reference: str, on_line: OnLine, *, timeout: float) -> int:
        """Make an image of a root file system archive, labeled as ours; return Podman's exit code."""
        label = f"--change=LABEL {CONTENT_LABEL}=base"
        return stream([self.binary, "import", label, str(archive), reference], on_line, timeout=timeout, check=False)

    def build(
        self,
        context: Path,
        tag: str,
        on_line: OnLine,
        *,
        labels: Mapping[str, str],
        arguments: Mapping[str, str],
        no_cache: bool,
        timeout: float,
        output: Path | None = None,
    ) -> int:
        """Build the context's Containerfile; return Podman's exit code. With `output` the files go there instead."""
        argv = [self.binary, "build", "--force-rm", "--pull=never", "--file", str(context / "Containerfile")]
        argv += ["--no-cache"] if no_cache else []
        argv += [f"--label={key}={value}" for key, value in sorted(labels.items())]
        argv += [f"--build-arg={key}={value}" for key, value in sorted(arguments.items())]
        argv += ["--output", f"type=local,dest={output}"] if output is not None else ["--tag", tag]
        # Podman's own temporary files go beside the context, where they are removed with it.
        environment = {**os.environ, "TMPDIR": str(context.parent)}
        return stream([*argv, str(context)], on_line, timeout=timeout, check=False, env=environment)

    @staticmethod
    def _remove(argv: Sequence[str], seconds: float) -> str:
        try:
            completed = run(argv, timeout=seconds, check=False)
        except ProcessError as error:
            return error.message
        reason = last_line(completed.stderr, limit=300).removeprefix("Error: ") or "podman does not say why"
        return "" if completed.returncode == 0 else reason

    def _query(self, arguments: Sequence[str]) -> int:
        try:
            return run([self.binary, *arguments], timeout=QUERY_SECONDS, check=False).returncode
        except ProcessError as error:
            raise BuildError(f"podman does not answer: {error.message}") from None


def _labels(described: Mapping[str, Any]) -> dict[str, str]:
    labels = described.get("Labels") or (described.get("Config") or {}).get("Labels") or {}
    return {str(key): str(value) for key, value in labels.items()}


def build_lock(timeout: float = LOCK_SECONDS) -> FileLock:
    """Return the lock of whoever builds images or removes them."""
    return FileLock(ensure_dir(state_dir()) / "build.lock", timeout=timeout)


@contextmanager
def workshop(podman: ImagePodman, base: str) -> Iterator[Path]:
    """Yield an empty directory for a build's files while nobody else builds; `base` is the image it begins with."""
    directory = state_dir() / "build"
    with build_lock():
        if directory.exists():  # a build that was killed has left it
            _clear_up(podman, directory, ())
        known = frozenset(container.id for container in podman.working_containers())
        ensure_dir(directory)
        try:
            yield directory
        except BaseException:
            _clear_up(podman, directory, (base,), known)
            raise
        remove_tree(directory)


def remove_leavings(podman: ImagePodman) -> None:
    """Remove the leftovers of interrupted builds; wait for one that is running."""
    if state_dir().is_dir():
        with build_lock():
            _clear_up(podman, state_dir() / "build", ())


def _clear_up(
    podman: ImagePodman, directory: Path, images: tuple[str, ...], known: frozenset[str] = frozenset()
) -> None:
    """Remove working containers of our images or of `images`, and the directory; `known` ones are somebody else's."""
    present = [container for container in podman.working_containers() if container.id not in known]
    below = podman.facts_found(sorted({container.image_id for container in present})) if present else ()
    ours = {facts.id for facts in below if CONTENT_LABEL in facts.labels}
    for container in present:
        if container.image.startswith(OURS) or container.image_id in ours or container.image in images:
            podman.remove_container(container.id)
    with suppress(TerokError):  # files of another user in it do no harm
        remove_tree(directory)
