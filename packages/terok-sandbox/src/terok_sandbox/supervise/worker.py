"""Turn a fork of the supervisor into a worker: keep its descriptors, confine it, serve."""

from __future__ import annotations

import gc
import logging
import os
import sys
import traceback
from typing import TYPE_CHECKING, NoReturn

from terok_util.logs import configure_logging

from terok_sandbox import hygiene
from terok_sandbox.supervise import landlock
from terok_sandbox.supervise.confinement import confinement_of

if TYPE_CHECKING:
    from terok_sandbox.netns.worker_context import WorkerContext, WorkerEntry
    from terok_sandbox.sidecar import Sidecar

_EXIT_CRASH = 70
_EXIT_NO_MEMORY = 71


def become_worker(
    name: str,
    entry: WorkerEntry,
    context: WorkerContext,
    *,
    parent: int,
    error_fd: int,
    report_fd: int,
    memory: int,
) -> NoReturn:
    """Turn this freshly forked process into the worker `name`; never returns to the supervisor's code.

    What it is confined to is written to `report_fd`, which is then closed. A worker that needs more than `memory` bytes
    ends: what it was doing fails, nothing is let through, and the supervisor starts the next one.
    """
    code = _EXIT_CRASH
    try:
        os.setpgid(0, 0)
        hygiene.die_with_parent(parent)
        hygiene.reset_signals()
        hygiene.null_standard_streams(error_fd)
        hygiene.keep_only({*context.descriptors(), report_fd})
        hygiene.harden(f"terok-{name}")
        hygiene.bound(memory)
        hygiene.gain_nothing()
        hygiene.reseed()
        logging.getLogger().addHandler(_EndWithoutMemory())  # first: the other one drops what it has written
        configure_logging(f"{name}[{os.getpid()}]", stream=sys.stderr)
        os.write(report_fd, confine(name, context.sidecar).encode())
        os.close(report_fd)
        gc.enable()
        code = entry(context)
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    except KeyboardInterrupt:
        code = 130
    except BaseException:  # noqa: BLE001 - nothing may unwind into the supervisor's frames
        traceback.print_exc()
    finally:
        logging.shutdown()
        os._exit(code)


class _EndWithoutMemory(logging.Handler):
    """Ends the process when a MemoryError gets into its log: what took the memory may hold it for good."""

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and isinstance(record.exc_info[1], MemoryError):
            os.write(2, b"more memory than a worker may have; it is started anew\n")
            os._exit(_EXIT_NO_MEMORY)


def confine(name: str, sidecar: Sidecar) -> str:
    """Confine this process to what worker `name` may reach; return what that covers.

    It runs after the last descriptor was inherited and before the first byte from the container is read. A kernel that
    cannot, or will not, leaves the worker unconfined and the answer says so: namespaces and rules do not depend on it.
    """
    try:
        return landlock.enter(confinement_of(name, sidecar))
    except OSError as error:
        return f"failed: {error.strerror}"
