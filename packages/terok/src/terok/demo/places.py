"""The places of a container in which a secret could lie, read from outside and searched."""

from __future__ import annotations

import io
import json
import os
import stat
import tarfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from terok_util.process import DEVNULL, PIPE, kill_tree, run, spawn

from terok.demo.observed import KeySearch, SearchedPlace
from terok.demo.processes import Process
from terok.demo.search import ByteSearch
from terok.errors import DemoError

KEY, STAND_IN = "key", "stand-in"
EXPORT_SECONDS = 600.0
PROBE_SECONDS = 60.0
PIECE = 1024 * 1024


def search_container(name: str, processes: Sequence[Process], output: bytes, secrets: Mapping[str, str]) -> KeySearch:
    """Search everything a container has for the secrets named KEY and STAND_IN.

    Looked at are the arguments and environments of its `processes`, its `output`, its whole file system, and the host
    directories mounted into it. DemoError if Podman does not hand the file system over.
    """
    environments = [process.environment for process in processes if process.environment is not None]
    mounted = ByteSearch(secrets)
    read, unreadable = search_files(_mounts(name), mounted)
    places = (
        _search("arguments of processes", [process.command for process in processes], secrets),
        _search("environments of processes", environments, secrets),
        _search("output of the agent", [output], secrets),
        _search_export(name, secrets),
        _place("files mounted into it", read, mounted),
    )
    return KeySearch(places, unreadable + len(processes) - len(environments))


def environment_value(name: str, variable: str) -> str | None:
    """Return a variable of the environment that the container was created with."""
    entries = _inspect(name, "{{json .Config.Env}}")
    found = (str(entry).partition("=") for entry in entries if isinstance(entries, list))
    return next((value for key, _, value in found if key == variable and value), None)


def search_files(roots: Sequence[Path], search: ByteSearch) -> tuple[int, int]:
    """Search every regular file at and below `roots`, following no link; return how many were read and how many not."""
    read = failed = 0
    waiting = list(roots)
    while waiting:
        path = waiting.pop()
        try:
            mode = path.lstat().st_mode
            if stat.S_ISDIR(mode):
                waiting += sorted(path.iterdir(), reverse=True)
            elif stat.S_ISREG(mode):
                descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
                with os.fdopen(descriptor, "rb") as file:
                    while piece := file.read(PIECE):
                        search.feed(piece)
                search.next_stream()
                read += 1
        except FileNotFoundError:
            continue
        except OSError:
            failed += 1
    return read, failed


def search_tar(stream: IO[bytes], search: ByteSearch, *, deadline: float) -> int:
    """Search every byte of a tar stream and return how many members it has; DemoError if it breaks off."""
    try:
        with tarfile.open(fileobj=_Searched(stream, search, deadline), mode="r|", bufsize=PIECE) as archive:
            return sum(1 for _ in archive)
    except (tarfile.TarError, EOFError, ValueError, OSError) as error:
        raise DemoError(f"the container's file system could not be read to its end: {error}") from error


class _Searched(io.BufferedIOBase):
    """A readable stream whose bytes are searched as they pass."""

    def __init__(self, stream: IO[bytes], search: ByteSearch, deadline: float) -> None:
        super().__init__()
        self._stream = stream
        self._search = search
        self._deadline = deadline

    def read(self, size: int | None = -1, /) -> bytes:
        if time.monotonic() > self._deadline:
            raise DemoError("the container's file system could not be read in time")
        piece = self._stream.read(-1 if size is None else size)
        self._search.feed(piece)
        return piece


def _search(name: str, pieces: Sequence[bytes], secrets: Mapping[str, str]) -> SearchedPlace:
    search = ByteSearch(secrets)
    search.feed_all(pieces)
    return _place(name, len(pieces), search)


def _search_export(name: str, secrets: Mapping[str, str]) -> SearchedPlace:
    search = ByteSearch(secrets)
    export = spawn(["podman", "export", name], stdout=PIPE, stderr=DEVNULL)
    try:
        assert export.stdout is not None
        members = search_tar(export.stdout, search, deadline=time.monotonic() + EXPORT_SECONDS)
        while rest := export.stdout.read(PIECE):
            search.feed(rest)
        if export.wait(timeout=PROBE_SECONDS) != 0:
            raise DemoError(f"podman did not hand over the file system of {name}")
    finally:
        kill_tree(export)
    return _place("file system", members, search)


def _place(name: str, items: int, search: ByteSearch) -> SearchedPlace:
    return SearchedPlace(name, items, search.bytes_seen, search.hits[KEY], search.hits.get(STAND_IN, 0))


def _mounts(name: str) -> list[Path]:
    mounts = _inspect(name, "{{json .Mounts}}")
    sources = (mount.get("Source") for mount in mounts if isinstance(mount, dict))
    return [Path(source) for source in sources if isinstance(source, str) and source.startswith("/")]


def _inspect(name: str, template: str) -> Any:
    answer = run(["podman", "container", "inspect", "--format", template, name], timeout=PROBE_SECONDS).stdout
    try:
        return json.loads(answer) or []
    except ValueError as error:
        raise DemoError(f"podman described {name} in a way that makes no sense") from error
