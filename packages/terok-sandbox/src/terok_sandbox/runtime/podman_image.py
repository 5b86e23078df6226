"""Images in Podman's storage."""

from __future__ import annotations

import json
from typing import Any

from terok_sandbox.errors import EngineError, ImageNotFound
from terok_sandbox.runtime.engine import REMOVE_TIMEOUT, ask
from terok_sandbox.runtime.protocol import ImageSummary


class PodmanImage:
    """An image by reference."""

    def __init__(self, ref: str) -> None:
        self.ref = ref

    @property
    def id(self) -> str:
        """Podman's ID; raises ImageNotFound."""
        return str(self._inspect()["Id"])

    def exists(self) -> bool:
        """Whether the image is in local storage."""
        try:
            return bool(self._inspect())
        except ImageNotFound:
            return False

    def labels(self) -> dict[str, str]:
        """Return its labels; raises ImageNotFound."""
        return dict(self._inspect().get("Labels") or {})

    def history(self) -> list[str]:
        """Return the commands that made its layers, newest first; raises ImageNotFound."""
        completed = ask(["history", "--no-trunc", "--format", "json", self.ref], image=self.ref)
        return [str(row.get("CreatedBy") or "") for row in json.loads(completed.stdout)]

    def remove(self) -> None:
        """Remove it; raises ImageNotFound, or EngineError when a container uses it."""
        ask(["image", "rm", self.ref], timeout=REMOVE_TIMEOUT, image=self.ref)

    def _inspect(self) -> dict[str, Any]:
        completed = ask(["image", "inspect", self.ref], image=self.ref)
        return first_row(completed.stdout, "image inspect")


def read_image(row: dict[str, Any]) -> ImageSummary:
    """Read one row of `podman images --format json`; raises KeyError, TypeError or ValueError for another shape."""
    return ImageSummary(
        id=str(row["Id"]),
        tags=tuple(str(name) for name in row.get("Names") or ()),
        size=int(row["Size"]),
        created=float(row["Created"]),
        labels=dict(row.get("Labels") or {}),
    )


def first_row(data: bytes, what: str) -> dict[str, Any]:
    """Read the first object of the JSON list that `podman WHAT` printed; raises EngineError."""
    try:
        document = json.loads(data)[0]
    except (ValueError, IndexError, KeyError, TypeError, RecursionError) as error:
        raise EngineError(f"the answer of `podman {what}` cannot be read") from error
    if not isinstance(document, dict):
        raise EngineError(f"the answer of `podman {what}` cannot be read")
    return document
