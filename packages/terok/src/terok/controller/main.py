"""The program: one controller per user, whoever starts it and however often."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from terok_util import FileLock, LockTimeout, TerokError, configure_logging, ensure_dir

from terok.controller.controller import Controller
from terok.controller.inotify import CREATED, DELETED, GONE, MODIFIED, MOVED_TO, TOUCHED, Watcher
from terok.paths import config_dir, controller_socket, database_path, projects_dir
from terok.store import Store
from terok.wire.client import start_controller

if TYPE_CHECKING:
    from pathlib import Path

LEAVING = 5.0
"""Seconds to wait for a controller that is just ending."""
_log = logging.getLogger(__name__)


def main() -> int:
    """Run until there is nothing to do; returns 0 also when another controller runs."""
    configure_logging("terok-controller", level=os.environ.get("TEROK_LOG", "WARNING"))
    path = controller_socket()
    again = False
    try:
        ensure_dir(path.parent)
        with FileLock(path.with_suffix(".lock"), timeout=0 if _answers(path) else LEAVING), Store() as store:
            try:
                again = asyncio.run(_serve(store, path))
            finally:
                path.unlink(missing_ok=True)
    except LockTimeout:
        return 0
    except TerokError as error:
        _log.error("%s", error.message)
        return error.exit_code
    if again:
        start_controller()
    return 0


async def _serve(store: Store, path: Path) -> bool:
    """Be the controller; returns whether something has happened while it ended that nobody has seen."""
    from terok.integrations.sandbox import Sandbox

    watcher = Watcher()
    controller = Controller(store, Sandbox())
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, partial(controller.stop, leave=True))
    _watch(controller, watcher)
    loop.add_reader(watcher, watcher.tell)
    try:
        with _listening(path) as listener:
            await controller.run(listener)
            return not controller.told and controller.unseen
    finally:
        loop.remove_reader(watcher)
        watcher.close()


def _watch(controller: Controller, watcher: Watcher) -> None:
    """Watch the database, and the configuration.

    Every commit writes to the database's log, and then, as soon as it can be read, sets the time of its file.
    """
    names = (database_path().name, f"{database_path().name}-wal", "")

    def written(mask: int, name: str) -> None:
        if mask & GONE:
            controller.stop()  # there is nothing left to look after
        elif name in names:
            controller.changed()

    watcher.watch(database_path().parent, MODIFIED | TOUCHED, written)
    _watch_configuration(controller, watcher)


def _watch_configuration(controller: Controller, watcher: Watcher) -> None:
    """Have the settings read again when they change; also those of projects that are made later."""

    def changed(mask: int, name: str) -> None:
        _watch_configuration(controller, watcher)
        controller.reload()

    for directory in (config_dir(), projects_dir(), *projects_dir().glob("*/")):
        with suppress(OSError):
            watcher.watch(directory, MODIFIED | MOVED_TO | CREATED | DELETED, changed, links=True)


def _listening(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    path.unlink(missing_ok=True)
    directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    before = os.umask(0o177)
    try:
        listener.bind(f"/proc/self/fd/{directory}/{path.name}")
    finally:
        os.umask(before)
        os.close(directory)
    listener.listen(64)
    return listener


def _answers(path: Path) -> bool:
    from terok.errors import ControllerError
    from terok.wire import ask

    try:
        ask("ping")
    except ControllerError:
        return False
    return path.exists()
