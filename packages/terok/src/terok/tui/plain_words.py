"""Words of the plain form beside those about tasks: the tables of the screens as labeled lines."""

from __future__ import annotations

from collections.abc import Callable
from time import time
from typing import Any, Final

from terok_util import TerokError

from terok.tui.background import looking, projects
from terok.tui.views.columns import flat, labeled
from terok.tui.views.new import MODES
from terok.tui.views.operations import operations_table
from terok.tui.views.panic import panic_lines
from terok.tui.views.projects import look_lines, ordered, projects_table
from terok.tui.views.settings import settings_table, wanted
from terok.tui.views.sickbay import shown, sickbay_table
from terok.tui.views.storage import kinds_table, room_lines, total_words, unneeded_table
from terok.tui.views.usage import BYS, usage_lines, usage_table
from terok.tui.views.wizard import wizard_fields, wizard_file

Say = Callable[[str], None]
Read = Callable[[str], "str | None"]
Command = Callable[[list[str]], Any]
_WIDE: Final = 200
"""Cells for lines that a person hears: nothing is cut."""

HELP: Final = (
    "projects   list the projects; projects NAME shows one",
    "wizard     make a project by a few questions",
    "new        start a task",
    "settings   list what is set; settings PROJECT those of a project",
    "usage      list use and cost; usage day adds up by day, or project, model, agent, credential",
    "storage    list what is kept on disk; storage clean lists what is not needed",
    "sickbay    look for what is wrong; sickbay fix mends it",
    "operations list what can be taken back; undo N takes it back",
    "panic      cut everything off, or end that",
)


def do(word: str, rest: str, say: Say, read: Read, command: Command) -> bool:
    """Do what a word stands for; returns whether there is such a word."""
    tables = {
        "usage": lambda: _usage(rest),
        "storage": lambda: _unneeded() if rest == "clean" else _storage(),
        "sickbay": lambda: labeled(sickbay_table(shown(looking.examine(fix=rest == "fix"), everything=False))),
        "operations": lambda: labeled(operations_table(looking.read_operations(), time())),
        "settings": lambda: labeled(settings_table(wanted(projects.read_settings(rest), "", everything=False))),
        "projects": lambda: _projects(rest),
    }
    talks = {"new": _new, "wizard": _wizard, "panic": _panic}
    try:
        if word in tables:
            for line in tables[word]():
                say(line)
        elif word in talks:
            talks[word](say, read, command)
        elif word == "undo":
            command(["undo", *rest.split()])
        else:
            return False
    except TerokError as error:
        say(f"error: {error.message}")
        if error.hint:
            say(f"hint: {error.hint}")
    return True


def _usage(rest: str) -> list[str]:
    by = next((by for by in BYS if by == rest), BYS[0])
    spending = looking.read_usage(by, None)
    return [*labeled(usage_table(spending)), *flat(usage_lines(spending))]


def _storage() -> list[str]:
    held = looking.read_storage()
    return [*labeled(kinds_table(held)), *flat(room_lines(held))]


def _unneeded() -> list[str]:
    found, failures = looking.find_unneeded()
    more = [f"{total_words(found)}; `: storage clean --yes` removes them"] if found else []
    return [*labeled(unneeded_table(found)), *more, *(f"not asked: {one}" for one in failures)]


def _projects(rest: str) -> list[str]:
    if rest:
        return flat(look_lines(projects.read_project(rest), _WIDE))
    return labeled(projects_table(ordered(projects.read_projects()), {}))


def _new(say: Say, read: Read, command: Command) -> None:
    project = (read("project> ") or "").strip()
    mode = (read(f"mode, {', '.join(MODES[1:])}, or nothing to go by the prompt> ") or "").strip()
    prompt = "" if mode in ("interactive", "web") else (read("what is to be done> ") or "").strip()
    if not project:
        say("nothing was started")
        return
    words = ["task", "run", project, *([prompt] if prompt else []), *(["--mode", mode] if mode else [])]
    command([*words, "--detach"])


def _wizard(say: Say, read: Read, command: Command) -> None:
    suggested, given = projects.read_suggestions(), dict[str, str]()
    number = 0
    while number < len(fields := wizard_fields(suggested, given)):
        field = fields[number]
        choices = f" ({', '.join(field.choices)})" if field.choices else ""
        say(f"{field.help}{choices}")
        text = read(f"{field.label} [{field.value}]> ")
        if text is None:
            say("nothing was written")
            return
        if text.strip():
            given[field.key] = text.strip()
        problem = wizard_fields(suggested, given)[number].problem
        if problem:
            say(problem)
            given.pop(field.key, None)
        else:
            number += 1
    name, data, text = wizard_file(suggested, fields)
    for line in text.split("\n"):
        say(line)
    if (read("write it? yes or no> ") or "").strip() in ("y", "yes"):
        say(f"written: {projects.write_project(name, data)}")
        command(["project", "init", name])


def _panic(say: Say, read: Read, command: Command) -> None:
    for line in flat(panic_lines(looking.read_lockdown(), (), time(), _WIDE)):
        say(line)
    word = (read("type panic, or clear, or nothing> ") or "").strip()
    if word == "panic":
        command(["panic", "--yes"])
    elif word == "clear":
        command(["panic", "--clear", "--yes"])
