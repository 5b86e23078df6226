"""A build context held in memory: its files, its Containerfile and the hash of all of it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from terok_util.values import lean_dataclass

CONTENT_LABEL = "ai.terok.content"
AGENTS_LABEL = "ai.terok.agents"
PROTOCOL_LABEL = "ai.terok.protocol"
CONTAINER_PROTOCOL = "5"
"""Version of the contract between host and image: variables, files of the task directory, the start script."""
PARTS_LABEL = "ai.terok.parts"
"""The parts of the image as NAME=DIGEST, separated by spaces; a digest is of the part's sources."""


@lean_dataclass(frozen=True, slots=True)
class ContextFile:
    """One file of the build context."""

    data: bytes
    executable: bool = False


@lean_dataclass(frozen=True, slots=True)
class BuildContext:
    """Everything `podman build` reads."""

    containerfile: str
    files: Mapping[str, ContextFile]

    def content_hash(self, parent: str) -> str:
        """Return the SHA-256 (hex) of the layer's inputs; `parent` is the id of the image below."""
        parts = [parent.encode(), self.containerfile.encode()]
        for name, file in sorted(self.files.items()):
            parts += [name.encode(), b"x" if file.executable else b"-", file.data]
        return hashlib.sha256(b"".join(len(part).to_bytes(8, "big") + part for part in parts)).hexdigest()

    def write(self, directory: Path) -> None:
        """Write the context into an existing empty directory."""
        (directory / "Containerfile").write_text(self.containerfile, "utf-8")
        self.write_files(directory)

    def write_files(self, directory: Path) -> None:
        """Write the files alone."""
        for name, file in self.files.items():
            relative = PurePosixPath(name)
            if relative.is_absolute() or ".." in relative.parts:
                raise ValueError(f"context file outside the context: {name}")
            path = directory / relative
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(file.data)
            path.chmod(0o755 if file.executable else 0o644)
