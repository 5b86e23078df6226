"""Programs and files that an agent or tool adds to an image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Annotated, Literal

from terok_util import lean_dataclass

from terok_executor.roster.spelling import NOT_EMPTY, AbsolutePath, Argument, OneOf, PlainUrl, Section, Segment, spelled

NpmPackage = Annotated[str, spelled(r"(@[a-z0-9._-]+/)?[a-z0-9._{}-]+@[A-Za-z0-9._{}-]+", "NAME@VERSION")]


@lean_dataclass(frozen=True, slots=True)
class StagedFile(Section):
    """A file placed into the image: literal content, or a resource of this package."""

    path: AbsolutePath
    content: str | None = None
    resource: Segment | None = None
    executable: bool = False
    owner: Literal["root", "dev"] = "root"

    def check(self) -> None:
        """Refuse a file that has both sources, or neither."""
        if (self.content is None) == (self.resource is None):
            raise ValueError("exactly one of content and resource is needed")


@lean_dataclass(frozen=True, slots=True, kw_only=True)
class NpmStage(Section):
    """Packages fetched and commands run where npm exists, and the files taken from there into the image.

    `{version}` and `{arch}` (`x64`, `arm64`) are filled in.
    """

    packages: tuple[NpmPackage, ...] = ()
    track: Annotated[str, spelled(r"(@[a-z0-9._-]+/)?[a-z0-9._-]+|", "a package name")] = ""
    """The package whose latest version `agents update` moves to."""
    node: bool = False
    """Whether the agent needs Node when it runs."""
    run: Annotated[tuple[Argument, ...], NOT_EMPTY]
    artifacts: Annotated[Mapping[AbsolutePath, AbsolutePath], NOT_EMPTY]
    """Path in the build stage to path in the image."""


@lean_dataclass(frozen=True, slots=True)
class PipStage(Section):
    """Packages installed into a virtual environment, at `directory`, of the image's own Python."""

    requirements: Annotated[
        tuple[Annotated[str, spelled(r"[A-Za-z0-9._-]+==[A-Za-z0-9._+{}-]+", "NAME==VERSION")], ...], NOT_EMPTY
    ]
    directory: AbsolutePath


@lean_dataclass(frozen=True, slots=True, kw_only=True)
class DownloadStage(Section):
    """A program at `url`, or `member` of a zip or tar archive there, that goes to `target`.

    `{version}` and `{arch}` (`x64`, `arm64`) are filled in; `track` is an address that answers with the newest
    version. It is installed by its checksum in the lock file, or not at all.
    """

    url: Annotated[str, spelled(PlainUrl.replace("._/", "._{}/"), "a URL of plain characters")]
    track: Annotated[str, spelled(f"{PlainUrl}|", "a URL of plain characters")] = ""
    member: Annotated[str, spelled(r"(?!.*\.\.)[A-Za-z0-9_][A-Za-z0-9_./@+-]*|", "a path in the archive")] = ""
    target: AbsolutePath


@lean_dataclass(frozen=True, slots=True)
class InstallSpec(Section):
    """Section `install`: programs and files that an agent or tool adds to an image."""

    version: Annotated[str, spelled(r"[A-Za-z0-9.+_-]*", "a version")] = ""
    packages: Mapping[
        Annotated[str, OneOf("deb", "rpm")], tuple[Annotated[str, spelled(r"[a-z0-9][a-z0-9.+_-]*", "a package")], ...]
    ] = field(default_factory=dict)
    """Package family to packages of the distribution."""
    npm: NpmStage | None = None
    pip: PipStage | None = None
    download: DownloadStage | None = None
    run_as_root: tuple[Argument, ...] = ()
    run_as_dev: tuple[Argument, ...] = ()
    files: tuple[StagedFile, ...] = ()
