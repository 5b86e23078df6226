"""The whole of sickbay: scopes, patience, the verb, and a database that is of no use."""

from __future__ import annotations

import json
import threading
from dataclasses import replace

import pytest
from terok.cli import main
from terok.errors import StoreNewer
from terok.paths import database_path
from terok.services import Tasks, health
from terok.services.at_once import at_once
from terok.services.checks import Check, Finding, exit_code, look_at
from terok.store import Store
from terok_util import TerokError

from .conftest import Ward, alarms, task_row
from .test_files import FAULTS as OF_FILES
from .test_projects import FAULTS as OF_PROJECTS
from .test_records import FAULTS as OF_RECORDS
from .test_set_up import SETUP
from .test_tasks import FAULTS as OF_TASKS


def test_there_are_enough_faults() -> None:
    everything = [*OF_FILES, *OF_PROJECTS, *OF_RECORDS, *OF_TASKS, *SETUP]
    assert len(everything) >= 40
    assert sum(fault.mended for fault in everything) >= 30


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
