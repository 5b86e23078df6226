"""The programs that speak ACP for agents which do not do so themselves, as further things to install."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable
from dataclasses import dataclass

from terok_executor.image.lock import ARCHITECTURES, Lock
from terok_executor.roster.acp import MODULES
from terok_executor.roster.install import InstallSpec, NpmStage
from terok_executor.roster.types import Agent, Installed


@dataclass(frozen=True, slots=True)
class Adapter:
    """A part of an image beside its agent's; no agent has such a name."""

    name: str
    install: InstallSpec


Part = Installed | Adapter
"""Anything that an image is put together from."""


def with_adapters(entries: Iterable[Installed], lock: Lock) -> list[Part]:
    """Return the entries, each with its adapter behind it if that is installed by itself."""
    parts: list[Part] = []
    for entry in entries:
        parts.append(entry)
        if isinstance(entry, Agent) and entry.acp is not None and entry.acp.packages:
            parts.append(Adapter(f"{entry.name}.acp", _install(entry.name, entry.acp.packages, lock)))
    return parts


def _install(name: str, packages: Iterable[str], lock: Lock) -> InstallSpec:
    # Packages have a directory in common in their archives, so each is fetched and moved by itself.
    fetched = [line for package in packages for line in _fetch(package, lock.npm.get(package))]
    target = MODULES.replace("{name}", name)
    run = (*fetched, "mv node_modules /opt/stage/modules")
    return InstallSpec(npm=NpmStage(run=run, artifacts={"/opt/stage/modules": target}, node=True))


def _fetch(package: str, checksum: str | None) -> tuple[str, ...]:
    listed = json.dumps({arch: {package: checksum} for arch in ARCHITECTURES}, separators=(",", ":"))
    place = f"node_modules/{package.rpartition('@')[0]}"
    return (
        f"printf %s {shlex.quote(listed)} >/tmp/package.json",
        "terok-fetch-npm /tmp/package.json",
        f"mkdir -p {place.rpartition('/')[0]}",
        f"mv package {place}",
    )
