"""One container for each enforcement, a resolver of the test, and a network that notices what gets out."""

from __future__ import annotations

import secrets
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from attack_support import RULES, Names, Walled
from support import Shell, contacts


@pytest.fixture(scope="session")
def names() -> Iterator[Names]:
    """Serve the zone on a port of this host's loopback."""
    found, one = Names(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    one.bind(("127.0.0.1", 0))
    one.settimeout(0.2)
    found.port = one.getsockname()[1]
    ending = threading.Event()

    def serve() -> None:
        while not ending.is_set():
            try:
                data, peer = one.recvfrom(4096)
                one.sendto(found.answer(data), peer)
            except TimeoutError:
                continue

    thread = threading.Thread(target=serve)
    thread.start()
    yield found
    ending.set()
    thread.join()
    one.close()


def _container(ready: Shell, base_image: str, names: Names, mode: str) -> Iterator[Walled]:
    name = f"shield-attack-{mode}-{secrets.token_hex(3)}"
    config = Path(ready.environment["TEROK_ROOT"]) / "config/config.yml"
    before = config.read_text() if config.exists() else None
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text(f'shield:\n  resolvers: ["127.0.0.1:{names.port}"]\n')
    try:
        allow = [word for rule in RULES for word in ("--allow", rule)]
        airlock = ["--airlock"] if mode == "airlock" else []
        ready("terok-sandbox", "run", "-d", "--name", name, *allow, *airlock, base_image, "--", "sleep", "7200")
    finally:
        config.write_text(before) if before is not None else config.unlink()
    yield Walled(ready, name, mode)
    ready("terok-sandbox", "rm", name, code=None)


@pytest.fixture(scope="session", params=["filter", "airlock"])
def walled(request: pytest.FixtureRequest, ready: Shell, base_image: str, names: Names) -> Iterator[Walled]:
    """Give a container of each enforcement."""
    yield from _container(ready, base_image, names, request.param)


@pytest.fixture(scope="session")
def airlocked(ready: Shell, base_image: str, names: Names) -> Iterator[Walled]:
    """Give a container behind the egress proxy."""
    yield from _container(ready, base_image, names, "airlock")


@pytest.fixture
def lab() -> Iterator[Callable[[], list[dict]]]:
    """Return a reader of the contacts that the laboratory network recorded since the test began."""
    before = len(contacts())
    yield lambda: contacts(since=before)
