"""Harden a forked process before it touches anything: descriptors, signals, limits, entropy."""

from __future__ import annotations

import ctypes
import mmap
import os
import re
import resource
import signal
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

from terok_sandbox.errors import SupervisorError

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_DUMPABLE: Final = 4
_PR_SET_NAME: Final = 15
_PR_SET_CHILD_SUBREAPER: Final = 36
_PR_SET_NO_NEW_PRIVS: Final = 38

_DESCRIPTORS: Final = 65536
"""More than all the connections of one container need; a session's usual 1024 is less."""

_UNCHANGED: Final = re.compile(
    rb"^(\w+)-(\w+) r-.p [^/\n]*/.*\n(?:[A-Z].*\n)*?Anonymous: +0 kB\n(?:[A-Z].*\n)*?Swap: +0 kB$", re.MULTILINE
)
"""A mapping of a file in `/proc/PID/smaps` that cannot be written to, and no page of which was replaced before."""

_libc: Final = ctypes.CDLL(None, use_errno=True)


def prctl(option: int, value: int | bytes) -> None:
    """Set an attribute of this process; raises OSError."""
    argument = ctypes.c_char_p(value) if isinstance(value, bytes) else ctypes.c_ulong(value)
    zero = ctypes.c_ulong(0)
    if _libc.prctl(option, argument, zero, zero, zero) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def harden(title: str) -> None:
    """Name the process, leave no core file, and let no process of this user read its memory or trace it."""
    prctl(_PR_SET_NAME, title.encode()[:15])
    not_dumpable()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def not_dumpable() -> None:
    """Leave no core file, whatever collects them, and let no process of this user read this one's memory."""
    prctl(_PR_SET_DUMPABLE, 0)


def bound(memory: int) -> None:
    """Let this process write to `memory` bytes of its own at most, and open as many descriptors as its user may.

    The kernel refuses what would be more, which Python makes a MemoryError. Programs started by `terok_util.process`
    have their own limits.
    """
    for name, wanted in ((resource.RLIMIT_DATA, memory), (resource.RLIMIT_NOFILE, _DESCRIPTORS)):
        _, hard = resource.getrlimit(name)
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with suppress(OSError):
            resource.setrlimit(name, (soft, hard))


def unmap_unchanged() -> None:
    """Give back the pages of mapped files that are as on disk: the kernel reads again what is used again."""
    with suppress(OSError):  # a kernel without CONFIG_PROC_PAGE_MONITOR
        for found in _UNCHANGED.finditer(Path("/proc/self/smaps").read_bytes()):
            start, end = (int(edge, 16) for edge in found.groups())
            _libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), mmap.MADV_DONTNEED)


def gain_nothing() -> None:
    """Keep programs executed from here on from gaining privileges by set-user-ID bits or file capabilities."""
    prctl(_PR_SET_NO_NEW_PRIVS, 1)


def adopt_orphans() -> None:
    """Become the parent of orphaned grandchildren, so that they can be ended too."""
    prctl(_PR_SET_CHILD_SUBREAPER, 1)


def end_orphans(known: set[int], *, patience: float = 1.0) -> int:
    """Kill and reap every child of this process that is not in `known`, and what those have started.

    Returns how many there were. Takes at most `patience` seconds: a process stuck in the kernel is left.
    """
    ended = 0
    deadline = time.monotonic() + patience
    while (orphans := _children() - known) and time.monotonic() < deadline:
        for pid in orphans:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            with suppress(ChildProcessError):
                ended += os.waitpid(pid, os.WNOHANG)[0] == pid
        time.sleep(0.002)
    return ended


def _children() -> set[int]:
    try:
        return {int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()}
    except OSError:  # a kernel without CONFIG_PROC_CHILDREN
        return set()


def leave_parent(parent: int) -> None:
    """Make a fork of `parent` a process group of its own, with default signals, that ends when `parent` does."""
    os.setpgid(0, 0)
    die_with_parent(parent)
    reset_signals()


def die_with_parent(parent: int, number: int = signal.SIGTERM) -> None:
    """Get a signal when `parent` ends, also after an exec; end at once if it already has.

    Comes after every change of identity: those clear it.
    """
    prctl(_PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:
        os._exit(1)


def normal_oom_score() -> None:
    """Undo a raised score inherited from a desktop session; needs to be dumpable still."""
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("0")


def reset_signals() -> None:
    """Unblock all signals and restore the default action of those that end a process."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def reseed() -> None:
    """Make the TLS library's random generator differ from its siblings'; Python's own reseeds itself at a fork."""
    ssl = sys.modules.get("ssl")
    if ssl is not None:
        ssl.RAND_add(os.urandom(32), 32.0)


def keep_only(descriptors: Iterable[int]) -> None:
    """Close every descriptor that is neither in `descriptors` nor standard; raises when one is left.

    Python objects of the parent that own a closed descriptor must stay referenced until the process ends (the frames
    below the fork do that): collected, they would close a number that has a new owner.
    """
    kept = {0, 1, 2, *descriptors}
    for number in _open_descriptors() - kept:
        with suppress(OSError):  # the one that listed the directory is closed already
            os.close(number)
    left = {number for number in _open_descriptors() - kept if _is_open(number)}
    if left:
        raise SupervisorError(f"descriptors {sorted(left)} of another process are still open")


def _open_descriptors() -> set[int]:
    return {int(name) for name in os.listdir("/proc/self/fd")}  # noqa: PTH208 - numbers, not paths


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def null_standard_streams(error_fd: int | None = None) -> None:
    """Point standard input and output at /dev/null, and standard error at `error_fd` or /dev/null."""
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    os.dup2(null, 0)
    os.dup2(null if error_fd is None else error_fd, 1)
    os.dup2(null if error_fd is None else error_fd, 2)
    if null > 2:
        os.close(null)
