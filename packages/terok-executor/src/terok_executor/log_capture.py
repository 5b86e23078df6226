"""Copies a log stream into a file that is there whole or not at all."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from terok_util.process import kill_tree

if TYPE_CHECKING:
    from terok_executor.integrations.sandbox import ByteProcess

MAX_BYTES = 1024 * 1024 * 1024
_CHUNK = 64 * 1024


def capture(process: ByteProcess, dest: Path, *, timeout: float) -> bool:
    """Write the process's standard output to `dest` (0600); return whether all of it came within `timeout` seconds."""
    partial = dest.with_name(f".{dest.name}.{os.getpid()}.partial")
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            complete = _drain(process, file.write, time.monotonic() + timeout)
        if complete:
            partial.replace(dest)
        return complete
    except OSError:
        return False
    finally:
        kill_tree(process)
        if process.stdout is not None:
            process.stdout.close()
        partial.unlink(missing_ok=True)


def _drain(process: ByteProcess, write: Callable[[bytes], int], deadline: float) -> bool:
    assert process.stdout is not None
    source = process.stdout.fileno()
    total = 0
    while (rest := deadline - time.monotonic()) > 0:
        ready, _, _ = select.select([source], [], [], rest)
        if not ready:
            return False
        chunk = os.read(source, _CHUNK)
        if not chunk:
            return process.wait(timeout=max(0.1, rest)) == 0
        total += len(chunk)
        if total > MAX_BYTES:
            return False
        write(chunk)
    return False
