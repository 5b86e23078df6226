"""The quick start of the README as a person types it, and the JSON of the verbs that need Podman."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from outputs import OUTPUTS, Lines, document
from product import COMMIT, bare_clone, remove_containers
from shapes import problem
from support import BASE, ROOT, Shell
from terok.stub import Script, running_stub

NEEDS_PODMAN = """
status | task list | task show @latest | task logs @latest | task usage @latest | task audit @latest | task diff @latest
task timeline @latest | review | image list | image usage | image cleanup | executor list | executor list --sizes
executor doctor | executor logs {box} | executor preflight demo --base {base} | sandbox list | sandbox doctor
sandbox activity {box} | sandbox supervisor status | shield status {box} | shield rules {box} | shield preview {box}
shield logs {box} | shield check example.org:443 --container {box} | shield why example.org --container {box}
sickbay | storage | storage --all | storage clean | usage | usage --by model
vault status | vault list | vault usage | vault audit | auth list | auth status demo | controller status
"""


def quick_start() -> list[list[str]]:
    """Return the commands of the README's first block about a person's own repository."""
    text = (ROOT / "README.md").read_text("utf-8").partition("## On your own repository")[2]
    lines = text.split("```")[1].strip().splitlines()
    return [shlex.split(line.removeprefix("tools/run "), comments=True) for line in lines]


@pytest.fixture
def answers(ready: Shell, repository: Path, tmp_path: Path) -> Iterator[Path]:
    """Write what a person would answer to the wizard; the project is called `web`."""
    file = tmp_path / "answers.yml"
    file.write_text(f"name: web\ngit: {{upstream: {bare_clone(repository)}}}\nagent: {{name: demo}}\n")
    with file.open("a") as stream:
        stream.write(f"image: {{base_image: '{BASE}'}}\n")
    yield file
    remove_containers(ready, "web")
    ready("terok", "task", "delete", "p:web", "--running", code=None)
    ready("terok", "project", "delete", "web", code=None)
    ready("terok", "project", "gate", "rm", "web", "--force", code=None)


@pytest.mark.timeout(900)
def test_the_quick_start_works_as_it_is_written(
    ready: Shell, base_image: str, real_key: str, upstream: Callable[[str, str], None], answers: Path
) -> None:
    key = real_key  # it stays in the vault for the tests that follow
    said: dict[str, str] = {}
    commands = quick_start()
    with running_stub(Script((COMMIT,)), api_key=key) as provider:
        upstream("demo", provider.url)
        for words in commands:
            verb = " ".join(words[1:3])
            if verb == "project wizard":
                words += ["--answers", str(answers)]
            typed = ["demo" if word == "claude" else word for word in words]
            done = ready(*typed, stdin=f"{key}\n" if verb == "auth claude" else "", timeout=600)
            said[verb] = done.out + done.err
            if verb == "task usage":
                check_json(ready)
    assert [*said] == [
        *("setup", "auth claude", "project wizard", "task run", "task logs", "task why", "review @latest"),
        *("promote @latest", "task usage", "task delete", "undo"),
    ]
    assert "1 commit in the gate" in said["task run"]
    assert "+A line by the agent." in said["review @latest"]
    assert "terok undo" in said["task delete"]
    (row,) = ready("terok", "task", "list", "p:web", "--json").json()
    assert row["word"] == "done"
    log = ready("git", "--git-dir", str(answers.with_name("upstream.git")), "log", "--all", "--format=%s")
    assert "Add a line" in log.out


def check_json(ready: Shell) -> None:
    """Hold what each verb prints, about a task that has just ended, to its published schema."""
    from terok.cli.tree import COMMANDS

    box = ready("terok", "task", "show", "@latest", "--json").json()["container"]
    nodes = {id(COMMANDS.find_at(path)): path for path in OUTPUTS}
    lines = [line.strip() for row in NEEDS_PODMAN.splitlines() for line in row.split(" | ") if line.strip()]
    for line in lines:
        words = line.format(box=box, base=BASE).split()
        place = next(
            nodes[id(node)]
            for length in range(len(words), 0, -1)
            if (node := found(words[:length])) is not None and id(node) in nodes
        )
        done = ready("terok", *words, "--json", code=None)
        out = done.out
        assert out.strip() or isinstance(OUTPUTS[place], Lines), f"{line} printed no document, but {done.err}"
        read = [json.loads(row) for row in out.splitlines()] if isinstance(OUTPUTS[place], Lines) else [json.loads(out)]
        for one in read:
            assert problem(one, document(place)) is None, line


def found(path: list[str]) -> object | None:
    """Return the command at a path, None if there is none."""
    from terok.cli.tree import COMMANDS

    try:
        return COMMANDS.find_at(path)
    except LookupError:
        return None
