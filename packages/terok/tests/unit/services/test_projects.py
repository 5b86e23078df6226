from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from terok.config import load_project
from terok.errors import BadName, ProjectError, UnknownProject
from terok.model.task import Task
from terok.services import Tasks
from terok.services.projects import Projects, suggested_name
from terok.services.wizard import NAME, Question, Suggestions, ask, read_answers, settings
from terok_util import ConfigError, TerokError


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TEROK_ROOT", str(tmp_path))
    (tmp_path / "state").mkdir(mode=0o700)
    return tmp_path


def tree(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def test_a_project_is_made_changed_and_copied(root: Path) -> None:
    projects = Projects()
    file = projects.create("web", {"git": {"upstream": "https://forge.example/web.git"}, "agent": {"name": "demo"}})
    assert file == root / "config/projects/web/project.yml"
    assert (file.stat().st_mode & 0o777, file.read_text().count("#")) == (0o600, 2)
    assert projects.change("web", "run.memory", "4g")
    assert not projects.change("web", "run.memory", "4g")
    (file.parent / "instructions.md").write_text("be kind\n")
    made = projects.derive("web", "web2", {"git.upstream": "https://forge.example/two.git"})
    assert (made.run.memory, made.git.upstream, made.instructions) == (
        "4g",
        "https://forge.example/two.git",
        "be kind\n",
    )
    assert load_project("web").git.upstream == "https://forge.example/web.git"


@pytest.mark.parametrize(
    ("name", "data", "kind"),
    [
        ("Web", {}, BadName),
        ("../web", {}, BadName),
        (".trash", {}, BadName),
        ("taken", {}, ProjectError),
        ("web", {"run": {"memory": 3}}, ConfigError),
        ("web", {"nope": {}}, ConfigError),
    ],
)
def test_nothing_is_written_for_a_wrong_project(root: Path, name: str, data: Any, kind: type[Exception]) -> None:
    projects = Projects()
    projects.create("taken", {"project": {"description": "first"}})
    before = tree(root / "config")
    with pytest.raises(kind):
        projects.create(name, data)
    assert tree(root / "config") == before


def test_a_wrong_change_leaves_the_file_alone(root: Path) -> None:
    projects = Projects()
    file = projects.create("web", {})
    with pytest.raises(ConfigError, match=r"run\.memory: invalid size"):
        projects.change("web", "run.memory", "lots")
    with pytest.raises(ConfigError, match="unknown key"):
        projects.change("web", "run.memry", "4g")
    with pytest.raises(UnknownProject):
        projects.change("wob", "run.memory", "4g")
    assert "run" not in file.read_text()


def test_a_broken_file_can_be_mended_by_an_edit(root: Path) -> None:
    projects = Projects()
    file = projects.create("web", {})
    file.write_text("run:\n  memory: lots\n  cpus: many\n")
    with pytest.raises(ConfigError):
        load_project("web")
    with pytest.raises(ConfigError, match="'more'"):
        projects.change("web", "run.memory", "more")
    assert projects.change("web", "run.memory", "4g")
    assert projects.change("web", "run.cpus", 2)
    assert file.read_text() == "run:\n  memory: 4g\n  cpus: 2\n"
    assert load_project("web").run.cpus == 2


def test_a_copy_that_was_cut_off_is_begun_again(root: Path) -> None:
    Projects().create("web", {})
    left = root / "config/projects/.web2.new"
    left.mkdir()
    (left / "stale").write_text("x")
    made = Projects().derive("web", "web2")
    assert sorted(path.name for path in Path(made.directory).iterdir()) == ["project.yml"]
    assert not left.exists()


def test_a_project_is_made_once_by_several_at_once(root: Path) -> None:
    def make(number: int) -> bool:
        try:
            Projects().create("web", {"project": {"description": str(number)}})
        except ProjectError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert [*pool.map(make, range(8))].count(True) == 1


def test_a_deleted_project_comes_back_as_it_was(root: Path) -> None:
    projects = Projects()
    file = projects.create("web", {"agent": {"name": "demo"}})
    (file.parent / "instructions.md").write_text("be kind\n")
    before, inode = tree(file.parent), file.parent.stat().st_ino
    with Tasks() as tasks:
        number = projects.delete(tasks, "web")
        assert projects.all() == []
        tasks.operations.undo(number)
        assert (tree(file.parent), file.parent.stat().st_ino) == (before, inode)
        again = projects.delete(tasks, "web")
        other = projects.create("web", {"agent": {"name": "claude"}})
        with pytest.raises(ProjectError, match="is there already"):
            tasks.operations.undo(again)
        assert "claude" in other.read_text()
        trash = root / "config/projects/.trash"
        assert len([*trash.iterdir()]) == 1
        tasks.operations.expire(float("inf"))
        assert [*trash.iterdir()] == []
        assert other.exists()


def test_an_undo_that_was_interrupted_can_be_repeated(root: Path) -> None:
    from terok.services import project_deletion

    projects = Projects()
    file = projects.create("web", {})
    before = tree(file.parent)
    with Tasks() as tasks:
        number = projects.delete(tasks, "web")
        details = next(one.inverse for one in tasks.operations.log() if one.id == number)
        project_deletion.take_back(tasks, details)
        assert tree(file.parent) == before
        tasks.operations.undo(number)
    assert tree(file.parent) == before


@pytest.mark.parametrize("step", ["nothing", "moved"])
def test_a_deletion_that_was_interrupted_is_taken_up(root: Path, step: str) -> None:
    from terok.services import project_deletion

    projects = Projects()
    file = projects.create("web", {})
    with Tasks() as tasks:
        details = project_deletion.details_of(file.parent)
        with tasks.store.write() as writer:
            writer.record_operation("project delete", "web", "deleted", {"kind": project_deletion.KIND, **details})
        if step == "moved":
            project_deletion.carry_out(tasks, details)
        assert tasks.operations.finish() == []
        assert projects.all() == []
        tasks.operations.undo()
    assert file.exists()


def test_only_the_directory_of_the_operation_is_touched(root: Path) -> None:
    projects = Projects()
    file = projects.create("web", {})
    with Tasks() as tasks:
        number = projects.delete(tasks, "web")
        (gone,) = (root / "config/projects/.trash").iterdir()
        shutil.copytree(gone, gone.with_name("copy"))  # marked too, but another directory
        shutil.rmtree(gone)
        gone.with_name("copy").rename(gone)
        with pytest.raises(ProjectError, match="another directory"):
            tasks.operations.undo(number)
        tasks.operations.expire(float("inf"))  # which says so, and goes on with others
        assert gone.exists()
    assert not file.exists()


def test_a_project_with_tasks_or_of_the_system_is_not_deleted(root: Path) -> None:
    projects = Projects()
    projects.create("web", {})
    theirs = root / "etc/projects/theirs/project.yml"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("")
    with Tasks() as tasks:
        with tasks.store.write() as writer:
            writer.add_task(Task("k7xm2abc", "web", "calm-otter", "demo", "headless", writer.at), {})
        with pytest.raises(ProjectError, match="1 tasks: calm-otter"):
            projects.delete(tasks, "web")
        with pytest.raises(ProjectError, match="the system's"):
            projects.delete(tasks, "theirs")
    assert [one.name for one in projects.all()] == ["theirs", "web"]


@pytest.mark.parametrize(
    ("repository", "name"),
    [
        ("https://forge.example/Team/Web_App.git", "web_app"),
        ("https://forge.example/a/site.example.org.git", "site-example-org"),
        ("git@forge.example:team/x y.git", "x-y"),
        ("/home/me/src/", "src"),
        ("", ""),
        ("ssh://h/" + "a" * 60, "a" * 40),
    ],
)
def test_a_name_is_proposed_by_the_repository(repository: str, name: str) -> None:
    assert suggested_name(repository) == name


SUGGESTED = Suggestions(
    "/src/web", ("claude", "demo"), "claude", "mmdebstrap:trixie", "gatekeeping", frozenset(("taken",))
)


def play(*lines: str) -> tuple[dict[str, str], list[str]]:
    """Answer the wizard as a person does; return the answers and what was refused."""
    left, refused = [*lines], []

    def answer(question: Question) -> str:
        while True:
            try:
                return question.accept(left.pop(0))
            except ValueError as error:
                refused.append(str(error))

    answers = ask(SUGGESTED, answer)
    assert left == []
    return answers, refused


def test_the_wizards_own_answers_are_enough() -> None:
    answers, refused = play("", "", "", "", "", "")
    assert (answers[NAME], refused) == ("web", [])
    assert settings(answers, SUGGESTED) == {"git": {"upstream": "/src/web"}}


def test_the_wizard_asks_again_and_writes_what_differs() -> None:
    lines = ("https://forge.example/a/taken.git", "Web", "taken", "shop", "A shop", "what", "on", "nobody", "demo")
    answers, refused = play(*lines, "debian:trixie", "RUN true")
    assert len(refused) == 4
    assert settings(answers, SUGGESTED) == {
        "project": {"description": "A shop"},
        "git": {"upstream": "https://forge.example/a/taken.git"},
        "gate": {"security_class": "online"},
        "agent": {"name": "demo"},
        "image": {"base_image": "debian:trixie", "user_snippet_inline": "RUN true"},
    }
    Projects().create(answers[NAME], settings(answers, SUGGESTED))
    assert load_project("shop").security_class == "online"


def test_answers_in_a_file_are_sections_and_a_name() -> None:
    assert read_answers({"name": "web", "run": {"cpus": 2}}) == ("web", {"run": {"cpus": 2}})
    for wrong in (None, [], {"run": {}}, {"name": 3}):
        with pytest.raises(ValueError, match="name"):
            read_answers(wrong)


def test_making_ready_can_be_tried_again(root: Path) -> None:
    with pytest.raises(UnknownProject):
        Projects().prepare("web")
    with pytest.raises(TerokError, match="was not reached"):
        Projects().prepare("web", "https://127.0.0.1:1/a.git")
    with pytest.raises(ProjectError, match="has another repository"):
        Projects().prepare("web", "https://127.0.0.1:1/b.git")
    with pytest.raises(TerokError, match="was not reached"):  # the same may be tried again
        Projects().prepare("web", "https://127.0.0.1:1/a.git")


def test_a_directory_of_projects_that_cannot_be_listed_is_an_error(root: Path) -> None:
    place = root / "config/projects"
    place.parent.mkdir()
    place.symlink_to(place)
    with pytest.raises(ConfigError, match="cannot read"):
        Projects().all()


def test_what_the_system_refuses_is_an_error_of_ours(root: Path) -> None:
    file = Projects().create("web", {})
    (file.parent / "pipe").symlink_to("nowhere")
    (file.parent / "closed").mkdir(mode=0)
    try:
        with pytest.raises(ProjectError, match="project web2 cannot be made"):
            Projects().derive("web", "web2")
    finally:
        (file.parent / "closed").chmod(0o700)
    assert [one.name for one in Projects().all()] == ["web"]
