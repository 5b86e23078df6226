"""Turn a fork of the supervisor into a worker: keep its descriptors, confine it, serve.

A worker is confined to its own files and ports before it reads a byte from the container. The supervisor itself is not,
because a confined process may not look at processes outside, which every handover needs; it reads nothing that a
container has written.
"""

from __future__ import annotations

import gc
import logging
import os
import shutil
import sys
import traceback
from collections.abc import Iterable
from pathlib import Path
from typing import Final, NoReturn

from terok_util.logs import configure_logging

from terok_sandbox import hygiene
from terok_sandbox.netns.worker_context import WorkerContext, WorkerEntry
from terok_sandbox.sidecar import Sidecar
from terok_sandbox.supervise import landlock
from terok_sandbox.supervise.landlock import Confinement
from terok_sandbox.values.servers import parse_server

SYSTEM: Final = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc", "/proc", "/nix/store")
DEVICES: Final = ("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom")
INDIRECT: Final = (
    *("/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/localtime", "/etc/pki"),
    *("/etc/ssl", "/etc/ssl/cert.pem", "/etc/ssl/certs", "/etc/ssl/certs/ca-certificates.crt"),
)
"""Files of the host that are symlinks on some systems, to places where no other rule leads."""
DNS_PORT: Final = 53


def confinement_of(worker: str, sidecar: Sidecar) -> Confinement:
    """Return what the worker `broker` or `gateway` of the container of `sidecar` may reach."""
    common = [*existing(SYSTEM), *interpreter(), *targets(INDIRECT)]
    if worker == "broker":
        return _broker(sidecar, common)
    return _gateway(sidecar, common)


def interpreter() -> list[Path]:
    """Return where Python, its library and the imported packages are."""
    places = [sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix, *sys.path]
    return existing(place for place in places if place and place != "/")


def targets(paths: Iterable[str]) -> list[Path]:
    """Return the directories to which symlinked `paths` lead: a rule holds for a file, and files get replaced."""
    directories = []
    for path in paths:
        real = os.path.realpath(path)
        if real != path and os.path.exists(real):  # noqa: PTH110 - text in, text out
            directories.append(real if os.path.isdir(real) else os.path.dirname(real))  # noqa: PTH112, PTH120
    return existing(path for path in directories if path != "/")


def existing(paths: Iterable[str]) -> list[Path]:
    """Return the resolved `paths` that exist, each once."""
    return list(dict.fromkeys(Path(real) for path in paths if os.path.exists(real := os.path.realpath(path))))  # noqa: PTH110


def _broker(sidecar: Sidecar, common: list[Path]) -> Confinement:
    """Let it read routes, session, posture and certificates, write the database and its audit, and execute nothing."""
    read, write = [*common, *_certificates(), sidecar.gateway_dir], []
    if sidecar.vault is not None:
        read.append(sidecar.vault.routes_path.parent)  # replaced by renaming, so the directory counts
        if sidecar.vault.passphrase_file is not None:
            read.append(sidecar.vault.passphrase_file.parent)
        write += [sidecar.vault.db_path.parent, sidecar.vault.audit_path.parent]
        if sidecar.vault.usage is not None:
            if sidecar.vault.usage.prices is not None:
                read.append(sidecar.vault.usage.prices.parent)
            write.append(sidecar.vault.usage.journal.parent)
    return Confinement(read=tuple(read), write=tuple(write), devices=tuple(existing(DEVICES)))


def _gateway(sidecar: Sidecar, common: list[Path]) -> Confinement:
    """Let it execute git and the hook of the one mirror, write that, its audit and its requests, ask name servers."""
    execute, write = [*existing(SYSTEM), *_git()], [sidecar.gateway_dir]
    # The requests' socket and what the container may read of their answers.
    write += [sidecar.runtime_dir / "clearance", sidecar.runtime_dir / "guest" / "clearance"]
    if sidecar.gate is not None:
        write.append(sidecar.gate.mirror)
        execute.append(sidecar.gate.mirror / "hooks")
    return Confinement(
        read=tuple(common),
        execute=tuple(execute),
        write=tuple(write),
        devices=tuple(existing(DEVICES)),
        connect=None if sidecar.shield.enforcement == "airlock" else _resolver_ports(sidecar),
    )


def _resolver_ports(sidecar: Sidecar) -> tuple[int, ...]:
    return tuple({DNS_PORT, *sidecar.loopback_ports, *(parse_server(text)[1] for text in sidecar.shield.resolvers)})


def _certificates() -> list[Path]:
    named = [
        os.environ[name] for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE") if os.environ.get(name)
    ]
    return [*existing(named), *targets(named)]


def _git() -> list[Path]:
    git = shutil.which("git")
    prefix = None if git is None else Path(os.path.realpath(git)).parent.parent
    return [] if prefix is None or prefix == Path("/") else [prefix]


_EXIT_CRASH = 70
_EXIT_NO_MEMORY = 71


def become_worker(
    name: str, entry: WorkerEntry, context: WorkerContext, *, parent: int, error_fd: int, report_fd: int, memory: int
) -> NoReturn:
    """Turn this freshly forked process into the worker `name`; never returns to the supervisor's code.

    What it is confined to is written to `report_fd`, which is then closed. A worker that needs more than `memory` bytes
    ends: what it was doing fails, nothing is let through, and the supervisor starts the next one.
    """
    code = _EXIT_CRASH
    try:
        hygiene.leave_parent(parent)
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
