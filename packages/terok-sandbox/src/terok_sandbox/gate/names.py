"""Names of mirrors for shell completion, from a directory alone."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def scopes(prefix: str, words: Sequence[str]) -> list[str]:
    """Return the names of mirrors."""
    from terok_sandbox.config import SandboxConfig

    try:
        return sorted(path.stem for path in SandboxConfig().gate_base_path.iterdir() if path.suffix == ".git")
    except OSError:
        return []
