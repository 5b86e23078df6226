"""Workspaces that are made on this host from the clone cache, instead of through the gate."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from terok_util import TerokError

from terok_executor.integrations.sandbox import GitGate, seed_workspace
from terok_executor.paths import clone_cache_dir

if TYPE_CHECKING:
    from pathlib import Path

    from terok_executor.integrations.sandbox import SandboxConfig


def seed_workspace_from_clone_cache(workspace: Path, scope: str, origin_url: str, cfg: SandboxConfig) -> bool:
    """Put the repository of the mirror `scope` into an empty directory, with `origin_url` as its origin.

    Nothing is checked out: the container's start script does that, after it has fetched what is newer. No container may
    have the directory yet, since git runs in it. False, and the directory as it was, if there is no such mirror, it is
    too small to be worth a copy, or the copy cannot be made: a clone through the gate gives the same.
    """
    with suppress(TerokError, OSError):
        seed = GitGate.open(scope, base=cfg.gate_base_path).seed(clone_cache_dir())
        return seed is not None and seed_workspace(seed, workspace, origin_url)
    return False
