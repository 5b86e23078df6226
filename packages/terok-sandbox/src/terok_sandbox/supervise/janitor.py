"""Clear away what is left of containers that Podman does not have any more: tokens, supervisor, sidecar, logs.

A container counts as gone only when Podman, asked for it by name under the container's launch lock, says that there is
none, and only while Podman looks at the storage that `terok-sandbox setup` saw: an error, a time-out or another storage
is never read as "gone". What is younger than an hour may belong to a container that is still to come. Run as
`python -m terok_sandbox.supervise.janitor` it sweeps once; every start of a fork server does that, so that a reboot
or a `podman rm` behind our back is made good.
"""

from __future__ import annotations

import argparse
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Final

from terok_util import TerokError, atomic_write

from terok_sandbox.config import SandboxConfig
from terok_sandbox.config.model import DIRECTORIES
from terok_sandbox.errors import ContainerBusy, EngineError
from terok_sandbox.launch.resources import launch_lock, remove_files, revoke_tokens
from terok_sandbox.runtime.engine import ask
from terok_sandbox.runtime.podman import PodmanRuntime
from terok_sandbox.runtime.protocol import ContainerRuntime
from terok_sandbox.supervise import client
from terok_sandbox.values.host import ContainerState
from terok_sandbox.values.names import is_plain
from terok_sandbox.vault.store import TokenRow
from terok_sandbox.vault.unlock import open_vault

LOCK_PATIENCE: Final = 0.5
"""Seconds. A container whose lock is held is being launched or removed, and left to whoever does that."""
GRACE: Final = 3600.0
"""Seconds. Tokens are made, and a container of somebody's own is prepared, before there is a container."""


@dataclass(slots=True)
class Swept:
    """Names of containers by what became of their remains; `failed` says why."""

    removed: list[str] = field(default_factory=list)
    busy: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)


def sweep(config: SandboxConfig, runtime: ContainerRuntime, *, grace: float = GRACE) -> Swept:
    """Clear away remains older than `grace` seconds; EngineError, nothing touched, if Podman is silent or another."""
    require_same_store(config)
    present = {row.name for row in runtime.containers_with_prefix("")}
    swept = Swept()
    latest = time.time() - grace
    traces = known_traces(config)
    for name in sorted(name for name, when in traces.items() if name not in present and when <= latest):
        try:
            _sweep_one(config, runtime, name, swept)
        except (TerokError, OSError) as error:
            swept.failed[name] = str(error)
    return swept


def known_traces(config: SandboxConfig) -> dict[str, float]:
    """Return, for every container of which there is a trace on this host, when the last of them was made (epoch)."""
    traces: dict[str, float] = {}

    def add(name: str, when: float) -> None:
        if is_plain(name):
            traces[name] = max(when, traces.get(name, 0.0))

    for path in config.sidecar_dir.glob("*.json"):
        add(path.stem, path.lstat().st_mtime)
    for directory in (config.state_dir / "containers", config.runtime_dir / "run"):
        for path in directory.glob("*"):
            add(path.name, path.lstat().st_mtime)
    rows: list[TokenRow] = []
    if config.db_path.exists():
        with suppress(TerokError), open_vault(config) as vault:  # a locked one cannot tell; what is in it stays
            rows = vault.list_tokens()
    for row in rows:
        add(row.container, datetime.fromisoformat(row.created_at).timestamp())
    return traces


def podman_store() -> str:
    """Return where Podman keeps its containers; EngineError when it does not say."""
    place = ask(["info", "--format", "{{.Store.GraphRoot}}"]).text.strip()
    if not place.startswith("/"):
        raise EngineError("podman does not say where it keeps its containers", hint="see what `podman info` says")
    return place


def remember_store(config: SandboxConfig) -> str:
    """Record Podman's storage as that of this user's sandboxes; returns its path."""
    place = podman_store()
    atomic_write(config.store_path, place + "\n", mode=0o600)
    return place


def require_same_store(config: SandboxConfig) -> None:
    """Raise EngineError unless Podman looks at the storage that was recorded."""
    place = podman_store()
    try:
        recorded = config.store_path.read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        recorded = ""
    if recorded != place:
        raise EngineError(
            f"podman keeps its containers in {place}, at setup it was {recorded or 'not recorded'}",
            hint="run `terok-sandbox setup` if that is meant to be so",
        )


def main(argv: list[str] | None = None) -> int:
    """Sweep once; says what was done."""
    parser = argparse.ArgumentParser(prog="terok-sandbox-janitor")
    for name in DIRECTORIES:
        parser.add_argument(f"--{name.replace('_', '-')}", type=Path, required=True)
    directories = vars(parser.parse_args(argv))
    try:
        config = replace(SandboxConfig.load(), **directories)
        swept = sweep(config, PodmanRuntime(config))
    except TerokError as error:
        sys.stderr.write(f"terok-sandbox janitor: {error.message}\n")
        return 1
    for name in swept.removed:
        sys.stderr.write(f"terok-sandbox janitor: cleared away what was left of {name}\n")
    for name, why in swept.failed.items():
        sys.stderr.write(f"terok-sandbox janitor: {name}: {why}\n")
    return 1 if swept.failed else 0


def _sweep_one(config: SandboxConfig, runtime: ContainerRuntime, name: str, swept: Swept) -> None:
    try:
        with launch_lock(config, name, timeout=LOCK_PATIENCE):
            if runtime.container(name).state is not ContainerState.MISSING:
                return
            client.stop_supervisor(config, name)
            revoke_tokens(config, name)  # before the files: a failure has to leave a trace to find it by
            remove_files(config, name)
            swept.removed.append(name)
    except ContainerBusy:
        swept.busy.append(name)


if __name__ == "__main__":
    sys.exit(main())
