"""Projects, settings and upkeep on the screen, with real files and a real database; nothing is done by one key."""

from __future__ import annotations

import asyncio
import threading

import pytest
from terok.config import load_project
from terok.integrations.sandbox import Sandbox
from terok.model.admission import Waiting
from terok.paths import trash_dir
from terok.services import Tasks, panic
from terok.services.images import BuiltImage, Images, Removal
from terok.services.projects import Projects
from terok.store import Store
from terok.tui import plain_words
from terok.tui.screens import new, sickbay, storage, usage
from terok.tui.views.new import Choices
from terok.tui.views.sickbay import Remark
from terok_sandbox import FakeRuntime, FakeSupervisor, SandboxConfig, is_locked_down

from ..cli.populated import upstream
from .conftest import ASKS, QUEUED, add, grid, populate, until
from .looked import REMARKS, SPENDING

OTHER = "q2345678"
MADE = """\
# mine
git: {{upstream: {upstream}}}
run:
  memory: 2g  # enough
presets:
  long: {{run: {{timeout: 7200}}}}
"""


@pytest.fixture
def web(root):
    """A project with a repository; its state and configuration are below `root`."""
    for place in ("state/sandbox", "state/executor"):
        (root / place).mkdir(parents=True, mode=0o700)
    file = root / "config/projects/web/project.yml"
    file.parent.mkdir(parents=True)
    file.write_text(MADE.format(upstream=upstream(root / "upstream")))
    (root / "config/config.yml").write_text("tasks: {slots: 9, project_slots: 9}\n")
    broken = root / "config/projects/broken/project.yml"
    broken.parent.mkdir()
    broken.write_text("nosuch: 1\n")
    return file


async def text(file):
    return await asyncio.to_thread(file.read_text)


async def opened(pilot, key, name):
    await until(pilot, lambda: pilot.app.world.loaded)
    await pilot.press(key)
    await until(pilot, lambda: name == pilot.app.screen.NAME)


async def test_projects_are_listed_broken_ones_too_and_one_is_shown(tui, web, monkeypatch):
    monkeypatch.setattr(Images, "stored", lambda self: [])
    populate()
    app = tui()
    async with app.run_test(size=(100, 40)) as pilot:
        await opened(pilot, "p", "projects")
        await until(pilot, lambda: "unknown section" in grid(app) or "nosuch" in grid(app))
        await pilot.press("i")
        await until(pilot, lambda: "it is broken" in grid(app))
        await pilot.press("j", "enter")
        await until(pilot, lambda: app.screen.NAME == "project" and "EGRESS SETS" in grid(app))
        shown = grid(app)
        assert "there is no mirror yet" in shown and "none: containers of this project cannot sign" in shown
        await pilot.press("G")
        await until(pilot, lambda: "run.memory" in grid(app) and "project, line 4" in grid(app))
        await pilot.press("t")
        await until(pilot, lambda: app.screen.NAME == "inbox")
        assert app.place.filter == "p:web" and "bump-deps" not in grid(app)


async def test_a_project_is_made_by_the_form_seen_as_a_file_and_made_ready(tui, web, root, monkeypatch):
    populate()
    monkeypatch.chdir(root)
    failing = [True]

    def build(self, project, **_):
        self._say("STEP 1")
        if failing.pop() if failing else False:
            raise OSError(28, "no space left", "/images")
        return BuiltImage(f"l1:{project.name}", built=True)

    monkeypatch.setattr(Projects, "build", build)
    app = tui()
    async with app.run_test(size=(100, 30)) as pilot:
        await opened(pilot, "p", "projects")
        await pilot.press("a")
        await until(pilot, lambda: app.screen.NAME == "wizard" and app.screen.fields())
        await pilot.press("s")
        await until(pilot, lambda: "name:" in grid(app).split("\n")[-2])
        await pilot.press("g", "enter", *str(root / "upstream"), "enter")
        await pilot.press("enter", *["backspace"] * len("upstream"), *"site", "enter")
        await until(pilot, lambda: any(field.value == "site" for field in app.screen.fields()))
        await pilot.press("s")
        await until(pilot, lambda: "# Project site" in grid(app))
        assert not (root / "config/projects/site").exists(), "the file is seen before it is written"
        await pilot.press("escape", "s")
        await until(pilot, lambda: "# Project site" in grid(app))
        await pilot.press("s")
        await until(pilot, lambda: app.screen.NAME == "ready" and "failed" in grid(app))
        assert "STEP 1" in grid(app) and "no space left" in grid(app) and "work starts from main" in grid(app)
        await pilot.press("r")
        await until(pilot, lambda: "l1:site was built" in grid(app) and "n starts a task" in grid(app))
    assert (await asyncio.to_thread(load_project, "site")).git.upstream == str(root / "upstream")


async def test_a_setting_is_changed_in_its_place_and_a_wrong_value_is_refused(tui, web):
    populate()
    app = tui()
    async with app.run_test(size=(100, 30)) as pilot:
        await opened(pilot, "p", "projects")
        await until(pilot, lambda: app.screen.count == 2)
        await pilot.press("j", "e")
        await until(pilot, lambda: app.screen.NAME == "settings" and app.screen.count)
        await pilot.press("slash", *"run.memory", "enter")
        await until(pilot, lambda: app.screen.count == 1 and "project, line 4" in grid(app))
        await pilot.press("enter", *["backspace"] * 2, *"lots", "enter")
        await until(pilot, lambda: "invalid size" in grid(app))
        assert "memory: 2g  # enough" in await text(web)
        await pilot.press("enter", *["backspace"] * 2, *"4g", "enter")
        await until(pilot, lambda: "is changed in" in grid(app) and "run.memory = 4g" in grid(app))
        assert "memory: 4g  # enough" in await text(web) and "# mine" in await text(web)
        await pilot.press("X", "enter")
        await until(pilot, lambda: "run.memory = -" in grid(app))
        assert "memory" not in await text(web)
        await pilot.press("X")
        await until(pilot, lambda: "nothing is set for it" in grid(app))


async def test_a_project_is_deleted_with_two_gestures_and_comes_back(tui, root, web):
    app = tui()
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot, "p", "projects")
        await until(pilot, lambda: app.screen.count == 2)
        await pilot.press("j", "X", "escape")
        assert web.exists()
        await pilot.press("X", "enter")
        await until(pilot, lambda: app.screen.count == 1 and not web.exists())
        await pilot.press("u")
        await until(pilot, lambda: app.screen.count == 2 and web.exists())


async def test_any_operation_is_taken_back_once(tui, source):
    populate()
    with Store() as store, store.write() as writer:
        add(writer, OTHER, "other-task")
        writer.enqueue(Waiting(OTHER, "web", writer.at))
    with Tasks() as tasks:
        for task in (QUEUED, OTHER):
            tasks.delete(tasks.store.task(task))
    app = tui()
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot, "U", "operations")
        await until(pilot, lambda: app.screen.count == 2 and "lint-fixes" in grid(app))
        await pilot.press("j", "enter")
        assert QUEUED not in app.world.tasks
        await pilot.press("enter")
        await until(pilot, lambda: QUEUED in app.world.tasks and "undone" in grid(app))
        assert OTHER not in app.world.tasks, "the other one stays deleted"
        await pilot.press("enter")
        await until(pilot, lambda: "it is undone already" in grid(app))


async def test_cleaning_up_shows_first_and_removes_only_what_was_shown(tui, web, monkeypatch):
    images = [Removal("terok-l2:gone", 10**9, "there is no project gone")]
    removed = []
    monkeypatch.setattr(Images, "stored", lambda self: [])
    monkeypatch.setattr(Images, "unneeded", lambda self: [*images])
    monkeypatch.setattr(Images, "clean_up", lambda self, wanted: removed.extend(wanted) or [*wanted])
    populate()
    app = tui()
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot, "I", "storage")
        await until(pilot, lambda: "records" in grid(app) and "free:" in grid(app))
        await pilot.press("X")
        await until(pilot, lambda: "look first" in grid(app))
        await pilot.press("c")
        await until(pilot, lambda: "there is no project gone" in grid(app))
        images.append(Removal("terok-l2:later", 5, "there is no project later"))
        await pilot.press("X")
        assert removed == []
        await pilot.press("enter")
        await until(pilot, lambda: "1 removed" in grid(app))
        assert [one.image for one in removed] == ["terok-l2:gone"], "what was not seen stays"
        await pilot.press("escape", "b")
        await until(pilot, lambda: "terok.db" in grid(app))
    assert not list(trash_dir().glob("*"))


async def test_an_emergency_needs_its_word_and_so_does_its_end(tui, root, monkeypatch):
    (root / "state/sandbox").mkdir(parents=True, mode=0o700)
    populate()
    monkeypatch.setattr(
        panic, "emergency_sandbox", lambda: Sandbox(runtime=FakeRuntime({}), supervision=FakeSupervisor())
    )
    state = SandboxConfig.load().state_dir
    app = tui()
    async with app.run_test(size=(100, 30)) as pilot:
        await until(pilot, lambda: app.world.loaded)
        await pilot.press("exclamation_mark", *"yes", "enter")
        await until(pilot, lambda: "nothing was done" in grid(app))
        assert not await asyncio.to_thread(is_locked_down, state)
        await pilot.press("exclamation_mark", *"panic", "enter")
        await until(pilot, lambda: "LOCKDOWN" in grid(app) and "0 containers cut off" in grid(app))
        assert await asyncio.to_thread(is_locked_down, state)
        await pilot.press("exclamation_mark", *"clear", "enter")
        await until(pilot, lambda: "there is no lockdown" in grid(app) and "the lockdown has ended" in grid(app))
        assert not await asyncio.to_thread(is_locked_down, state) and app.screen.NAME == "panic"


@pytest.mark.parametrize(
    ("keys", "mode", "prompt"),
    [
        ([*"do it", "enter", "s"], "headless", "do it"),
        ([*"do it", "alt+enter"], "headless", "do it"),
        (["enter", "s"], "interactive", ""),
        (["enter", "j", "enter", "enter", "enter", "s"], "web", ""),
    ],
)
async def test_a_task_is_asked_for_in_each_mode(tui, web, monkeypatch, keys, mode, prompt):
    populate()
    started = []
    monkeypatch.setattr(Tasks, "carry_out_start", lambda self, task: started.append((task.mode, task.prompt)))
    app = tui()
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot, "n", "new")
        await until(pilot, lambda: app.screen.fields()[1].choices == ("web",))
        await pilot.press(*keys)
        await until(pilot, lambda: started == [(mode, prompt)] and app.screen.NAME == "inbox")


async def test_a_start_waits_until_it_is_known_which_projects_there_are(tui, web, monkeypatch):
    started, go = [], threading.Event()
    monkeypatch.setattr(Tasks, "carry_out_start", lambda self, task: started.append(task.project))
    monkeypatch.setattr(new, "read_choices", lambda: go.wait(60) and Choices({"web": ()}))
    app = tui()
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot, "n", "new")
        await pilot.press(*"do it", "alt+enter")
        await until(pilot, lambda: "reading the projects" in grid(app))
        assert started == []
        go.set()
        await until(pilot, lambda: started == ["web"] and app.screen.NAME == "inbox")


async def test_what_cannot_be_started_stays_written(tui, web, monkeypatch):
    populate()

    def refuse(self, task):
        raise TimeoutError(110, "podman does not answer")

    monkeypatch.setattr(Tasks, "carry_out_start", refuse)
    app = tui()
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot, "n", "new")
        await until(pilot, lambda: app.screen.fields()[1].choices)
        await pilot.press(*"do it", "enter", "s")
        await until(pilot, lambda: "podman does not answer" in grid(app))
        assert app.screen.NAME == "new" and app.screen.fields()[0].value == "do it" and app.screen.idle() == {}


async def test_use_is_added_up_in_each_way_of_a_task_or_of_all(tui, monkeypatch):
    asked = []
    monkeypatch.setattr(usage, "read_usage", lambda *words: asked.append(words) or SPENDING)
    populate()
    app = tui()
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot, "dollar_sign", "usage")
        await until(pilot, lambda: "web/fix-auth" in grid(app) and "usage of fix-auth by model" in grid(app))
        await pilot.press("b", "s", "dollar_sign")
        await until(pilot, lambda: len(asked) == 4 and "core/plan" in grid(app))
        assert "usage by agent, 24 hours" in grid(app) and "a plan pays for 7 of 141 requests" in grid(app)
    assert asked == [("model", None, ASKS), ("agent", None, ASKS), ("agent", "24h", ASKS), ("agent", "24h", "")]


async def test_what_is_wrong_is_mended_when_asked_for(tui, monkeypatch):
    seen = []

    def examined(project, *, fix=False):
        seen.append((project, fix))
        return REMARKS if not fix else (Remark("mended", "task web/old", "its container is gone"), *REMARKS[2:])

    monkeypatch.setattr(sickbay, "examine", examined)
    populate()
    app = tui()
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot, "H", "sickbay")
        await until(pilot, lambda: "the vault is locked" in grid(app) and "podman" not in grid(app))
        await pilot.press("a")
        await until(pilot, lambda: "podman" in grid(app))
        await pilot.press("f")
        await until(pilot, lambda: "mended" in grid(app) and "the vault is locked" not in grid(app))
        await pilot.press("f")
        await until(pilot, lambda: "nothing that can be mended" in grid(app))
    assert seen == [("", False), ("", True)]


async def test_an_error_of_reading_stands_where_the_rows_would(tui, monkeypatch):
    def refuse():
        raise TimeoutError(110, "the disk does not answer")

    monkeypatch.setattr(storage, "read_storage", refuse)
    app = tui()
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot, "I", "storage")
        await until(pilot, lambda: grid(app).split("\n")[2].startswith("the disk does not answer"))


def conversation(answers):
    """Return the functions of a conversation in the plain form, what was said, and the commands that were run."""
    said, commands, answers = [], [], iter(answers)
    return (said.append, lambda prompt: next(answers, None), commands.append), said, commands


def test_the_plain_form_has_the_same_tables_and_talks(root, web, monkeypatch):
    populate()
    monkeypatch.setattr(Images, "stored", lambda self: [])
    monkeypatch.chdir(root)
    functions, said, commands = conversation(
        [*("web", "", "do it"), *("", str(root / "upstream"), "broken", "site"), *([""] * 4), "yes", "panic"]
    )
    for word, rest, found in [
        ("projects", "", "project web; agent claude"),
        ("projects", "web", "there is no mirror yet"),
        ("projects", "wob", "error: there is no project"),
        ("usage", "day", "nothing was used"),
        ("operations", "", "nothing was deleted"),
        ("settings", "web", "key run.memory; value 2g"),
        ("storage", "", "kind records"),
    ]:
        assert plain_words.do(word, rest, *functions)
        assert any(found in line for line in said), (word, said)
        said.clear()
    assert plain_words.do("new", "", *functions)
    assert commands.pop() == ["task", "run", "web", "do it", "--detach"]
    assert plain_words.do("wizard", "", *functions)
    assert commands.pop() == ["project", "init", "site"] and load_project("site").agent.name == "claude"
    assert any("there is a project broken already" in line for line in said)
    assert plain_words.do("panic", "", *functions) and commands.pop() == ["panic", "--yes"]
    assert plain_words.do("undo", "3", *functions) and commands.pop() == ["undo", "3"]
    assert not plain_words.do("nonsense", "", *functions)
