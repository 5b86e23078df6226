from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from terok.cli import main
from terok.errors import TaskError
from terok.model.task import Task
from terok.paths import tasks_dir, trash_dir
from terok.services import Tasks
from terok.services.images import Images, Removal
from terok.services.marked import MARKER, make_marked
from terok.services.storage import Storage, measure
from terok.services.storage_cleaning import Cleaning
from terok_util import TerokError

from .conftest import PlainEngine
from .test_tasks import finished

MEGABYTE = 1 << 20
LONG_AGO = time.time() - 400 * 86400


class NoImages(Images):
    def unneeded(self) -> list[Removal]:
        return []


class SilentImages(Images):
    def unneeded(self) -> list[Removal]:
        raise TaskError("podman does not answer")


def age(directory: Path) -> None:
    for path in (directory / MARKER, directory / "workspace", directory):
        if path.exists():
            os.utime(path, (LONG_AGO, LONG_AGO))


def orphan(name: str, *, old: bool = True, marker: bool = True) -> Path:
    directory = tasks_dir() / "web" / name
    directory.mkdir(parents=True)
    if marker:
        make_marked(directory, name)
    (directory / "workspace").mkdir()
    (directory / "workspace/work").write_bytes(b"w" * 100)
    if old:
        age(directory)
    return directory


def test_a_tree_is_measured_on_disk_with_links_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(os.urandom(MEGABYTE))
    (tmp_path / "again").hardlink_to(tmp_path / "file")
    (tmp_path / "out").symlink_to("/")
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(50 * MEGABYTE)
    size, whole = measure(tmp_path)
    assert whole
    assert MEGABYTE <= size < 2 * MEGABYTE
    (tmp_path / "closed").mkdir(mode=0o000)
    try:
        assert measure(tmp_path)[1] is False, "what cannot be read is said"
    finally:
        (tmp_path / "closed").chmod(0o700)


def test_everything_is_shown_by_kind(tasks: Tasks, capsys: pytest.CaptureFixture[str]) -> None:
    kept, deleted, archived = finished(tasks), finished(tasks), finished(tasks)
    (tasks.directory(deleted) / "workspace/big").write_bytes(os.urandom(MEGABYTE))
    tasks.delete(deleted)
    tasks.archive(archived)
    found = {one.name: one for one in Storage(tasks).held().places if one.kind in ("workspace", "archive", "trash")}
    kinds = {one.name: one.kind for one in found.values()}
    assert kinds == {
        f"web/{kept.name}": "workspace",
        f"web/{archived.name}": "archive",
        f"web/{deleted.name}": "trash",
    }
    assert found[f"web/{deleted.name}"].bytes >= MEGABYTE
    assert main(["storage", "--json"]) in (0, 1)  # 1 where Podman has no images to ask about
    said = json.loads(capsys.readouterr().out)
    assert {"workspace", "archive", "trash", "records"} <= {one["kind"] for one in said["kinds"]}
    assert said["trash_days"] == 14


def test_only_what_nothing_needs_is_removed(tasks: Tasks) -> None:
    kept, deleted = finished(tasks), finished(tasks)
    tasks.delete(deleted)
    old, young, foreign = orphan("aaaaaaaa"), orphan("bbbbbbbb", old=False), orphan("cccccccc", marker=False)
    moved = orphan("dddddddd")
    copied = tasks_dir() / "web" / "eeeeeeee"
    moved.rename(copied)  # a marker that names another task
    cleaning = Cleaning(tasks, NoImages())
    assert [one.name for one in cleaning.found()] == [str(old)]
    assert old.exists(), "looking removes nothing"
    assert [one.failed for one in cleaning.remove(cleaning.found())] == [""]
    assert not old.exists()
    for directory in (tasks.directory(kept), trash_dir() / deleted.id, young, foreign, copied):
        assert directory.exists(), directory


def test_trash_goes_when_its_time_is_over(tasks: Tasks, engine: PlainEngine) -> None:
    task = finished(tasks)
    tasks.delete(task)
    later = time.time() + 15 * 86400
    cleaning = Cleaning(tasks, NoImages())
    (found,) = cleaning.found(later)
    assert (found.kind, found.name) == ("trash", task.id)
    assert cleaning.remove([found], later)[0].failed == ""
    assert not (trash_dir() / task.id).exists()
    assert tasks.operations.log()[0].state == "expired"


def test_what_cannot_be_asked_or_removed_is_not_called_done(tasks: Tasks, monkeypatch: pytest.MonkeyPatch) -> None:
    cleaning = Cleaning(tasks, SilentImages())
    assert (cleaning.found(), cleaning.failures) == ([], ["images: podman does not answer"])
    directory = orphan("aaaaaaaa")
    cleaning = Cleaning(tasks, NoImages())
    found = cleaning.found()
    (directory / MARKER).unlink()
    (done,) = cleaning.remove(found)
    assert "is left alone" in done.failed
    assert directory.exists()


def test_a_task_that_appears_meanwhile_keeps_its_directory(tasks: Tasks) -> None:
    directory = orphan("aaaaaaaa")
    cleaning = Cleaning(tasks, NoImages())
    found = cleaning.found()
    with tasks.store.write() as writer:
        writer.add_task(Task("aaaaaaaa", "web", "late", "demo", "headless", 1.0), {})
    assert "meanwhile" in cleaning.remove(found)[0].failed
    assert directory.exists()


def test_an_unreadable_answer_is_a_failure(tasks: Tasks, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Images) -> list[object]:
        raise TerokError("podman does not answer")

    monkeypatch.setattr(Images, "stored", fail)
    assert Storage(tasks).held().failures == ["images: podman does not answer"]
