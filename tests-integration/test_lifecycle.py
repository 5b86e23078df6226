"""Twenty containers at once, taken through everything that happens to containers: nothing of them is left."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from support import Shell
from terok_sandbox import RunSpec, Sandbox
from terok_sandbox.launch.spec import Wiring
from terok_sandbox.runtime.podman import PodmanRuntime
from terok_sandbox.supervise import client, janitor
from terok_sandbox.vault.unlock import open_vault

COUNT = 20
LANES = 5
SLEEP = str(86400 + os.getpid())
"""Seconds the containers would run: tells them from any other on this machine."""


def wait_for(condition: Callable[[], object], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def supervised(sandbox: Sandbox, name: str) -> bool:
    with suppress(client.NotRunningError):
        status = client.status(sandbox.config, name)
        return bool(status["prepared"]) and all(one["pid"] for one in status["workers"].values())
    return False


def traces(sandbox: Sandbox, names: list[str]) -> list[str]:
    """Return every file, token and socket that is left of *names*."""
    config = sandbox.config
    left = [name for name in janitor.known_traces(config) if name in names]
    for root in (config.state_dir, config.runtime_dir):
        left += [str(path) for path in root.rglob("*") if any(name in path.name for name in names)]
    with open_vault(config) as vault:
        left += [row.token_id for row in vault.list_tokens() if row.container in names]
    return left


def descendants(pid: int) -> set[int]:
    """Return every process below *pid*."""
    found: set[int] = set()
    waiting = [pid]
    while waiting:
        with suppress(OSError):
            below = Path(f"/proc/{waiting[-1]}/task/{waiting[-1]}/children").read_text().split()
            found.update(map(int, below))
            waiting[:-1] = [*waiting[:-1], *map(int, below)]
        waiting.pop()
    return found


def foreign_namespaces() -> list[str]:
    """Return the processes of this user that live in another network namespace than this one."""
    mine = os.readlink("/proc/self/ns/net")
    found = []
    for entry in filter(str.isdecimal, os.listdir("/proc")):
        with suppress(OSError):
            if os.readlink(f"/proc/{entry}/ns/net") != mine:
                found.append(Path(f"/proc/{entry}/cmdline").read_text().replace("\0", " "))
    return found


@pytest.fixture
def sandbox(ready: Shell) -> Sandbox:
    return Sandbox()


@pytest.fixture
def many(sandbox: Sandbox) -> Iterator[list[str]]:
    names = [f"many-{os.getpid()}-{number}" for number in range(COUNT)]
    yield names
    sandbox.rm(names)


def test_twenty_containers_leave_nothing(
    ready: Shell, sandbox: Sandbox, base_image: str, real_key: str, many: list[str]
) -> None:
    client.ensure_forkserver(sandbox.config)
    server = int(client.forkserver_status(sandbox.config)["pid"])
    others = descendants(server)

    def launch(name: str) -> None:
        with open_vault(sandbox.config) as vault:
            vault.create_token(name, "demo", "default")
        spec = RunSpec(
            container_name=name, image=base_image, workdir="/tmp", command=("sleep", SLEEP), wiring=Wiring(scope="many")
        )
        sandbox.run(spec)

    with ThreadPoolExecutor(LANES) as pool:
        list(pool.map(launch, many))
        list(pool.map(lambda name: wait_for(lambda: supervised(sandbox, name)), many))
        wait_for(lambda: len(descendants(server) - others) >= 5 * COUNT)
        assert len(descendants(server) - others) == 5 * COUNT, "supervisor, vault proxy, gateway, nft and uplink each"

        def restart(name: str) -> None:
            ready("podman", "restart", "-t", "0", name)
            wait_for(lambda: supervised(sandbox, name))

        def kill(name: str) -> None:
            ready("podman", "kill", name)

        def stop_and_start(name: str) -> None:
            sandbox.stop(name, 0)
            sandbox.start(name)
            wait_for(lambda: supervised(sandbox, name))

        def remove_behind_our_back(name: str) -> None:
            ready("podman", "rm", "-f", "-t", "0", name)

        deeds = (restart, kill, stop_and_start, remove_behind_our_back)
        list(pool.map(lambda pair: deeds[pair[0] % len(deeds)](pair[1]), enumerate(many)))
        rest = [name for number, name in enumerate(many) if deeds[number % len(deeds)] is not remove_behind_our_back]
        assert all(result.removed for result in pool.map(lambda name: sandbox.rm(name)[0], rest))

    swept = janitor.sweep(sandbox.config, PodmanRuntime(sandbox.config), grace=0)
    assert set(many) - set(rest) <= set(swept.removed)
    assert not swept.failed
    assert traces(sandbox, many) == []
    wait_for(lambda: not descendants(server) - others)
    assert not [line for line in foreign_namespaces() if SLEEP in line]
    assert ready("podman", "ps", "-aq", "--filter", f"name=^many-{os.getpid()}-").out == ""
