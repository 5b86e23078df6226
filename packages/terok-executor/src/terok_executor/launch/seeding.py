"""Workspaces that are made on this host from the clone cache, instead of through the gate."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from terok_util import TerokError, ensure_dir, write_sensitive_file

from terok_executor.integrations.sandbox import GitGate, local_service, run_git
from terok_executor.paths import clone_cache_dir

if TYPE_CHECKING:
    from terok_executor.integrations.sandbox import SandboxConfig

SECONDS = 1800.0
_CONFIG = {"core.logAllRefUpdates": "false", "fetch.unpackLimit": "1", "fetch.fsckObjects": "false"}
"""No log would name a path of this host; the objects were checked when they came into the mirror."""


def seed_workspace_from_clone_cache(workspace: Path, scope: str, origin_url: str, cfg: SandboxConfig) -> bool:
    """Put the repository of the mirror ``scope`` into an empty directory, with ``origin_url`` as its origin.

    Nothing is checked out: the container's start script does that, after it has fetched what is newer. No container may
    have the directory yet, since git runs in it. False, and the directory as it was, if there is no such mirror, it is
    too small to be worth a copy, or the copy cannot be made: a clone through the gate gives the same.
    """
    with suppress(TerokError, OSError):
        if any(workspace.iterdir()):
            return False
        seed = GitGate.open(scope, base=cfg.gate_base_path).seed(clone_cache_dir())
        if seed is None:
            return False
        with tempfile.TemporaryDirectory(dir=ensure_dir(workspace.parent), prefix=".seed-") as draft:
            _clone(seed, Path(draft) / ".git", origin_url)
            (Path(draft) / ".git").rename(workspace / ".git")
        return True
    return False


def _clone(seed: Path, repository: Path, origin_url: str) -> None:
    kind = run_git("rev-parse", "--show-object-format", git_dir=seed).text.strip()
    run_git("init", "--quiet", "--template=", f"--object-format={kind}", str(repository))
    run_git(
        "fetch",
        *("--quiet", "--no-tags", "--no-write-fetch-head"),
        f"--upload-pack={local_service(seed, 'upload-pack')}",
        str(seed),
        *("+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*"),
        git_dir=repository,
        protocols=("file",),
        config=_CONFIG,
        timeout=SECONDS,
    )
    head = run_git("symbolic-ref", "HEAD", git_dir=seed).text.strip()
    run_git("symbolic-ref", "HEAD", head, git_dir=repository)
    config = repository / "config"
    quoted = origin_url.replace("\\", "\\\\").replace('"', '\\"')
    remote = f'[remote "origin"]\n\turl = "{quoted}"\n\tfetch = +refs/heads/*:refs/remotes/origin/*\n'
    write_sensitive_file(config, config.read_text("utf-8").replace("bare = true", "bare = false") + remote)
