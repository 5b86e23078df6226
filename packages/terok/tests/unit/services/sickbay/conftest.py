"""A fault injector: each fault is found with its cause, most are mended. The faults stand in a file for each room."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from terok.model.task import Task
from terok.paths import controller_socket
from terok.services import Tasks, health
from terok.services.checks import Finding
from terok.services.health import Health, Sickbay
from terok.wire import client
from terok.wire.protocol import encode
from terok_executor import AgentRoster
from terok_sandbox import FakeRuntime, FakeSupervisor, RunSpec, Sandbox, SandboxConfig, make_sidecar
from terok_sandbox.vault.passphrase.record import update_record
from terok_sandbox.vault.unlock import provision_session
from terok_util import ensure_dir

from ..conftest import PlainEngine
from ..test_tasks import finished, run

DEAD = [1, 1, "another boot"]
LONG_AGO = time.time() - 7200.0


class Controller:
    """A controller as far as anybody can tell who asks whether it is there; one that is `silent` takes no request."""

    def __init__(self, *, silent: bool = False) -> None:
        path = controller_socket()
        path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(8)
        if not silent:
            threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                channel, _ = self._listener.accept()
            except OSError:
                return
            with channel:
                if channel.recv(4096):
                    channel.sendall(encode("ok"))

    def end(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        controller_socket().unlink(missing_ok=True)


@dataclass
class Ward:
    """A healthy terok with a task that runs and one that is over; faults are put into it."""

    root: Path
    tasks: Tasks
    engine: PlainEngine
    runtime: FakeRuntime
    sandbox: Sandbox
    controller: Controller
    running: Task
    over: Task
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def config(self) -> SandboxConfig:
        return self.sandbox.config

    @property
    def project(self) -> Path:
        return self.root / "config/projects/web/project.yml"

    def add(self, text: str) -> None:
        self.project.write_text(self.project.read_text() + text)

    def wire(self, task: Task) -> None:
        """Give a task's container a sidecar, as its launch does."""
        spec = RunSpec(container_name=task.container, image="base", command=("true",))
        ensure_dir(self.config.sidecar_dir)
        make_sidecar(self.config, spec).save(self.config.sidecar_path(task.container))

    def change(self, statement: str, *values: object) -> None:
        with self.tasks.store.write() as writer:
            writer.rows(statement, *values)

    def state_of(self, task: Task, text: str) -> None:
        """Make the engine say something of a task's container since a while."""
        self.engine._put(task.container, text)
        os.utime(self.engine._state(task.container), (LONG_AGO, LONG_AGO))

    def look(self, *, fix: bool = False, **only: object) -> Health:
        def opened() -> Tasks:
            tasks = Tasks(create=False)
            tasks._engines["local"] = self.engine
            return tasks

        return Sickbay(opened, self.sandbox).examine(fix=fix, **only)  # type: ignore[arg-type]


def alarms(found: Health) -> list[Finding]:
    return [one for one in found.findings if one.level in ("warn", "error")]


@pytest.fixture
def ward(
    root: Path, tasks: Tasks, engine: PlainEngine, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Ward]:
    upstream = root / "upstream"
    subprocess.run(["git", "init", "-q", str(upstream)], check=True)
    (root / "shared").mkdir()
    (root / "config/providers").mkdir()
    (root / "config/providers/demo.yaml").write_text("upstream: https://provider.example.test\n")
    (root / "config/projects/web/project.yml").write_text(
        f"git: {{upstream: {upstream}}}\nagent: {{name: demo}}\nshared: {{dir: {root / 'shared'}}}\n"
    )
    monkeypatch.setenv("CONTAINERS_CONF", str(root / "containers.conf"))
    monkeypatch.setattr(client, "ANSWER", 0.5)
    if "host" not in request.fixturenames:
        monkeypatch.setattr(health, "of_host", lambda view: iter(()))
    runtime = FakeRuntime({"base": {}})
    sandbox = Sandbox(SandboxConfig.load(), runtime=runtime, supervision=FakeSupervisor())
    provision_session(sandbox.config, tier="file")
    update_record(sandbox.config, acknowledged=True)
    with open_vault_of(sandbox.config) as vault:
        vault.store_credential("default", "demo", {"type": "api_key", "key": "k" * 40})
    AgentRoster.load().ensure_vault_routes(sandbox.config)
    one = Ward(root, tasks, engine, runtime, sandbox, Controller(), run(tasks), finished(tasks))
    for task in (one.running, one.over):
        one.wire(task)
    # Whoever wakes the controller finds it running afterwards.
    monkeypatch.setattr(Tasks, "wake_controller", lambda self: revived(one))
    yield one
    one.controller.end()
    for process in one.processes:
        process.kill()
        process.wait()


def open_vault_of(config: SandboxConfig):  # type: ignore[no-untyped-def]
    from terok_sandbox import open_vault

    return open_vault(config)


def revived(ward: Ward) -> None:
    ward.controller.end()
    ward.controller = Controller()


@dataclass(frozen=True)
class Fault:
    """A fault: how it comes about, the cause that must be named, and whether `--fix` mends it."""

    name: str
    inject: Callable[[Ward], object]
    cause: str
    mended: bool = True


def task_row(ward: Ward, **columns: object) -> None:
    names = ", ".join(f'"{name}" = ?' for name in columns)
    ward.change(f"UPDATE tasks SET {names} WHERE id = ?", *columns.values(), ward.running.id)


def judge(ward: Ward, fault: Fault) -> None:
    before = {(one.check, one.text) for one in alarms(ward.look())}
    fault.inject(ward)
    found = [one for one in alarms(ward.look()) if (one.check, one.text) not in before]
    named = [one for one in found if re.search(fault.cause, one.text)]
    assert named, [(one.check, one.text) for one in found]
    assert not fault.mended or any(one.mend is not None for one in named)
    after = ward.look(fix=True)
    left = [one for one in alarms(after) if (one.check, one.text) not in before]
    if fault.mended:
        # A mirror that a test makes is no whole one; what is not of the fault is for the test of a healthy host.
        assert [one.text for one in left if re.search(fault.cause, one.text)] == []
        assert after.failed == []
        assert any(re.search(fault.cause, one.text) for one in after.mended)
    else:
        assert any(re.search(fault.cause, one.text) for one in left)
