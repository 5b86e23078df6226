"""One table of keys: without doubles, complete on every screen, and each action a verb of the command line."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
import terok.tui
import textual
from terok import COMMANDS
from terok.tui.background.opening import opened
from terok.tui.keymap import ACTIONS, EVERYWHERE, KINDS, actions_of, bound, shown_keys
from terok.tui.pages import PAGES
from terok.tui.views.footer import footer
from terok.tui.views.text import plain, width
from terok_util import UsageError
from textual.screen import Screen

HOME = Path(terok.tui.__file__).parent
SCREENS = {page.name: page for page in PAGES}
LOCAL = {
    *("down", "up", "page_down", "page_up", "top", "bottom", "previous_needing", "open", "peek", "fold", "copy"),
    *("mark", "mark_all", "search", "next_match", "previous_match", "follow", "raw"),
    *("command", "palette", "back", "quit"),
    *("read", "next_file", "previous_file", "next_hunk", "previous_hunk", "next_remark", "previous_remark", "select"),
    *("fold_section", "next_section", "previous_section", "choose", "newest", "copy_link"),
    *("again", "change", "find", "every_check"),
}
"""Actions that change only what is shown here: no verb of the command line does the same."""


@pytest.mark.parametrize("name", [name for name in SCREENS if name != "palette"])
def test_a_screen_can_do_exactly_what_the_table_says(name):
    screen = opened(SCREENS[name].screen)
    wanted = {f"do_{action.name}" for action in actions_of(name)}
    assert {one for one in dir(screen) if one.startswith("do_")} == wanted
    assert {binding.id.split("_1")[0] for binding in screen.BINDINGS if not binding.id.startswith("answer_")} <= {
        action.name for action in actions_of(name)
    }


@pytest.mark.parametrize("name", SCREENS)
def test_no_key_of_a_screen_means_two_things(name):
    keys = [key for action in actions_of(name) for key in action.keys.split(",")]
    assert len(keys) == len(set(keys))


def test_every_place_in_the_table_is_a_screen_or_a_kind():
    for action in ACTIONS:
        assert action.where in SCREENS or action.where in KINDS or action.where == EVERYWHERE, action
    assert {screen for kind in KINDS.values() for screen in kind} <= set(SCREENS)
    assert {page.action for page in PAGES if page.action} <= {action.name for action in ACTIONS}


def test_every_action_is_a_verb_of_the_command_line():
    verbs = {" ".join(path) for path, node in COMMANDS.walk() if node.handler is not None}
    for action in ACTIONS:
        assert action.verb in verbs if action.verb else action.name in LOCAL, action


def test_no_private_name_of_ours_is_textuals():
    """A name that both use breaks the program in places that seem to have nothing to do with it."""
    place = Path(textual.__file__).parent
    taken = {name for file in ("dom", "message_pump", "screen", "widget") for name in _attributes(place / f"{file}.py")}
    for path in (*HOME.glob("screens/*.py"), *HOME.glob("widgets/*.py")):
        assert not _attributes(path) & taken, path
    for page in PAGES:
        ours = {name for kind in opened(page.screen).__mro__ if "terok" in kind.__module__ for name in vars(kind)}
        methods = {name for name in ours if name.startswith("_") and callable(getattr(Screen, name, None))}
        assert {name for name in methods if not name.startswith("__")} == set(), page


def _attributes(path: Path) -> set[str]:
    """Return the private attributes of `self` that a file sets."""
    return {
        node.attr
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute)
        and isinstance(node.ctx, ast.Store)
        and isinstance(node.value, ast.Name)
        and node.value.id == "self"
        and node.attr.startswith("_")
    }


def test_keys_are_bound_anew_by_the_name_of_their_action():
    assert bound({"stop": "z"})["stop"] == "z"
    with pytest.raises(UsageError, match="no action 'stp'"):
        bound({"stp": "z"})
    with pytest.raises(UsageError, match="would be"):
        bound({"stop": "R"})
    assert shown_keys(bound({})["answer"]) == "1-9"


@pytest.mark.parametrize("cells", [200, 80, 60, 40, 20, 8])
def test_the_footer_has_whole_entries_and_ends_with_more(cells):
    line = footer("inbox", bound({}), cells)
    assert width(line) <= cells
    assert plain(line).rstrip().endswith("? more")
    assert all(entry.split(" ", 1)[1:] for entry in plain(line).strip().split("  "))


def test_markup_is_never_made_of_text():
    """Text of a container that looks like markup must never be read as such."""
    for path in HOME.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            words = {word.arg for word in node.keywords}
            banned = {"from_markup", "Label", *(("notify",) if path.parent.name != "background" else ())}
            assert "markup" not in words and name not in banned, (path, node.lineno)
            if name in ("Static", "update") and "widgets" in path.parts:
                assert all(_harmless(one) for one in node.args), (path, node.lineno)


def _harmless(node: ast.expr) -> bool:
    call = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("Content", "enumerate")
    return call or isinstance(node, ast.Constant)
