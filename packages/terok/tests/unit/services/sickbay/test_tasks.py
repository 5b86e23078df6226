"""Faults of tasks: what is recorded against what the engine says, and against what is on disk."""

from __future__ import annotations

import shutil

import pytest
from terok.services.marked import MARKER
from terok_sandbox import SANDBOX_LABEL, ContainerState
from terok_sandbox.runtime.fake import FakeRecord

from .conftest import LONG_AGO, Fault, Ward, alarms, judge, task_row


def runs_although_deleted(ward: Ward) -> None:
    ward.tasks.delete(ward.over)
    ward.state_of(ward.over, "up")


def restored_from_a_backup(ward: Ward) -> None:
    directory = ward.tasks.directory(ward.over)
    shutil.copytree(directory, directory.with_name("copy"))
    shutil.rmtree(directory)
    directory.with_name("copy").rename(directory)


def hook_never_run(ward: Ward) -> None:
    ward.add(f"hooks: {{post_stop: touch {ward.root}/ran}}\n")
    ward.change("UPDATE tasks SET ended = ? WHERE id = ?", LONG_AGO, ward.over.id)


def damaged_sidecar(ward: Ward) -> None:
    path = ward.config.sidecar_path(ward.running.container)
    path.write_text("{}")


FAULTS = [
    Fault("container removed", lambda w: w.engine.remove(w.running.container), "was removed by somebody while it ran"),
    Fault("end not recorded", lambda w: w.state_of(w.running, "3"), "ended with exit code 3, and nobody"),
    Fault("runs although stopped", lambda w: task_row(w, desired="stopped"), "runs although it was stopped"),
    Fault("runs although deleted", runs_although_deleted, "runs although it was deleted"),
    Fault("runs after its end", lambda w: w.state_of(w.over, "up"), "runs after its end"),
    Fault("engine silent", lambda w: setattr(w.engine, "silent", True), "not known whether it runs", mended=False),
    Fault("marker lost", lambda w: (w.tasks.directory(w.over) / MARKER).unlink(), "its marker cannot be read"),
    Fault("restored from a backup", restored_from_a_backup, "the marker in it is that of another directory"),
    Fault(
        "directory gone", lambda w: shutil.rmtree(w.tasks.directory(w.over)), "its directory .* is gone", mended=False
    ),
    Fault(
        "workspace gone",
        lambda w: shutil.rmtree(w.tasks.directory(w.over) / "workspace"),
        "its workspace .* is gone",
        mended=False,
    ),
    Fault(
        "sidecar open",
        lambda w: w.config.sidecar_path(w.running.container).chmod(0o644),
        "mode is 0644: the container cannot be started",
    ),
    Fault("sidecar damaged", damaged_sidecar, "its sidecar cannot be used", mended=False),
    Fault(
        "sidecar gone",
        lambda w: w.config.sidecar_path(w.running.container).unlink(),
        "its sidecar .* is gone",
        mended=False,
    ),
    Fault("hook never run", hook_never_run, "its hook post_stop was never run"),
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_is_found_with_its_cause_and_mended_if_that_is_safe(ward: Ward, fault: Fault) -> None:
    judge(ward, fault)


def test_a_container_that_was_renamed_is_told_although_the_engine_still_knows_it(ward: Ward) -> None:
    labels = {SANDBOX_LABEL: ward.running.container}
    ward.runtime.records["by-hand"] = FakeRecord("base", ContainerState.RUNNING, labels)
    (found,) = alarms(ward.look())
    assert found.text == f"its container {ward.running.container} was renamed to by-hand"
    assert found.mend is not None
