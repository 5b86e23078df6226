"""Reviews and races with real keys on real commits: what is read, what a person says, and what is done then."""

from __future__ import annotations

import asyncio

import pytest
from terok.services import Tasks
from terok.store import Store
from terok.store.reviewing import begin_check, comments, end_check, rounds
from terok.tui.plain_review import PlainRace, PlainReview

from .conftest import REVIEW, grid, populate, until
from .reviewed import FIRST, SECOND, agent_of, raced, work


@pytest.fixture
def agent(root, tmp_path, monkeypatch):
    populate()
    with Tasks() as tasks:
        with tasks.store.write() as writer:
            writer.change(REVIEW, "x", branch=f"terok/{REVIEW}")
        made = agent_of(tasks, tmp_path / "repos", monkeypatch)
        work(made)
        yield made


def recorded():
    with Store() as store:
        return comments(store, REVIEW)


async def opened(pilot):
    app = pilot.app
    await until(pilot, lambda: app.world.loaded)
    app.screen.go_to(app.world.tasks[REVIEW])
    await pilot.press("v")
    await until(pilot, lambda: app.screen.NAME == "review" and "README" in grid(app))
    return app.screen


def cursor(screen):
    row = screen.rows[screen.spot.row]
    return row.new.new if row.new is not None else row.text


async def test_files_are_read_from_the_tree_to_their_lines_and_back(tui, agent):
    app = tui()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot)
        await pilot.press("enter")
        await until(pilot, lambda: "1 commit" in grid(app) and "[ ] M README" not in grid(app))
        await pilot.press("right_curly_bracket", "right_curly_bracket")
        await until(pilot, lambda: screen.sheet is not None and screen.sheet.path == "README")
        await pilot.press("greater_than_sign")
        await until(pilot, lambda: "line five" in grid(app))
        await pilot.press("down", "j", "j", "j", "j")
        assert cursor(screen) == 5
        await pilot.press("greater_than_sign", "greater_than_sign", "greater_than_sign")
        await until(pilot, lambda: screen.sheet is not None and screen.sheet.path == "src/greet.py" and screen.rows)
        await until(pilot, lambda: screen.rows[screen.spot.row].kind == "hunk")
        await pilot.press("escape")
        await until(pilot, lambda: "> [ ] M greet.py" not in grid(app) and "M greet.py" in grid(app))
        await pilot.press("escape")
        assert app.screen.NAME == "inbox"


async def test_a_comment_on_a_range_stands_below_it_is_answered_and_settled(tui, agent):
    app = tui()
    async with app.run_test(size=(160, 48)) as pilot:
        screen = await opened(pilot)
        await pilot.press("j", "j", "enter")
        await until(pilot, lambda: screen.sheet is not None and screen.sheet.path == "README")
        screen._at(next(number for number, row in enumerate(screen.rows) if row.text == "" and cursor_of(row) == 4))
        await pilot.press("space", "j", "j", "c")
        await until(pilot, lambda: "comment on README:4-5" in grid(app))
        await pilot.press(*"why[/]?", "enter")
        await until(pilot, lambda: "(written)" in grid(app) and "why[/]?" in grid(app))
        (first,) = await asyncio.to_thread(recorded)
        assert (str(first.place), first.text) == ("README:4-5", "why[/]?")
        assert "1#" in grid(app)
        await pilot.press("full_stop", "c")
        await until(pilot, lambda: f"answer #{first.id}" in grid(app))
        await pilot.press(*"so", "enter")
        await until(pilot, lambda: "2#" in grid(app))
        await pilot.press("o")
        await until(pilot, lambda: f"comment {first.id} is settled" in grid(app))
        await pilot.press("r")
        await until(pilot, lambda: "with 1 comment:" in grid(app))
        await pilot.press("escape")


def cursor_of(row):
    return row.new.new if row.new is not None else None


async def test_a_deleted_line_takes_a_comment_and_a_viewed_file_its_mark(tui, agent):
    app = tui()
    async with app.run_test(size=(100, 30)) as pilot:
        screen = await opened(pilot)
        await pilot.press("j", "j", "enter", "greater_than_sign")
        await until(pilot, lambda: screen.rows and screen.sheet.path == "README")
        screen._at(next(number for number, row in enumerate(screen.rows) if row.old and row.new is None))
        await pilot.press("c")
        await until(pilot, lambda: "comment on README:-5:" in grid(app))
        await pilot.press("escape", "m")
        await until(pilot, lambda: "[x] M README" in grid(app))
        assert screen.entry.path != "README"
        await pilot.press("left_curly_bracket", "V")
        await until(pilot, lambda: "[ ] M README" in grid(app))


async def test_findings_are_gone_to_and_colors_come(tui, agent):
    app = tui()
    async with app.run_test(size=(160, 48)) as pilot:
        screen = await opened(pilot)
        await pilot.press("full_stop")
        await until(pilot, lambda: "! workflow" in grid(app) and screen.spot.region == "lines")
        await pilot.press("right_curly_bracket", "right_curly_bracket")
        await until(pilot, lambda: screen.sheet is not None and screen.sheet.path == "src/greet.py")
        await until(pilot, lambda: any(span.style == "keyword" for line in painted_lines(screen) for span in line))
        assert any(span == ("good day", "added-word") for line in painted_lines(screen) for span in line)
        await pilot.press("backslash")
        await until(pilot, lambda: "|" in grid(app) and screen.sheet is not None and screen.sheet.split)
        await pilot.resize_terminal(110, 30)
        await until(pilot, lambda: screen.sheet is not None and not screen.sheet.split)
        await pilot.press("backslash")
        await until(pilot, lambda: "side by side needs 120 columns" in grid(app))


def painted_lines(screen):
    return screen._colors(screen.sheet).values() if screen.sheet is not None else ()


async def test_only_what_is_new_is_shown_and_newer_work_is_said(tui, agent, source):
    app = tui()
    async with app.run_test(size=(100, 30)) as pilot:
        screen = await opened(pilot)
        await pilot.press("i")
        await until(pilot, lambda: "has not changed since" in grid(app))
        await asyncio.to_thread(push_more, agent)
        screen.on_screen_resume()
        await until(pilot, lambda: "newer work is there" in grid(app))
        await pilot.press("i")
        await until(pilot, lambda: "since last" in grid(app) and "NEWS" in grid(app) and "greet.py" not in grid(app))
        await pilot.press("i")
        await until(pilot, lambda: "greet.py" in grid(app))
        await pilot.press("W")
        await until(pilot, lambda: "without spaces" in grid(app))
    with Store() as store:
        assert len(rounds(store, "web", f"terok/{REVIEW}")) == 2


def push_more(agent):
    agent.commit({"NEWS": "x\n"}, "More")
    agent.push()


async def test_a_promotion_asks_where_to_and_says_what_has_moved(tui, agent, monkeypatch):
    await asyncio.to_thread(agent.move_upstream, {"README": "theirs\n"})
    app, ran = tui(), []
    monkeypatch.setattr(app, "run_verb", lambda *words: ran.append(words))
    async with app.run_test(size=(160, 30)) as pilot:
        await opened(pilot)
        await pilot.press("P")
        await until(pilot, lambda: "main has got 1 commit since: Upstream moves; both change README" in grid(app))
        await pilot.press("ctrl+u", *"main", "enter")
        await until(pilot, lambda: "on top of its 1 new commit" in grid(app))
        await pilot.press("escape", "P", "ctrl+u", *"other", "enter", *"main", "enter")
        await until(pilot, lambda: "with a pull request into main" in grid(app))
        await pilot.press("enter")
    branch = f"terok/{REVIEW}"
    flags = ("--accept-flags", "--pull-request", "--base", "main")
    assert ran == [("promote", REVIEW, "--branch", branch, "--to", "other", *flags)]


async def test_a_check_is_run_and_its_result_is_shown_later(tui, agent, monkeypatch):
    app, ran = tui(), []
    monkeypatch.setattr(app, "run_verb", lambda *words: ran.append(words))
    async with app.run_test(size=(100, 30)) as pilot:
        screen = await opened(pilot)
        await pilot.press("K", *"make test", "enter")
        assert ran == [("review", REVIEW, "--branch", f"terok/{REVIEW}", "--check=make test")]
        await asyncio.to_thread(failed_check, screen._seen.reviewed.tip)
        screen.on_screen_resume()
        await until(pilot, lambda: "failed with exit code 2: make test on this commit" in grid(app))
        assert "boom" in grid(app)


def failed_check(tip):
    with Store() as store, store.write() as writer:
        end_check(writer, begin_check(writer, REVIEW, "b", tip, "make test"), "failed", 2, "boom", 0)


async def test_what_cannot_be_reviewed_says_why(tui, root):
    populate()
    with Store() as store, store.write() as writer:
        writer.change(REVIEW, "x", branch="terok/x")
    app = tui()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.world.loaded)
        app.screen.go_to(app.world.tasks[REVIEW])
        await pilot.press("v")
        await until(pilot, lambda: "has nothing in the gate to review" in grid(app))
        await pilot.press("c", "m", "space", "o", "greater_than_sign", "full_stop", "enter", "escape")
        await until(pilot, lambda: app.screen.NAME == "inbox")


async def test_attempts_are_compared_and_one_is_kept(tui, root, tmp_path, monkeypatch):
    with Tasks() as tasks:
        raced(tasks, tmp_path / "repos", monkeypatch)
    app, ran = tui(), []
    async with app.run_test(size=(100, 30)) as pilot:
        await until(pilot, lambda: app.world.loaded)
        app.screen.go_to(app.world.tasks[FIRST])
        await pilot.press("N")
        await until(pilot, lambda: app.screen.NAME == "race" and "in 2 files" in grid(app))
        assert "$0.2500*" in grid(app) and "files that others touch too" in grid(app)
        await pilot.press("equals_sign", "enter")
        await until(pilot, lambda: app.screen.NAME == "compare" and "NOTES" in grid(app))
        await pilot.press("}", "}", "}")
        await until(pilot, lambda: "good evening" in grid(app))
        await pilot.press("escape")
        await until(pilot, lambda: app.screen.NAME == "race")
        monkeypatch.setattr(app, "run_verb", lambda *words: ran.append(words))
        await pilot.press("down", "Y", "ctrl+u", *"main", "enter")
        await until(pilot, lambda: "archive the other 1" in grid(app))
        await pilot.press("enter")
        assert ran == [("race", "keep", SECOND, "--to", "main")]
        await pilot.press("enter")
        await until(pilot, lambda: app.screen.NAME == "review" and "greet.py" in grid(app))


class Talk:
    """A person who types lines, and what is said to them."""

    def __init__(self, *lines: str) -> None:
        self.lines, self.said, self.ran = list(lines), [], []

    def read(self, prompt: str) -> str | None:
        return self.lines.pop(0) if self.lines else None


def test_the_plain_form_reads_comments_and_promotes(agent):
    talk = Talk("2", "c README:5", "why?", "m 2", "k true", "p main", "yes", "j", "no", "9", "x")
    PlainReview(talk.said.append, talk.read, talk.ran.append, REVIEW).run()
    text = "\n".join(talk.said)
    assert "2. README; 2 lines added, 2 deleted" in text and "+line five" in text and "there is no file 9" in text
    assert talk.ran == [
        ["review", REVIEW, "--comment", "README:5", "why?"],
        ["review", REVIEW, "--viewed=README"],
        ["review", REVIEW, "--check=true"],
        ["promote", REVIEW, "--branch", f"terok/{REVIEW}", "--to", "main", "--accept-flags"],
        ["reject", REVIEW, "--message=no"],
    ]
    with Store() as store:
        assert len(rounds(store, "web", f"terok/{REVIEW}")) == 1


def test_the_plain_form_compares_attempts(root, tmp_path, monkeypatch):
    with Tasks() as tasks:
        raced(tasks, tmp_path / "repos", monkeypatch)
    talk = Talk("d 1 2", "k 2", "1", "b", "b")
    PlainRace(talk.said.append, talk.read, talk.ran.append, FIRST).run()
    text = "\n".join(talk.said)
    assert "greet-1 by claude" in text and "good evening" in text and talk.ran == [["race", "keep", SECOND]]
