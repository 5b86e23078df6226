"""Names of containers and mirrors for shell completion, from directories alone."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def containers(prefix: str, words: Sequence[str]) -> list[str]:
    """Return the names of containers, those that have ended too."""
    from terok_sandbox.config import SandboxConfig

    return _stems(SandboxConfig().sidecar_dir, ".json")


def scopes(prefix: str, words: Sequence[str]) -> list[str]:
    """Return the names of mirrors."""
    from terok_sandbox.config import SandboxConfig

    return _stems(SandboxConfig().gate_base_path, ".git")


def _stems(place: Path, suffix: str) -> list[str]:
    try:
        return sorted(path.name.removesuffix(suffix) for path in place.iterdir() if path.name.endswith(suffix))
    except OSError:
        return []
