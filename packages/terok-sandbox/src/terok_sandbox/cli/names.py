"""Names of containers for shell completion, from a directory alone."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def containers(prefix: str, words: Sequence[str]) -> list[str]:
    """Return the names of containers, those that have ended too."""
    from terok_sandbox.config import SandboxConfig

    try:
        return sorted(path.stem for path in SandboxConfig().sidecar_dir.iterdir() if path.suffix == ".json")
    except OSError:
        return []
