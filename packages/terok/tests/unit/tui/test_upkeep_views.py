"""Tables and pages of upkeep: they fit any width, and no text of theirs is anything but text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terok.config import BrokenProject
from terok.config.explanation import Setting
from terok.services.checks import Finding
from terok.services.health import Health
from terok.services.project_look import MirrorLook, ProjectLook
from terok.services.storage_cleaning import Unneeded
from terok.tui.views.columns import Table, columns, labeled
from terok.tui.views.form import Field, field_line, field_lines, next_choice
from terok.tui.views.new import BY_PROMPT, Choices, new_fields, wish
from terok.tui.views.operations import can_be_undone, operation_lines, operations_table
from terok.tui.views.panic import panic_lines
from terok.tui.views.projects import look_lines, projects_table
from terok.tui.views.ready import Step, outcome, step_lines
from terok.tui.views.settings import setting_lines, settings_table, value_text, wanted
from terok.tui.views.sickbay import remark_lines, remarks, shown, sickbay_table
from terok.tui.views.storage import kinds_table, places_table, room_lines, unneeded_table
from terok.tui.views.text import STYLES, Span, plain, width
from terok.tui.views.usage import usage_table
from terok.tui.views.wizard import wizard_fields, wizard_file
from terok_util import safe_text

from .looked import CHOICES, EVIL, HELD, LOCKED, REMARKS, SETTINGS, SPENDING, SUGGESTED, UNNEEDED, operation, operations

NOW = 1_000_000.0
TABLES = {
    "operations": operations_table(operations(NOW), NOW),
    "usage": usage_table(SPENDING),
    "kinds": kinds_table(HELD),
    "places": places_table(HELD),
    "unneeded": unneeded_table(UNNEEDED),
    "settings": settings_table(SETTINGS),
    "sickbay": sickbay_table(REMARKS),
    "projects": projects_table([BrokenProject(name="web", directory="/d", message=EVIL)], {"web": 3}),
}


def fits(lines, cells):
    for line in lines:
        assert width(line) <= cells and plain(line).isprintable(), line
        assert all(span.style in STYLES for span in line)


@given(
    st.lists(st.tuples(st.text(max_size=40), st.text(max_size=40), st.text(max_size=12)), max_size=5),
    st.integers(0, 120),
    st.sampled_from([(), (1,), (2, 1)]),
)
def test_a_table_of_any_text_fits_every_width(rows, cells, drop):
    table = Table(("A", "B", "C"), tuple(tuple(map(Span, row)) for row in rows), "none", drop, 0, frozenset((2,)))
    lines = columns(table, cells)
    assert len(lines) == len(rows) + 1
    fits(lines, cells)
    assert len({width(line) for line in lines}) == 1, "columns stand below one another"
    assert all(line.isprintable() for line in labeled(table))


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("cells", [160, 100, 80, 60, 40])
def test_the_tables_fit_and_keep_what_is_cut_last(name, cells):
    table = TABLES[name]
    fits(columns(table, cells), cells)
    assert all(len(row) == len(table.titles) for row in table.rows)
    if cells >= 80:
        for row, line in zip(table.rows, columns(table, cells)[1:], strict=True):
            assert safe_text(row[table.cut].text)[:6] in plain(line)


def test_labels_name_the_columns_and_leave_out_what_is_empty():
    table = Table(("N", "WHAT", ""), ((Span("3"), Span("a"), Span("")), (Span(""), Span("b"), Span("more"))))
    assert labeled(table) == ["n 3; what a", "what b; more"]
    assert labeled(table._replace(rows=())) == ["there is nothing"]


@pytest.mark.parametrize(
    ("state", "reason"), [("open", ""), ("done", ""), ("undone", "undone"), ("expired", "expired")]
)
def test_what_is_undone_or_expired_cannot_be_taken_back(state, reason):
    one = operation(1, state, NOW - 5, NOW + 5, EVIL)
    assert (can_be_undone(one) == "") == (reason == "") and reason in can_be_undone(one)
    fits(operation_lines(one, NOW, 80), 80)


def test_what_is_wrong_stands_first_and_what_is_well_is_listed_when_asked_for():
    health = Health(
        [Finding("a", "ok", "x"), Finding("b", "warn", EVIL, mend=lambda tasks: None), Finding("c", "error", "y")],
        mended=[Finding("d", "warn", "z")],
        failed=[(Finding("e", "warn", "w"), "no")],
    )
    found = remarks(health)
    assert [one.level for one in found] == ["failed", "error", "warn", "mended", "ok"]
    assert [one.check for one in shown(found, everything=False)] == ["e", "c", "b", "d"]
    assert [one.mendable for one in found] == [False, False, True, False, False]
    assert "f mends it" in [plain(line) for line in remark_lines(found[2], 80)]
    assert labeled(sickbay_table(())) == ["all is well"]


def test_the_largest_comes_first_and_what_cannot_be_read_is_a_least():
    assert [row[0].text for row in places_table(HELD).rows] == ["5.0 GB", "3.0 GB", "1.0 MB", "at least 4.1 kB"]
    assert [row[0].text for row in kinds_table(HELD).rows] == ["image", "workspace", "trash"]
    text = " ".join(plain(line) for line in room_lines(HELD))
    assert "40.0 GB" in text and "not measured: images: podman does not answer" in text
    failed = Unneeded("image", EVIL, 5, "old", "it is in use")
    fits(columns(unneeded_table([failed]), 80), 80)
    assert "it is in use" in labeled(unneeded_table([failed]))[0]


def test_settings_are_found_by_their_words_and_say_what_they_hide():
    assert [one.key for one in wanted(SETTINGS, "", everything=False)] == ["run.memory", "shield.profiles"]
    assert [one.key for one in wanted(SETTINGS, "run seconds", everything=True)] == ["run.timeout"]
    assert "hides 2g" in " ".join(plain(line) for line in setting_lines(SETTINGS[0], 80))
    evil = Setting(key="x.y", value={"a": EVIL}, kind="text", default=None, help=EVIL)
    fits(list(columns(settings_table([evil]), 60)), 60)
    assert all(plain(line).isprintable() for line in setting_lines(evil, 60))


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), ("4g", "4g"), ("", '""'), ("a\nb", '"a\\nb"'), ([1, "x"], '[1, "x"]'), (True, "true")],
)
def test_a_value_is_shown_as_it_can_be_typed(value, text):
    assert value_text(value) == text


def test_a_part_that_is_not_known_is_said_and_never_taken_for_empty():
    broken = BrokenProject(name="web", directory="/d", message=EVIL, hint="mend it")
    fits(look_lines(ProjectLook(broken), 60), 60)
    from terok.tui.views import projects

    lines = [plain(line) for line in projects._part("SSH keys", "keys", {"keys": "the vault is locked"})]
    assert lines == ["", "SSH KEYS", "  not known: the vault is locked"]
    assert "there is no mirror yet" in plain(next(iter(projects._mirror(MirrorLook(made=False)))))


def test_the_wizards_form_follows_the_answers():
    keys = [field.key for field in wizard_fields(SUGGESTED, {})]
    assert keys[:2] == ["git.upstream", "name"] and "gate.security_class" in keys
    local = wizard_fields(SUGGESTED, {"git.upstream": "/src/api"})
    assert "gate.security_class" not in [field.key for field in local], "a directory is reached through the gate only"
    assert [field.problem != "" for field in local if field.key == "name"] == [True], "its proposed name is taken"
    fields = wizard_fields(SUGGESTED, {"name": "site", "agent.name": "demo", "gate.security_class": "online"})
    assert not any(field.problem for field in fields)
    name, data, text = wizard_file(SUGGESTED, fields)
    assert (name, data["agent"], data["gate"]) == ("site", {"name": "demo"}, {"security_class": "online"})
    assert "name: demo" in text and text.startswith("# Project site")


@pytest.mark.parametrize(
    ("given", "problems", "options"),
    [
        ({"prompt": "do it"}, [], {}),
        ({}, [], {}),
        ({"mode": "web"}, [], {"mode": "web"}),
        ({"mode": "headless"}, ["mode"], None),
        ({"mode": "interactive", "prompt": "x"}, ["mode"], None),
        ({"project": "nope"}, ["project"], None),
        ({"agent": "codex", "model": "m"}, [], {"overrides": {"agent.name": "codex", "agent.model": "m"}}),
        ({"preset": "long", "name": "n"}, [], {"preset": "long", "name": "n"}),
    ],
)
def test_a_new_task_in_each_mode(given, problems, options):
    fields = new_fields({"project": "web", **given}, CHOICES)
    assert [field.key for field in fields if field.problem] == problems
    if options is not None:
        assert wish(fields) == ("web", given.get("prompt", ""), options)


def test_a_preset_is_offered_where_the_project_has_one():
    assert "preset" not in [field.key for field in new_fields({"project": "api"}, CHOICES)]
    assert new_fields({}, Choices({}))[1].problem, "without a project there is none to choose"
    assert new_fields({"prompt": "x"}, None)[2].shown.startswith("headless")
    assert new_fields({}, None)[2].value == BY_PROMPT


@given(st.text(max_size=50), st.text(max_size=50), st.integers(1, 100))
def test_a_field_of_any_text_fits(value, problem, cells):
    field = Field("k", "label", value, value, ("", value, "b"), problem)
    fits([field_line(field, cells)], cells)
    assert all(plain(line).isprintable() for line in field_lines(field))


def test_choices_go_around():
    field = Field("k", "label", "b", choices=("a", "b"))
    assert (next_choice(field), next_choice(field._replace(value="?"))) == ("a", "a")


def test_steps_say_what_comes_next():
    steps = [Step("one", "done", "it is"), Step("two", "failed", EVIL), Step("three")]
    fits(step_lines(steps), 4000)
    assert [plain(line)[4:11].strip() for line in step_lines(steps)] == ["done", "", "failed", "", "waits"]
    assert "tries" in outcome(steps) and outcome([Step("x", "now")]) == "" and "starts" in outcome([Step("x", "done")])


def test_what_a_panic_could_not_do_stands_out():
    lines = panic_lines(LOCKED, ["2 containers cut off", "FAILED  " + EVIL], NOW, 60)
    fits(lines, 60)
    assert plain(lines[0]) == "LOCKDOWN: nothing starts"
    assert [span.style for line in lines for span in line if "FAILED" in span.text] == ["error"]
