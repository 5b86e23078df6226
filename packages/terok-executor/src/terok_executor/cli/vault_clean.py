"""`vault clean`: looks for the vault's secrets in files that containers can read, and removes them on request."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from terok_util import FileError, safe_text, show

from terok_executor.auth.leaks import Leak, scan_container, scan_trees, vault_secrets
from terok_executor.errors import RequestError
from terok_executor.integrations.sandbox import Sandbox, SandboxConfig
from terok_executor.paths import mounts_dir


def clean(paths: list[str], containers: bool, remove: bool, as_json: bool) -> int:
    """List, and with `remove` remove, files with secrets; exit code 1 if one is still there."""
    extra = [Path(path) for path in paths]
    for path in extra:
        if not path.is_dir():
            raise RequestError(f"not a directory: {path}")
    config = SandboxConfig.load()
    secrets = vault_secrets(config)
    leaks, failed = [], False
    tasks = sorted(mounts_dir().iterdir()) if mounts_dir().is_dir() else []
    for root in (*tasks, *extra):
        try:
            leaks += scan_trees(secrets, [root], remove=remove)
        except FileError as error:  # the others are looked through all the same
            print(f"error: {safe_text(error.message)}; `terok-executor rm` removes a task", file=sys.stderr)
            failed = True
    if containers:
        runtime = Sandbox(config).runtime
        sidecars = {path.stem for path in config.sidecar_path("x").parent.glob("*.json")}
        for summary in runtime.containers_with_prefix(""):
            if summary.name in sidecars:
                leaks += scan_container(summary.name, secrets)
    show(leaks, as_json, _lines(leaks, len(secrets), failed=failed, remove=remove))
    return int(failed or any(not leak.removed for leak in leaks))


def _lines(leaks: list[Leak], secrets: int, *, failed: bool, remove: bool) -> Iterator[str]:
    for leak in leaks:
        where = f"{leak.container}:{leak.path}" if leak.container else leak.path
        label = f"{leak.field.replace('_', ' ')} of {leak.provider}, set {leak.credential_set}"
        yield f"{'removed' if leak.removed else 'found'}  {where}  ({label})"
    if not leaks and not failed:
        yield f"none of {secrets} secrets was found"
    elif not remove:
        yield "nothing was removed; --remove removes the files of this host, and what leaked has to be replaced"
