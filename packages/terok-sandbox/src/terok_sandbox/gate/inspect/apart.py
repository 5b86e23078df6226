"""Do work on hostile bytes in a process of its own, which ends when it wants more than it may have."""

from __future__ import annotations

import gc
import logging
import os
import resource
import signal
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final, NoReturn

from terok_util.process import attend as attend  # the fork runs git, and may import nothing that another thread imports
from terok_util.process import kill_tree

from terok_sandbox import hygiene
from terok_sandbox.gate.allowance import Allowance
from terok_sandbox.gate.backend import wait_for_exit

_NO_MEMORY: Final = 71
_FAILED: Final = 70

log = logging.getLogger(__name__)


class Apart:
    """A fork of this process that runs `work` and ends; it has `descriptors` and no others of ours.

    It gets SIGTERM when this thread ends.
    """

    def __init__(self, work: Callable[[], None], descriptors: Iterable[int]) -> None:
        parent = os.getpid()
        with warnings.catch_warnings():
            # Python warns of threads whose locks the fork would wait for; it uses none of theirs.
            warnings.simplefilter("ignore", DeprecationWarning)
            self._pid = os.fork()
        if self._pid == 0:
            _become(work, descriptors, parent)
        self._running = True

    async def ended(self) -> str:
        """Wait for its end and return what went wrong, in words; empty when nothing did."""
        await wait_for_exit(self._pid)
        return _in_words(self._collected())

    def end(self) -> None:
        """End it now, with what it has started."""
        if self._running and os.waitpid(self._pid, os.WNOHANG)[0] == 0:
            kill_tree(self._pid, 0.0)
            self._collected()
        self._running = False

    def _collected(self) -> int:
        self._running = False
        return os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])


def limit_to(allowed: Allowance) -> None:
    """Let this process allocate and use what is `allowed` beyond what it has and has used already."""
    pages = int(Path("/proc/self/statm").read_bytes().split()[5])
    memory = pages * resource.getpagesize() + allowed.memory
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = int(used.ru_utime + used.ru_stime) + allowed.seconds
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))


def _in_words(code: int) -> str:
    if code == 0:
        return ""
    if code == _NO_MEMORY:
        return "it takes more memory than a push of its size may"
    if code == -signal.SIGXCPU:
        return "it takes more time of a processor than a push of its size may"
    return f"the inspection ended with {code}"


def _become(work: Callable[[], None], descriptors: Iterable[int], parent: int) -> NoReturn:
    code = _FAILED
    try:
        os.setpgid(0, 0)
        hygiene.die_with_parent(parent)
        hygiene.reset_signals()
        hygiene.keep_only(descriptors)
        gc.freeze()  # what the parent owns is not collected here: it would close descriptors of ours
        work()
        code = 0
    except MemoryError:
        code = _NO_MEMORY
    except BaseException:
        log.exception("an inspection failed")
    finally:
        os._exit(code)
