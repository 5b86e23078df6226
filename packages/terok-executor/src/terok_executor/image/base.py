"""Base images: in storage already, pulled, loaded, or bootstrapped from a package mirror."""

from __future__ import annotations

from collections.abc import Callable
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


def _carry_out(action: Callable[[LineTail], bool], on_line: OnLine, problem: str, hint: str) -> None:
    """Give `action`, which tells whether it worked, a receiver of a program's output; BuildError if it did not."""
    tail = LineTail(on_line)
    try:
        worked = action(tail)
    except ProcessError as error:
        raise BuildError(f"{problem}: {error.message}") from None
    if not worked:
        raise tail.failure(problem, hint=hint)


def _pull(podman: ImagePodman, base: BaseReference, on_line: OnLine) -> None:
    if base.image.startswith("localhost/"):
        hint = "`podman images` lists them; or use --base mmdebstrap:trixie"
        raise BuildError(f"there is no local image {base.image}", hint=hint)
    hint = "check the name and the registry; without a registry use --base mmdebstrap:trixie"
    problem = f"base image {base.image} could not be pulled"
    _carry_out(lambda tail: podman.pull(base.image, tail, timeout=PULL_SECONDS) == 0, on_line, problem, hint)


def _load(podman: ImagePodman, base: BaseReference, on_line: OnLine) -> None:
    def load(tail: LineTail) -> bool:
        code = podman.pull(base.text, tail, timeout=PULL_SECONDS)
        loaded = tail.text().rpartition("\n")[2].strip()  # Podman's last line is the image's ID
        return code == 0 and bool(loaded) and podman.tag(loaded, base.image)

    _carry_out(load, on_line, f"base {base.text} could not be loaded", "is the file an OCI archive of one image?")


def _bootstrap(podman: ImagePodman, base: BaseReference, on_line: OnLine, directory: Path) -> None:
    try:
        tool = find_tool("mmdebstrap")
    except ToolNotFound:
        hint = "install the package mmdebstrap, or name an image with --base"
        raise PrerequisiteError(f"mmdebstrap is not installed, which base {base.text} needs", hint=hint) from None
    suite = base.suite or ""
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

    def bootstrap(tail: LineTail) -> bool:
        made = stream(argv, tail, timeout=BOOTSTRAP_SECONDS, check=False) == 0
        return made and podman.import_root(archive, base.image, tail, timeout=BOOTSTRAP_SECONDS) == 0

    hint = "check the suite's name and that a package mirror is in reach"
    try:
        _carry_out(bootstrap, on_line, f"base {base.text} could not be made", hint)
    finally:
        archive.unlink(missing_ok=True)
