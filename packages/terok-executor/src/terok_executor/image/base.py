"""Base images: in storage already, pulled, loaded, or bootstrapped from a package mirror."""

from __future__ import annotations

from pathlib import Path

from terok_util.process import ProcessError, ToolNotFound, find_tool, stream

from terok_executor.errors import BuildError, PrerequisiteError
from terok_executor.image.podman import ImagePodman, OnLine
from terok_executor.image.reference import BaseReference
from terok_executor.image.registries import debian_sources
from terok_executor.image.render import UNNEEDED
from terok_executor.image.tail import LineTail

PULL_SECONDS = 1800.0
BOOTSTRAP_SECONDS = 1200.0


def ensure_base(
    podman: ImagePodman, base: BaseReference, on_line: OnLine, directory: Path, *, refresh: bool = False
) -> str:
    """Return the ID of the base image, fetched or made first if storage has none.

    `refresh` makes or fetches it again, but not a local image. `directory` is for temporary files.
    Raises BuildError if that fails, PrerequisiteError if the host lacks the tool for it.
    """
    present = podman.facts(base.image)
    if present is None or (refresh and base.suite):
        if base.suite:
            _bootstrap(podman, base, on_line, directory)
        elif base.archive_digest:
            _load(podman, base, on_line)
        else:
            _pull(podman, base, on_line)
        present = podman.facts(base.image)
    elif refresh and not base.image.startswith("localhost/"):
        _pull(podman, base, on_line)
        present = podman.facts(base.image)
    if present is None:
        raise BuildError(f"base image {base.image} is not in storage after it was fetched")
    return present.id


def _pull(podman: ImagePodman, base: BaseReference, on_line: OnLine) -> None:
    if base.image.startswith("localhost/"):
        raise BuildError(
            f"there is no local image {base.image}", hint="`podman images` lists them; or use --base mmdebstrap:trixie"
        )
    tail = LineTail(on_line)
    try:
        code = podman.pull(base.image, tail, timeout=PULL_SECONDS)
    except ProcessError as error:
        raise BuildError(f"base image {base.image} could not be pulled: {error.message}") from None
    if code:
        raise tail.failure(
            f"base image {base.image} could not be pulled",
            hint="check the name and the registry; without a registry use --base mmdebstrap:trixie",
        )


def _load(podman: ImagePodman, base: BaseReference, on_line: OnLine) -> None:
    lines: list[str] = []
    tail = LineTail(on_line)

    def keep(line: str) -> None:
        lines.append(line.strip())
        tail(line)

    try:
        code = podman.pull(base.text, keep, timeout=PULL_SECONDS)
    except ProcessError as error:
        raise BuildError(f"base {base.text} could not be loaded: {error.message}") from None
    if code or not lines or not podman.tag(lines[-1], base.image):
        raise tail.failure(f"base {base.text} could not be loaded", hint="is the file an OCI archive of one image?")


def _bootstrap(podman: ImagePodman, base: BaseReference, on_line: OnLine, directory: Path) -> None:
    try:
        tool = find_tool("mmdebstrap")
    except ToolNotFound:
        raise PrerequisiteError(
            f"mmdebstrap is not installed, which base {base.text} needs",
            hint="install the package mmdebstrap, or name an image with --base",
        ) from None
    suite = base.suite or ""
    tail = LineTail(on_line)
    archive = directory / "root.tar"
    argv = [
        tool,
        "--variant=minbase",
        "--include=ca-certificates",
        *(f"--dpkgopt=path-exclude={pattern}" for pattern in UNNEEDED),
        "--dpkgopt=path-include=/usr/share/doc/*/copyright",
        suite,
        str(archive),
        *debian_sources(suite),
    ]
    try:
        code = stream(argv, tail, timeout=BOOTSTRAP_SECONDS, check=False)
        if code == 0:
            code = podman.import_root(archive, base.image, tail, timeout=BOOTSTRAP_SECONDS)
    except ProcessError as error:
        raise BuildError(f"base {base.text} could not be made: {error.message}") from None
    finally:
        archive.unlink(missing_ok=True)
    if code:
        raise tail.failure(
            f"base {base.text} could not be made", hint="check the suite's name and that a package mirror is in reach"
        )
