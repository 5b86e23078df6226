"""A fault injector: each fault is found with its cause, most are mended, and a healthy host is left in peace."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from terok.cli import main
from terok.errors import StoreNewer
from terok.model.admission import Waiting
from terok.model.task import Task
from terok.paths import controller_socket, database_path, tasks_dir, trash_dir
from terok.services import Tasks, checks_sandbox, health
from terok.services.at_once import at_once
from terok.services.checks import Check, Finding, exit_code, look_at
from terok.services.health import Health, Sickbay
from terok.services.marked import MARKER, make_marked
from terok.services.panic import Panic
from terok.store import Store
from terok.wire import client
from terok.wire.protocol import encode
from terok_executor import AgentRoster
from terok_sandbox import FakeRuntime, FakeSupervisor, RunSpec, Sandbox, SandboxConfig, make_sidecar, run_setup
from terok_sandbox.setup import seccomp, stages
from terok_sandbox.setup.prerequisites import Prerequisite
from terok_sandbox.vault.passphrase.record import update_record
from terok_sandbox.vault.unlock import provision_session
from terok_util import TerokError, ensure_dir

from .conftest import PlainEngine
from .test_tasks import finished, run

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


def controller_killed(ward: Ward) -> None:
    ward.controller.end()
    with ward.tasks.store.write() as writer:
        writer.set("controller", DEAD)


def controller_hangs(ward: Ward) -> None:
    from terok.store.lease import Lease, _boot, _started

    ward.controller.end()
    ward.controller = Controller(silent=True)
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    ward.processes.append(process)
    with ward.tasks.store.write() as writer:
        writer.set("controller", Lease(process.pid, _started(process.pid) or 0, _boot()))


def nobody_for_the_queue(ward: Ward) -> None:
    ward.engine.end(ward.running.container)
    ward.tasks.record_exit(ward.running, 0)
    with ward.tasks.store.write() as writer:
        writer.enqueue(Waiting(ward.over.id, "web", writer.at))
    ward.controller.end()


def queued_and_running(ward: Ward) -> None:
    with ward.tasks.store.write() as writer:
        writer.enqueue(Waiting(ward.running.id, "web", writer.at))


def queued_and_deleted(ward: Ward) -> None:
    ward.tasks.delete(ward.over)
    with ward.tasks.store.write() as writer:
        writer.enqueue(Waiting(ward.over.id, "web", writer.at))


def waits_for_a_failed_one(ward: Ward) -> None:
    ward.change("UPDATE tasks SET exit_code = 1, word = 'failed' WHERE id = ?", ward.over.id)
    assert not ward.tasks.create("web", "later", after=[ward.over.id])[1]


def operation_cut_off(ward: Ward) -> None:
    with ward.tasks.store.write() as writer:
        inverse = {"kind": "task.delete", "task": ward.over.id}
        number = writer.record_operation("task delete", ward.over.id, "deleted", inverse)
        writer.set(f"operation/{number}", DEAD)


def trash_overdue(ward: Ward) -> None:
    ward.tasks.delete(ward.over)
    ward.change("UPDATE operations SET expires = ?", LONG_AGO)


def runs_although_deleted(ward: Ward) -> None:
    ward.tasks.delete(ward.over)
    ward.state_of(ward.over, "up")


def restored_from_a_backup(ward: Ward) -> None:
    directory = ward.tasks.directory(ward.over)
    shutil.copytree(directory, directory.with_name("copy"))
    shutil.rmtree(directory)
    directory.with_name("copy").rename(directory)


def orphan(ward: Ward) -> None:
    directory = tasks_dir() / "web" / "zzzzzzzz"
    directory.mkdir(parents=True)
    make_marked(directory, "zzzzzzzz")


def mirror(ward: Ward) -> Path:
    path = ward.config.gate_base_path / "web.git"
    path.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["git", "init", "-q", "--bare", str(path)], check=True)
    return path


def stale_lock(ward: Ward) -> None:
    lock = mirror(ward) / "packed-refs.lock"
    lock.touch()
    os.utime(lock, (LONG_AGO, LONG_AGO))


def locked_down(ward: Ward) -> None:
    Panic(ward.sandbox, close=lambda *_: False, end=lambda *_: None).engage()


def evidence_changed(ward: Ward) -> None:
    locked_down(ward)
    (log,) = (ward.root / "state/panic").glob("*/evidence.jsonl")
    log.write_text(log.read_text().replace('"tokens":0', '"tokens":9'))


def hook_never_run(ward: Ward) -> None:
    ward.add(f"hooks: {{post_stop: touch {ward.root}/ran}}\n")
    ward.change("UPDATE tasks SET ended = ? WHERE id = ?", LONG_AGO, ward.over.id)


def vault_locked(ward: Ward) -> None:
    for path in (*ward.config.vault_dir.iterdir(), ward.config.vault_session_file):
        if path.is_file() and path != ward.config.db_path:
            path.unlink()


def newer_database(ward: Ward) -> None:
    ward.change("PRAGMA user_version = 99")


def usage_open(ward: Ward) -> None:
    path = ward.config.usage_dir / "web/x.jsonl"
    path.parent.mkdir(parents=True, mode=0o700)
    path.touch(mode=0o644)
    path.chmod(0o644)


def damaged_sidecar(ward: Ward) -> None:
    path = ward.config.sidecar_path(ward.running.container)
    path.write_text("{}")


def roster_broken(ward: Ward) -> None:
    path = ward.root / "config/providers/demo.yaml"
    path.write_text("upstream: [not, an, address]\n")


def moved_to_the_trash(ward: Ward) -> None:
    trash_dir().mkdir(parents=True, exist_ok=True)
    ward.tasks.directory(ward.over).rename(trash_dir() / ward.over.id)


FAULTS = [
    Fault("vault open to others", lambda w: w.config.db_path.chmod(0o644), "credentials.db: its mode is 0644"),
    Fault("passphrase open", lambda w: w.config.vault_session_file.chmod(0o640), "vault-session: its mode is 0640"),
    Fault("state open", lambda w: (w.root / "state").chmod(0o755), "state: its mode is 0755"),
    Fault("tasks open", lambda w: tasks_dir().chmod(0o750), "tasks: its mode is 0750"),
    Fault("vault directory open", lambda w: w.config.vault_dir.chmod(0o711), "vault: its mode is 0711"),
    Fault("database open", lambda w: database_path().chmod(0o644), "terok.db: its mode is 0644"),
    Fault("usage open", usage_open, "x.jsonl: its mode is 0644"),
    Fault("shared directory gone", lambda w: (w.root / "shared").rmdir(), "shared.dir: .*shared is not there"),
    Fault("routes changed", lambda w: w.config.routes_path.write_text("{}"), "is not what the roster says"),
    Fault("routes gone", lambda w: w.config.routes_path.unlink(), "is not what the roster says"),
    Fault("controller killed", controller_killed, "it was killed, and 1 running tasks have nobody"),
    Fault("controller hangs", controller_hangs, "runs, and does not answer"),
    Fault("nobody for the queue", nobody_for_the_queue, "1 queued tasks have nobody to start them"),
    Fault("start cut off", lambda w: task_row(w, lease=json.dumps(DEAD)), "has died in the middle"),
    Fault("operation cut off", operation_cut_off, r"\(task delete of \w+\) was cut off"),
    Fault("trash overdue", trash_overdue, "1 things in the trash are overdue"),
    Fault("queued and running", queued_and_running, "waits in the queue although it is running"),
    Fault("queued and deleted", queued_and_deleted, "waits in the queue although it is deleted"),
    Fault("container removed", lambda w: w.engine.remove(w.running.container), "was removed by somebody while it ran"),
    Fault("end not recorded", lambda w: w.state_of(w.running, "3"), "ended with exit code 3, and nobody"),
    Fault("runs although stopped", lambda w: task_row(w, desired="stopped"), "runs although it was stopped"),
    Fault("runs although deleted", runs_although_deleted, "runs although it was deleted"),
    Fault("runs after its end", lambda w: w.state_of(w.over, "up"), "runs after its end"),
    Fault("marker lost", lambda w: (w.tasks.directory(w.over) / MARKER).unlink(), "its marker cannot be read"),
    Fault("restored from a backup", restored_from_a_backup, "the marker in it is that of another directory"),
    Fault(
        "sidecar open",
        lambda w: w.config.sidecar_path(w.running.container).chmod(0o644),
        "mode is 0644: the container cannot be started",
    ),
    Fault("in the trash, not deleted", moved_to_the_trash, "is in the trash although the task is not deleted"),
    Fault("stale lock", stale_lock, "mirror web: 1 locks of git were left behind"),
    Fault("hook never run", hook_never_run, "its hook post_stop was never run"),
    Fault("vault locked", vault_locked, "passphrase|locked", mended=False),
    Fault(
        "vault damaged", lambda w: w.config.db_path.write_bytes(b"x" * 4096), "vault|passphrase|database", mended=False
    ),
    Fault("database newer", newer_database, "written by a newer version", mended=False),
    Fault(
        "configuration wrong",
        lambda w: (w.root / "config/config.yml").write_text("tasks: {slot: 3}\n"),
        r"config.yml:1.*slot",
        mended=False,
    ),
    Fault(
        "project broken", lambda w: w.project.write_text("agent: {nme: demo}\n"), r"project.yml:1.*nme", mended=False
    ),
    Fault("repository gone", lambda w: shutil.rmtree(w.root / "upstream"), "upstream is not there", mended=False),
    Fault(
        "image lines gone",
        lambda w: w.add("image: {user_snippet_file: /nowhere/x}\n"),
        "is not there|cannot",
        mended=False,
    ),
    Fault(
        "no program for a hook",
        lambda w: w.add("hooks: {pre_start: nosuch-program now}\n"),
        "there is no program nosuch-program",
        mended=False,
    ),
    Fault(
        "no credential",
        lambda w: open_vault_of(w.config).delete_credential("default", "demo"),
        "the vault has no credential for demo",
        mended=False,
    ),
    Fault("roster broken", roster_broken, "demo.yaml", mended=False),
    Fault("waits for a failed one", waits_for_a_failed_one, "never starts by itself", mended=False),
    Fault("clock set back", lambda w: task_row(w, created=time.time() + 9e6), "the clock was set back", mended=False),
    Fault(
        "workspace gone",
        lambda w: shutil.rmtree(w.tasks.directory(w.over) / "workspace"),
        "its workspace .* is gone",
        mended=False,
    ),
    Fault(
        "directory gone", lambda w: shutil.rmtree(w.tasks.directory(w.over)), "its directory .* is gone", mended=False
    ),
    Fault("sidecar damaged", damaged_sidecar, "its sidecar cannot be used", mended=False),
    Fault(
        "sidecar gone",
        lambda w: w.config.sidecar_path(w.running.container).unlink(),
        "its sidecar .* is gone",
        mended=False,
    ),
    Fault("directory of nobody", orphan, "belongs to no task that is recorded", mended=False),
    Fault("mirror damaged", lambda w: (mirror(w) / "HEAD").unlink(), "mirror web cannot be read", mended=False),
    Fault("lockdown", locked_down, "nothing starts since the panic", mended=False),
    Fault("evidence changed", evidence_changed, "its evidence was changed", mended=False),
    Fault("engine silent", lambda w: setattr(w.engine, "silent", True), "not known whether it runs", mended=False),
    Fault(
        "low disk",
        lambda w: (w.root / "config/config.yml").write_text("tasks: {min_free_disk: 900t}\n"),
        "no task starts below",
        mended=False,
    ),
]
"""Faults of everything but the host's set-up, which `SETUP` has; those that need containers are integration tests."""

SETUP = [
    Fault("not set up", lambda w: w.config.receipt_path.unlink(), "not set up"),
    Fault("hook changed", lambda w: [path.write_text("#") for path in w.config.hooks_dir.glob("*.py")], "hook"),
    Fault("hooks gone", lambda w: shutil.rmtree(w.config.hooks_dir), "hook"),
    Fault("hooks not named", lambda w: (w.root / "containers.conf").write_text(""), "does not name the hook directory"),
    Fault("profile gone", lambda w: shutil.rmtree(w.config.seccomp_dir), "seccomp|profile"),
    Fault("older version", lambda w: receipt(w, "0.0.1"), "is set up for version 0.0.1"),
    Fault("newer version", lambda w: receipt(w, "99.0"), "is set up by terok-sandbox 99.0", mended=False),
    Fault("podman fails", lambda w: w.runtime.failures.update(list="out of order"), "out of order", mended=False),
]


def receipt(ward: Ward, version: str) -> None:
    kept = json.loads(ward.config.receipt_path.read_text())
    ward.config.receipt_path.write_text(json.dumps({**kept, "version": version}))


@pytest.fixture
def host(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> Ward:
    """A ward on a host that is set up, but for what only root can do; `terok-sandbox setup` is a call here."""
    base = ward.root / "seccomp.json"
    base.write_text(json.dumps({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": []}))
    monkeypatch.setattr(seccomp, "INSTALLED", (base,))
    monkeypatch.setattr(stages, "check_prerequisites", lambda: [Prerequisite("podman", ok=True, detail="")])
    for step in ("_provision_vault", "_set_up_services", "learn_redirects"):
        monkeypatch.setattr(stages, step, lambda *_: "done")

    def set_up(command: list[str], **_: object) -> object:
        assert command[-2:] == ["terok_sandbox", "setup"]
        run_setup(ward.config, lambda stage, outcome: None)
        return SimpleNamespace(returncode=0)

    set_up(["terok_sandbox", "setup"])
    monkeypatch.setattr(checks_sandbox, "run", set_up)
    return ward


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


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_is_found_with_its_cause_and_mended_if_that_is_safe(ward: Ward, fault: Fault) -> None:
    judge(ward, fault)


@pytest.mark.parametrize("fault", SETUP, ids=lambda fault: fault.name)
def test_a_fault_of_the_set_up(host: Ward, fault: Fault) -> None:
    judge(host, fault)


def test_there_are_enough_faults() -> None:
    everything = FAULTS + SETUP
    assert len(everything) >= 40
    assert sum(fault.mended for fault in everything) >= 30


def test_a_healthy_host_is_left_in_peace(host: Ward) -> None:
    found = host.look()
    # What this machine itself lacks is for its owner to know, and not of terok's making.
    ours = [(one.check, one.text) for one in alarms(found) if not one.check.startswith("host ")]
    assert ours == []
    assert {one.check for one in found.findings if one.level == "ok"} >= {
        *("database", "controller", "queue", "disk", "mirrors", "routes", "credentials", "lockdown"),
        *("project web", f"task web/{host.running.name}", "setup hooks and receipt", "vault opens"),
    }
    again = host.look(fix=True)
    assert (again.mended, again.failed) == ([], [])


def test_scopes(ward: Ward) -> None:
    task_row(ward, desired="stopped")
    text = "its container runs although it was stopped"
    assert [one.text for one in alarms(ward.look(system=True))] == []
    assert [one.text for one in alarms(ward.look(project="web"))] == [text]
    assert [one.text for one in alarms(ward.look(task=[ward.over.id]))] == []
    assert [one.text for one in alarms(ward.look(task=["web", ward.running.name]))] == [text]


def test_what_does_not_answer_is_a_warning_of_its_own() -> None:
    never = threading.Event()

    def hangs() -> list[Finding]:
        never.wait(30)
        return []

    def breaks() -> list[Finding]:
        raise ValueError("a fault of ours")

    checks = [Check("slow", hangs), Check("broken", breaks), Check("well", list, "fine\x1b[2J")]
    found = look_at(checks, seconds=0.2)
    never.set()
    assert [(one.check, one.level) for one in found] == [("slow", "warn"), ("broken", "error"), ("well", "ok")]
    assert "did not answer" in found[0].text
    assert "\x1b" not in found[2].text
    assert exit_code(found) == 2
    assert exit_code(found[:1]) == 1
    assert [end.value for end in at_once([lambda: 1, lambda: 2], seconds=5)] == [1, 2]


def test_the_verb_prints_a_line_for_each_and_says_how_bad_it_is(
    ward: Ward, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(health, "Sandbox", lambda: ward.sandbox)
    monkeypatch.setattr(Tasks, "engine", lambda self, task: ward.engine)
    assert main(["sickbay"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert all(line.startswith(("ok ", "info ")) for line in lines)
    (ward.root / "state").chmod(0o755)
    assert main(["sickbay", "--json"]) == 2
    said = json.loads(capsys.readouterr().out)
    assert [one["mendable"] for one in said["findings"] if one["level"] == "error"] == [True]
    assert main(["sickbay", "--fix"]) == 0
    assert capsys.readouterr().out.startswith("mended  private files: ")
    assert main(["sickbay", "nosuch"]) == 2
    assert main(["sickbay", "web", "--system"]) == 2


def test_a_database_that_cannot_be_opened_keeps_no_other_check_from_being_made(ward: Ward) -> None:
    ward.tasks.store.close()
    database_path().write_bytes(b"no database at all, but long enough to be looked at")
    (ward.root / "shared").rmdir()
    found = ward.look()
    assert {one.check for one in alarms(found)} == {"database", "project web"}
    with pytest.raises(TerokError):
        Store(create=False)
    assert issubclass(StoreNewer, TerokError)
    assert replace(found.findings[0], text="x").text == "x"
