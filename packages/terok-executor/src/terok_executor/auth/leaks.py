"""Looks for the vault's secrets where containers keep files: byte for byte, in every spelling the vault knows.

The trees are written by containers: links are never followed, devices and pipes never opened.
"""

from __future__ import annotations

import os
import stat
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

from terok_util import safe_text
from terok_util.process import PIPE, find_tool, kill_tree, spawn
from terok_util.values import lean_dataclass

from terok_executor.auth.files import walk_inside
from terok_executor.credentials import SECRET_FIELDS
from terok_executor.errors import ExecutorError
from terok_executor.integrations.sandbox import MIN_SECRET, Patterns, SandboxConfig, open_vault

LOOKED_AT = ("/workspace", "/home/dev", "/tmp")  # noqa: S108 - in the container
_MAX_WORDS = 4096
_CHUNK = 1024 * 1024
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@lean_dataclass(frozen=True, slots=True)
class Leak:
    """A file with a secret in it. `container` is where it is, empty for this host; the secret is not shown."""

    path: str
    provider: str
    credential_set: str
    field: str
    container: str = ""
    removed: bool = False


@lean_dataclass(frozen=True, slots=True)
class Secret:
    """One secret of the vault, as the bytes that betray it."""

    provider: str
    credential_set: str
    field: str
    patterns: Patterns


def vault_secrets(config: SandboxConfig) -> list[Secret]:
    """Return the secrets of every stored credential that are long enough to be told from ordinary text."""
    if not config.db_path.exists():
        return []
    found = []
    with open_vault(config, interactive=True) as database:
        for row in database.list_credentials():
            credential = database.load_credential(row.credential_set, row.provider) or {}
            texts = {name: credential[name] for name in sorted(SECRET_FIELDS & credential.keys())}
            found += [
                Secret(row.provider, row.credential_set, name, Patterns([text]))
                for name, text in texts.items()
                if isinstance(text, str) and len(text) >= MIN_SECRET
            ]
    return found


def scan_trees(secrets: Iterable[Secret], roots: Iterable[Path], *, remove: bool = False) -> list[Leak]:
    """Return the files below `roots` that hold a secret; with `remove` they are removed.

    A file that cannot be read counts as one without secrets: it is not this user's. FileError if somebody moves
    directories meanwhile.
    """
    known = list(secrets)
    leaks: list[Leak] = []
    for root in roots:
        for names, parent, files in walk_inside(root):
            for name in files:
                found = _look(name, parent, known)
                gone = remove and bool(found) and _unlink(name, parent)
                path = str(root.joinpath(*names, name))
                leaks += [leak_of(secret, path, removed=gone) for secret in found]
    return leaks


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
                    pieces = iter(partial(content.read, _CHUNK), b"")
                    leaks += [leak_of(secret, path, container=name) for secret in secrets_in(pieces, secrets)]
    except (tarfile.TarError, OSError) as error:
        raise ExecutorError(f"the files of container {name} cannot be read: {error}") from None
    finally:
        kill_tree(process)
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()
    return leaks


def leak_of(secret: Secret, path: str, *, container: str = "", removed: bool = False) -> Leak:
    """Return the finding of a secret at a path."""
    return Leak(path, secret.provider, secret.credential_set, secret.field, container, removed)


def secrets_in(chunks: Iterable[bytes], secrets: list[Secret]) -> list[Secret]:
    """Return the secrets in a file that comes in pieces; one that lies across two pieces is found too."""
    overlap = max((secret.patterns.longest for secret in secrets), default=1) - 1
    held, left, found = b"", list(secrets), []
    for chunk in chunks:
        data = held + chunk
        hits = [secret for secret in left if secret.patterns.finds(data)]
        found += hits
        left = [secret for secret in left if secret not in hits]
        if not left:
            break
        held = data[-overlap:] if overlap > 0 else b""
    return found


def _written(descriptor: int) -> Iterator[bytes]:
    """Yield what was written of a file, piece by piece: a hole costs its writer nothing, and holds no secret."""
    position = 0
    with suppress(OSError):  # there is nothing but a hole up to the end
        while True:
            position = os.lseek(descriptor, position, os.SEEK_DATA)
            data = os.read(descriptor, _CHUNK)
            position += len(data)
            yield data


def _look(name: str, parent: int, secrets: list[Secret]) -> list[Secret]:
    with suppress(OSError):
        descriptor = os.open(name, _FLAGS, dir_fd=parent)
        try:
            if stat.S_ISREG(os.fstat(descriptor).st_mode):
                return secrets_in(_written(descriptor), secrets)
        finally:
            os.close(descriptor)
    return []


def _unlink(name: str, parent: int) -> bool:
    with suppress(OSError):
        os.unlink(name, dir_fd=parent)
        return True
    return False
