"""`terok project`: the verbs that make and change projects."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from terok_util import Progress, UsageError, may_ask, read_file, safe_text, show, yaml

from terok.cli.editor import open_editor
from terok.config.edit import change_typed
from terok.services.projects import Projects

MAX_ANSWERS = 256 * 1024


def wizard(answers: str | None, as_json: bool) -> int:
    """Make a project of answers, those of a file or of the person at the terminal."""
    from terok.services.suggestions import suggestions
    from terok.services.wizard import NAME, ask, read_answers, settings

    projects = Projects()
    if answers is not None:
        try:
            name, data = read_answers(_read_answers(answers))
        except ValueError as error:
            raise UsageError(f"{answers}: {error}", hint="see docs/guides/projects.md for an example") from None
    else:
        if not (may_ask() and sys.stderr.isatty()):
            raise UsageError("the wizard needs a terminal", hint="or `terok project wizard --answers FILE`")
        suggested = suggestions(Path.cwd())
        given = ask(suggested, _asked)
        name, data = given[NAME], settings(given, suggested)
    file = projects.create(name, data)
    lines = [f"project {name} is in {file}", f"next: terok project init {name}", f'      terok task run {name} "…"']
    show({"name": name, "file": file}, as_json, lines)
    return 0


def _read_answers(name: str) -> Any:
    content = sys.stdin.buffer.read(MAX_ANSWERS) if name == "-" else _content(name)
    return yaml.plain(yaml.load(content.decode("utf-8", "replace"), name="answers" if name == "-" else name))


def _content(name: str) -> bytes:
    try:
        return read_file(Path(name), MAX_ANSWERS)
    except OSError as error:
        hint = "see docs/guides/projects.md for an example"
        raise UsageError(f"{name} cannot be read: {error.strerror}", hint=hint) from error


def _asked(question: Any) -> str:
    """Ask one question on the terminal until its answer is right."""
    choices = f" ({', '.join(question.choices)})" if question.choices else ""
    default = f" [{question.default}]" if question.default else ""
    while True:
        sys.stderr.write(safe_text(f"{question.text}{choices}{default}: "))
        sys.stderr.flush()
        line = sys.stdin.readline()
        if not line:
            hint = "or `terok project wizard --answers FILE`"
            raise UsageError("the questions were not answered; nothing was written", hint=hint)
        try:
            return str(question.accept(line))
        except ValueError as error:
            sys.stderr.write(safe_text(f"  {error}") + "\n")


def init(project: str, repo: str | None, as_json: bool) -> int:
    """Make a project ready, and first the project itself if a repository is given."""
    upstream = str(Path(repo).absolute()) if repo is not None and Path(repo).is_dir() else repo
    with Progress() as say:
        done = Projects(say).prepare(project, upstream)
    show(done, as_json, _prepared(done))
    return 0


def _prepared(done: Any) -> list[str]:
    lines = [f"project {done.project} was made"] if done.made else []
    if done.mirror is not None:
        lines.append(f"mirror   {done.mirror}, work starts from {done.branch or 'nothing: the repository is empty'}")
    lines += [f"note     {note}" for note in done.notes]
    if done.pending:
        lines.append(f"pending  {done.pending} changes upstream wait for you: terok project gate ops {done.project}")
    lines.append(f"image    {done.image} {'was built' if done.built else 'is up to date'}")
    return [*lines, f'next: terok task run {done.project} "…"']


def edit(project: str, key: str | None, value: str | None, unset: bool) -> int:
    """Change a key of a project, or open its file in the person's editor."""
    projects = Projects()
    if key is None:
        open_editor(projects.file(project), ["config", "validate", project])
    return edited(key, value, unset, lambda change: projects.change(project, key, change), str(projects.file(project)))


def edited(key: str, value: str | None, unset: bool, change: Any, file: str) -> int:
    """Change one key by `change`, and say what happened."""
    if (value is None) == (not unset):
        raise UsageError(f"a value for {key} is needed, or --unset", hint=f"see `terok config explain {key}`")
    changed = change_typed(value, change)
    show({"file": file, "changed": changed}, False, f"{file} was changed" if changed else "nothing to change")
    return 0


def derive(project: str, name: str, upstream: str | None) -> int:
    """Make a project with the settings of another."""
    made = Projects().derive(project, name, {"git.upstream": upstream} if upstream else None)
    show("", False, [f"project {name} is in {made.directory}", f"next: terok project init {name}"])
    return 0


def build(project: str, rebuild: bool, full_rebuild: bool, as_json: bool) -> int:
    """Build the image of a project."""
    with Progress() as say:
        projects = Projects(say)
        built = projects.build(projects.get(project), rebuild=rebuild, full_rebuild=full_rebuild)
    show(built, as_json, f"{built.image}: {'built' if built.built else 'up to date'}")
    return 0


def delete(project: str, as_json: bool) -> int:
    """Delete a project."""
    from terok.services import Tasks

    with Progress() as say, Tasks(say=say) as tasks:
        number = Projects().delete(tasks, project)
    lines = [
        f"project {project} is deleted; `terok undo {number}` brings it back",
        f"its mirror stays: `terok project gate rm {project}` removes it",
    ]
    show({"project": project, "operation": number}, as_json, lines)
    return 0
