"""Base image references and the tags of the images built from them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from terok_executor.errors import RequestError

DEFAULT_BASE_IMAGE = "mmdebstrap:trixie"
BOOTSTRAP_SCHEME = "mmdebstrap:"
MAX_REFERENCE = 256
L1_PREFIX = "localhost/terok-l1-cli:"
_MAX_TAG = 120

_SUITE = re.compile(r"[a-z][a-z0-9-]{1,31}")
_DOMAIN = r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?(?::[0-9]{1,5})?/)?"
_PATH = r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*"
_REFERENCE = re.compile(
    rf"{_DOMAIN}{_PATH}(?:/{_PATH})*(?::[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}})?(?:@sha256:[0-9a-f]{{64}})?"
)


@dataclass(frozen=True, slots=True)
class BaseReference:
    """A validated base: an image reference, or a Debian suite to make an image of."""

    text: str
    suite: str | None

    @property
    def image(self) -> str:
        """The reference Podman knows the base by."""
        return f"localhost/terok-base:{self.suite}" if self.suite else self.text


def parse_base(text: str) -> BaseReference:
    """Validate a base image reference; the text ends up in a Containerfile, so nothing odd may pass.

    Raises RequestError if it is neither ``mmdebstrap:SUITE`` nor an image reference.
    """
    if text.startswith(BOOTSTRAP_SCHEME):
        suite = text.removeprefix(BOOTSTRAP_SCHEME)
        if _SUITE.fullmatch(suite):
            return BaseReference(text, suite)
    elif len(text) <= MAX_REFERENCE and _REFERENCE.fullmatch(text):
        return BaseReference(text, None)
    raise RequestError(
        f"invalid base image reference: {text[:80]!r}",
        hint="use an image reference such as debian:trixie or localhost/base, or mmdebstrap:SUITE",
    )


def l0_tag(base: BaseReference) -> str:
    """Return the tag of the tools image made from this base."""
    return f"localhost/terok-l0:{_tag(base.text)}"


def l1_tag(base: BaseReference, agents: Iterable[str]) -> str:
    """Return the tag of the image that holds exactly these agents."""
    return f"{L1_PREFIX}{_tag(base.text, *sorted(agents))}"


def _tag(*parts: str) -> str:
    full = "-".join(parts)
    text = re.sub(r"[^a-z0-9_.-]+", "-", full.lower()).strip("-.")
    if text == full.lower() and len(text) <= _MAX_TAG:
        return text
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]
    return f"{text[: _MAX_TAG - 13]}-{digest}" if len(text) > _MAX_TAG else text
