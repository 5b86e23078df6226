"""Outputs of commands: the newest lines, bounded, searched, ended when nobody looks any more. And the plain form."""

from __future__ import annotations

import queue
import sys
import time

import pytest
from terok.store import Store
from terok.tui.background import output as module
from terok.tui.background.output import MOST_LINES, Output
from terok.tui.plain import Plain
from terok.tui.views.world import Changed

from .conftest import ASKS, WORKS, Told, populate

FLOOD = "import sys; w=sys.stdout.buffer.write\nfor n in range(2000): w(b'line %d\\n' % n * 100)"


@pytest.fixture
def program(monkeypatch):
    """Run Python code in place of a command of terok."""
    monkeypatch.setattr(module, "command_line", lambda words: [sys.executable, "-c", *words])


def finished(code):
    posts = queue.SimpleQueue()
    found = Output([code], posts.put)
    found.start()
    count = 1
    while (news := posts.get(timeout=60)).code is None and not news.error:
        found.seen()
        count += 1
    return found, news, count


def test_a_flood_is_bounded_and_tells_no_more_often_than_a_screen_can_show(program):
    began = time.monotonic()
    found, news, count = finished(FLOOD)
    seconds = time.monotonic() - began
    assert news.code == 0 and found.count == 200_000
    assert found.count - found.first <= MOST_LINES
    assert found.lines(found.count - 1, found.count) == ["line 1999"]
    assert count <= seconds * 30 + 2


def test_hostile_bytes_and_a_last_line_without_an_end(program):
    found, news, _ = finished(
        r"import sys; sys.stdout.buffer.write(b'\xff\x1b[31m\r\n' + b'x' * 99999 + b'\nend'); sys.exit(3)"
    )
    assert news.code == 3
    lines = found.lines(0, 9)
    assert lines[0] == "\ufffd\x1b[31m\r" and len(lines[1]) == 16384 and lines[2] == "end"


def test_text_is_found_in_both_directions(program):
    found, _, _ = finished("print('one\\ntwo\\nThree\\ntwo')")
    assert (found.find("TWO", 0, 1), found.find("two", 2, 1), found.find("two", 2, -1)) == (1, 3, 1)
    assert found.find("four", 0, 1) is None and found.find("one", -5, -1) is None


def test_what_nobody_looks_at_is_ended(program):
    posts = queue.SimpleQueue()
    found = Output(["import time; print('here', flush=True); time.sleep(600)"], posts.put)
    found.start()
    posts.get(timeout=60)
    found.close()
    assert posts.get(timeout=60).code != 0


def talk(*lines):
    said, left = [], list(lines)
    plain = Plain(
        said.append,
        lambda prompt: left.pop(0) if left else None,
        lambda words: said.append(f"ran {words}"),
        source=Told(),
    )
    assert plain.run("a test") == 0
    return plain, said


def test_the_plain_form_lists_opens_and_acts(root):
    populate()
    _, said = talk("1", "v", "b", "/ s:working", "1", "x", "b", "q")
    assert said[0].startswith("terok in plain form, because of a test")
    assert "Needs you: 3" in said and "Done: 3 (d lists them)" in said
    assert any(line.startswith("1. question: fix-auth in web; Run the migration?") for line in said)
    assert "Answer 3: ask first" in said
    assert any(line.startswith(f"`terok task show {ASKS}`") for line in said)
    assert f"ran ['task', 'stop', '{WORKS}']" in said


def test_the_plain_form_says_what_changes_with_a_bell_for_what_needs_a_person(root):
    populate()
    plain, said = talk("q")
    with Store() as store:
        before = store.task(WORKS)
    plain._take(Changed((before._replace(word="question", group="needs", reason="Which \x1b[31mone?"),)))
    assert said[-1].startswith("\aneeds you: core/refactor-db, question") and "\x1b" not in said[-1]
    count = len(said)
    plain._take(Changed((before._replace(word="question", group="needs"),)))
    assert len(said) == count, "it is said once"
