"""Looks for the vault's secrets inside containers, through the archive that Podman makes of a directory."""

from __future__ import annotations

import tarfile
from collections.abc import Iterable

from terok_util import safe_text
from terok_util.process import PIPE, find_tool, kill_tree, spawn

from terok_executor.auth.leaks import Leak, Secret, leak_of, pieces, secrets_in
from terok_executor.errors import ExecutorError

LOOKED_AT = ("/workspace", "/home/dev", "/tmp")  # noqa: S108 - in the container
_MAX_WORDS = 4096


def scan_container(name: str, secrets: Iterable[Secret], directories: Iterable[str] = LOOKED_AT) -> list[Leak]:
    """Return the files of a container, running or not, that hold a secret; ExecutorError if it cannot be read."""
    known = list(secrets)
    return [leak for directory in directories for leak in _scan(name, directory, known)]


def _scan(name: str, directory: str, secrets: list[Secret]) -> list[Leak]:
    process = spawn([find_tool("podman"), "cp", f"{name}:{directory}", "-"], stdout=PIPE, stderr=PIPE)
    leaks = []
    try:
        if process.stdout is None or not process.stdout.peek(1):  # type: ignore[attr-defined]
            said = process.stderr.read(_MAX_WORDS).decode("utf-8", "replace") if process.stderr else ""
            if "no such file" in said or "no such container" in said:
                return []  # it has no such directory, or has been removed meanwhile
            raise ExecutorError(f"the files of container {name} cannot be read: {safe_text(said.strip(), limit=300)}")
        with tarfile.open(fileobj=process.stdout, mode="r|") as archive:
            for member in archive:
                content = archive.extractfile(member) if member.isreg() else None
                if content is not None:
                    path = f"{directory.rsplit('/', 1)[0]}/{safe_text(member.name, limit=500)}"
                    leaks += [leak_of(secret, path, container=name) for secret in secrets_in(pieces(content), secrets)]
    except (tarfile.TarError, OSError) as error:
        raise ExecutorError(f"the files of container {name} cannot be read: {error}") from None
    finally:
        kill_tree(process)
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()
    return leaks
