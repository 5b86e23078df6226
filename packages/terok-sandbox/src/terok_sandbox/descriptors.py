"""Wait for descriptors: pipes of programs, and pidfds, which are readable once their process has ended."""

from __future__ import annotations

import os
import select


def is_readable(descriptor: int, seconds: float | None = 0.0) -> bool:
    """Wait up to `seconds` (None: as long as it takes) and tell whether a descriptor is readable."""
    poller = select.poll()
    poller.register(descriptor, select.POLLIN)
    return bool(poller.poll(None if seconds is None else max(0.0, seconds) * 1000))


def has_ended(pid: int, seconds: float | None = 0.0) -> bool:
    """Wait up to `seconds` and tell whether a process has ended; it is not reaped. Raises OSError if there is none."""
    pidfd = os.pidfd_open(pid)
    try:
        return is_readable(pidfd, seconds)
    finally:
        os.close(pidfd)


async def until_ready(descriptor: int, *, writing: bool = False) -> None:
    """Wait in the event loop until a descriptor can be read or written."""
    import asyncio  # verbs that wait without an event loop start sooner

    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    add, remove = (loop.add_writer, loop.remove_writer) if writing else (loop.add_reader, loop.remove_reader)
    add(descriptor, ready.set)
    try:
        await ready.wait()
    finally:
        remove(descriptor)


async def read_some(descriptor: int, size: int) -> bytes:
    """Return what a non-blocking descriptor has next, at most `size` bytes; nothing at its end."""
    while True:
        try:
            return os.read(descriptor, size)
        except BlockingIOError:
            await until_ready(descriptor)


async def write_all(descriptor: int, data: bytes) -> None:
    """Write `data` to a non-blocking descriptor; raises OSError when nobody reads any more."""
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(descriptor, rest) :]
        except BlockingIOError:
            await until_ready(descriptor, writing=True)
