"""Base image references and the tags of the images built from them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, cast

from terok_util.values import lean_dataclass

from terok_executor.errors import RequestError

DEFAULT_BASE_IMAGE = "mmdebstrap:trixie"
BOOTSTRAP_SCHEME = "mmdebstrap:"
ARCHIVE_SCHEME = "oci-archive:"
Family = Literal["deb", "rpm"]
"""The package manager of a base: apt or dnf."""
MAX_REFERENCE = 256
L1_PREFIX = "localhost/terok-l1-cli:"
SIDECAR_PREFIX = "localhost/terok-l1-sidecar:"
PROJECT_PREFIX = "localhost/terok-l2:"
PREFIXES = (L1_PREFIX, SIDECAR_PREFIX)
"""Beginnings of the tags of images with agents or tools."""
_MAX_TAG = 120

_SUITE = re.compile(r"[a-z][a-z0-9-]{1,31}")
_DOMAIN = r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?(?::[0-9]{1,5})?/)?"
_PATH = r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*"
_REFERENCE = re.compile(
    rf"{_DOMAIN}{_PATH}(?:/{_PATH})*(?::[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}})?(?:@sha256:[0-9a-f]{{64}})?"
)


_RPM_BASES = re.compile(
    r"(?:docker\.io/)?(?:[a-z0-9.-]+(?::[0-9]+)?/)?(?:[a-z0-9-]+/)*"
    r"(?:fedora|centos|almalinux|rockylinux|rocky|ubi[0-9]*|oraclelinux|amazonlinux|podman/stable)(?:[/:@-]|$)"
)
_DEB_BASES = re.compile(r"mmdebstrap:|(?:[a-z0-9.-]+(?::[0-9]+)?/)?(?:[a-z0-9-]+/)*(?:debian|ubuntu)(?:[:@-]|$)")
_RPM_TAG = re.compile(r":[^/]*(?:ubi[0-9]|rockylinux|centos|fedora|el[0-9]|rhel)[^/]*$")
_GPU_VENDOR = re.compile(r"(?:^|/)(?:nvidia|nvcr\.io|rocm|intel)/")


@lean_dataclass(frozen=True, slots=True)
class BaseReference:
    """A validated base: an image reference, a Debian suite to make an image of, or an archive to load one from."""

    text: str
    suite: str | None
    archive_digest: str = ""

    @property
    def image(self) -> str:
        """The base's reference in Podman's storage."""
        if self.archive_digest:
            return f"localhost/terok-base:archive-{self.archive_digest}"
        return f"localhost/terok-base:{self.suite}" if self.suite else self.text

    @property
    def gpu(self) -> bool:
        """Whether the image comes from a GPU vendor, for runs that get `--gpus`."""
        return _GPU_VENDOR.search(self.text) is not None


def detect_family(base: str) -> Family:
    """Return the package family that a base reference names; `deb` if it names none."""
    return "rpm" if _RPM_BASES.match(base) or _RPM_TAG.search(base) else "deb"


def known_family(base: str) -> Family | None:
    """Return the package family of a base reference that is known, None for any other."""
    if detect_family(base) == "rpm":
        return "rpm"
    return "deb" if _DEB_BASES.match(base) else None


def check_family(text: str | None, base: str) -> Family:
    """Return the requested family, or the detected one for None; RequestError for an unknown family."""
    if text not in (None, "deb", "rpm"):
        raise RequestError(f"unknown package family: {text[:40]!r}", hint="use deb or rpm")
    return detect_family(base) if text is None else cast("Family", text)


def _archive_digest(path: Path) -> str:
    """Return a name for an archive by its path, size and time, so that a changed archive is loaded again."""
    try:
        info = path.stat()
    except OSError as error:
        raise RequestError(f"the archive {path} cannot be read: {error.strerror}") from None
    return hashlib.sha256(f"{path}\0{info.st_size}\0{info.st_mtime_ns}".encode()).hexdigest()[:12]


def parse_base(text: str) -> BaseReference:
    """Validate a base image reference strictly, because the text ends up in a Containerfile.

    Raises RequestError if it is neither `mmdebstrap:SUITE` nor `oci-archive:FILE` nor an image reference.
    """
    if text.startswith(ARCHIVE_SCHEME):
        path = Path(text.removeprefix(ARCHIVE_SCHEME)).absolute()
        if path.is_file() and ":" not in str(path):
            return BaseReference(f"{ARCHIVE_SCHEME}{path}", None, _archive_digest(path))
        raise RequestError(f"there is no archive {str(path)[:200]!r}", hint="see `podman save --format`")
    if text.startswith(BOOTSTRAP_SCHEME):
        suite = text.removeprefix(BOOTSTRAP_SCHEME)
        if _SUITE.fullmatch(suite):
            return BaseReference(text, suite)
    elif len(text) <= MAX_REFERENCE and _REFERENCE.fullmatch(text):
        return BaseReference(text, None)
    hint = "use an image reference such as debian:trixie or localhost/base, mmdebstrap:SUITE, or oci-archive:FILE"
    raise RequestError(f"invalid base image reference: {text[:80]!r}", hint=hint)


def l0_tag(base: BaseReference) -> str:
    """Return the tag of the tools image made from this base."""
    return f"localhost/terok-l0:{_tag(base)}"


def build_tag(base: BaseReference) -> str:
    """Return the tag of the image in which the stages of builds from this base run."""
    return f"localhost/terok-build:{_tag(base)}"


def l1_tag(base: BaseReference, agents: Iterable[str]) -> str:
    """Return the tag of the image that holds exactly these agents."""
    return f"{L1_PREFIX}{_tag(base, *sorted(agents))}"


def sidecar_tag(base: BaseReference, tool: str) -> str:
    """Return the tag of the image that holds one sidecar tool and no agent."""
    return f"{SIDECAR_PREFIX}{_tag(base, tool)}"


def _tag(base: BaseReference, *names: str) -> str:
    parts = (base.image.rpartition(":")[2] if base.archive_digest else base.text, *names)
    full = "-".join(parts)
    text = re.sub(r"[^a-z0-9_.-]+", "-", full.lower()).strip("-.")
    if text == full.lower() and len(text) <= _MAX_TAG:
        return text
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]
    return f"{text[: _MAX_TAG - 13]}-{digest}" if len(text) > _MAX_TAG else text
