"""Moves of agents to the newest versions in their registries, and the checksums of those versions."""

from __future__ import annotations

import hashlib
import re
import ssl
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from terok_util import atomic_write, ensure_dir, safe_text, yaml
from terok_util.process import ProcessError, ToolNotFound, find_tool, run

from terok_executor.errors import BuildError, PrerequisiteError
from terok_executor.image.lock import ARCHITECTURES, LOCK_FILE, Lock, download_urls, package_names, pip_requirements
from terok_executor.roster.types import Installed, Tool

Ask = Callable[[str, str], str]
"""Returns one field of what the registry says about `NAME@VERSION`; empty text if it knows nothing."""
_SECONDS = 120.0
_MAX_DOWNLOAD = 512 * 1024 * 1024
_VERSION = re.compile(r"[0-9][A-Za-z0-9.+_-]{0,63}")


@dataclass(frozen=True, slots=True)
class Move:
    """An agent whose newest version differs from its present one."""

    agent: str
    present: str
    newest: str
    kind: str = "agents"
    """The directory of its file: `agents` or `tools`."""


def npm_registry() -> Ask:
    """Return a function that asks the registry of the host's npm; PrerequisiteError without npm."""
    try:
        tool = find_tool("npm")
    except ToolNotFound:
        hint = "install npm; nothing else needs it"
        raise PrerequisiteError("npm, which knows the registry to ask, is not installed", hint=hint) from None

    def ask(package: str, field: str) -> str:
        try:
            done = run([tool, "view", "--silent", package, field], timeout=_SECONDS, check=False, cwd=Path("/"))
        except ProcessError as error:
            raise BuildError(f"the registry cannot be asked about {package}: {error.message}") from None
        return done.text.strip() if done.returncode == 0 else ""

    return ask


def find_moves(agents: Iterable[Installed], ask: Ask) -> list[Move]:
    """Return the agents that can move; BuildError if the registry does not know one."""
    moves = []
    for agent in agents:
        npm = agent.install.npm
        if npm is None or not npm.track:
            continue
        newest = ask(npm.track, "version")
        if not _VERSION.fullmatch(newest):
            raise BuildError(f"the registry names no version of {npm.track}", hint="try again later")
        moves += _moves(agent, newest)
    return moves


def _moves(entry: Installed, newest: str) -> list[Move]:
    """Return the move of an agent or tool to a version, none if it has that."""
    kind = "tools" if isinstance(entry, Tool) else "agents"
    present = entry.install.version
    return [Move(entry.name, present, newest, kind)] if newest != present else []


def pin(agents: Iterable[Installed], versions: Mapping[str, str], ask: Ask) -> dict[str, str]:
    """Return the checksums of every package of the agents, at `versions` where that names one.

    BuildError if a package for this kind of machine has none; one for another kind is left unpinned.
    """
    pins = {}
    for agent in agents:
        npm = agent.install.npm
        if npm is None:
            continue
        version = versions.get(agent.name, agent.install.version)
        names = dict.fromkeys(name for arch in ARCHITECTURES for name in package_names(npm, version, arch))
        for name in names:
            if integrity := ask(name, "dist.integrity"):
                pins[name] = integrity
        if not any(name in pins for name in names):
            raise BuildError(f"the registry has no checksum for agent {agent.name} {version}", hint="try again later")
    return pins


def pip_pins(report: Any) -> tuple[str, dict[str, str]]:
    """Return the kind of machine of a report of pip, and the checksum of each package in it.

    BuildError if the report has another form than pip documents.
    """
    try:
        about = report["environment"]
        pins = {
            f"{package['metadata']['name']}=={package['metadata']['version']}": "sha256:"
            + package["download_info"]["archive_info"]["hashes"]["sha256"]
            for package in report["install"]
        }
        return f"{about['platform_machine']}-{about['python_version']}", pins
    except (KeyError, TypeError) as error:
        raise BuildError(f"pip's report cannot be used: {error!r}", hint="try again later") from None


def move_pip(agent: Installed, report: Any, lock: Lock) -> tuple[list[Move], Lock]:
    """Return whether an agent moves to the version in a report of pip, and its lock; raises as `pip_pins`."""
    pip = agent.install.pip
    assert pip is not None
    kind, pins = pip_pins(report)
    wanted = _canonical(pip.requirements[0].partition("==")[0])
    newest = next((name.partition("==")[2] for name in pins if _canonical(name.partition("==")[0]) == wanted), "")
    if not _VERSION.fullmatch(newest):
        raise BuildError(f"the index names no version of {wanted}", hint="try again later")
    key = " ".join(pip_requirements(pip, newest))
    return _moves(agent, newest), Lock({}, {key: {**lock.pip.get(key, {}), kind: pins}})


def move_download(entry: Installed, newest: str, digest: Callable[[str], str]) -> tuple[list[Move], Lock]:
    """Return whether an agent or tool moves to the version that its maker names, and the lock that pins its files.

    `digest` returns `sha256:…` of the content of an address; BuildError if nothing can be pinned.
    """
    stage = entry.install.download
    assert stage is not None
    newest = newest.strip().removeprefix("v") if stage.track else entry.install.version
    if not _VERSION.fullmatch(newest):
        raise BuildError(f"{stage.track} names no version of {entry.name}", hint="try again later")
    return _moves(entry, newest), Lock(files={url: digest(url) for url in download_urls(stage, newest).values()})


def fetch(url: str) -> Iterator[bytes]:
    """Yield the content of an address piece by piece; BuildError if it cannot be fetched."""
    identity = {"Accept-Encoding": "identity"}  # a digest is of the file, not of what a server makes of it on the way
    trust = ssl.create_default_context()  # the host's own authorities
    left = _MAX_DOWNLOAD
    try:
        with httpx.stream("GET", url, headers=identity, timeout=_SECONDS, follow_redirects=True, verify=trust) as reply:
            for piece in reply.raise_for_status().iter_raw():
                left -= len(piece)
                if left < 0:
                    raise BuildError(f"{url} is larger than {_MAX_DOWNLOAD >> 20} MiB", hint="nothing was pinned")
                yield piece
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        hint = "try again later"
        raise BuildError(f"{url} cannot be fetched: {safe_text(str(error), limit=200)}", hint=hint) from None


def digest_of(url: str) -> str:
    """Return `sha256:…` of the content of an address; raises as `fetch` does."""
    total = hashlib.sha256()
    for piece in fetch(url):
        total.update(piece)
    return f"sha256:{total.hexdigest()}"


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def write_moves(directory: Path, moves: Iterable[Move], pins: Lock, lock: Lock) -> None:
    """Write versions into files of agents and tools below `directory`, keeping comments, and the lock."""
    for move in moves:
        path = ensure_dir(directory / move.kind, mode=0o755) / f"{move.agent}.yaml"
        document = (yaml.load(path.read_text("utf-8")) if path.exists() else None) or {}
        document.setdefault("install", {})["version"] = move.newest
        atomic_write(path, yaml.dump(document))
    moved, asked = ({_named(name, at) for name in new} for new, at in ((pins.npm, "@"), (pins.pip, "==")))
    kept = Lock(
        {name: value for name, value in lock.npm.items() if _named(name, "@") not in moved},
        {name: value for name, value in lock.pip.items() if _named(name, "==") not in asked},
        lock.files,
    )
    atomic_write(directory / LOCK_FILE, pins.over(kept).text())


def _named(text: str, separator: str) -> str:
    return text.rpartition(separator)[0]
