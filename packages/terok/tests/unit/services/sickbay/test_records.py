"""Faults of the database, the controller, the queue, and of what was cut off in the middle."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest
from terok.model.admission import Waiting
from terok.paths import database_path

from .conftest import DEAD, LONG_AGO, Controller, Fault, Ward, judge, task_row


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


def newer_database(ward: Ward) -> None:
    ward.change("PRAGMA user_version = 99")


FAULTS = [
    Fault("database open", lambda w: database_path().chmod(0o644), "terok.db: its mode is 0644"),
    Fault("database newer", newer_database, "written by a newer version", mended=False),
    Fault("controller killed", controller_killed, "it was killed, and 1 running tasks have nobody"),
    Fault("controller hangs", controller_hangs, "runs, and does not answer"),
    Fault("nobody for the queue", nobody_for_the_queue, "1 queued tasks have nobody to start them"),
    Fault("start cut off", lambda w: task_row(w, lease=json.dumps(DEAD)), "has died in the middle"),
    Fault("operation cut off", operation_cut_off, r"\(task delete of \w+\) was cut off"),
    Fault("trash overdue", trash_overdue, "1 things in the trash are overdue"),
    Fault("queued and running", queued_and_running, "waits in the queue although it is running"),
    Fault("queued and deleted", queued_and_deleted, "waits in the queue although it is deleted"),
    Fault("waits for a failed one", waits_for_a_failed_one, "never starts by itself", mended=False),
    Fault("clock set back", lambda w: task_row(w, created=time.time() + 9e6), "the clock was set back", mended=False),
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_is_found_with_its_cause_and_mended_if_that_is_safe(ward: Ward, fault: Fault) -> None:
    judge(ward, fault)
