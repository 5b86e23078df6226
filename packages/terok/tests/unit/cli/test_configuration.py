"""The verbs about configuration and projects, as a person types them."""

from __future__ import annotations

import json
import os
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest
from terok.cli import main
from terok_util.process import run

from .test_tree import modules_after


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TEROK_ROOT", str(tmp_path))
    (tmp_path / "state" / "sandbox").mkdir(mode=0o700, parents=True)
    (tmp_path / "state" / "executor").mkdir(mode=0o700)
    return tmp_path


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Any:
    """Run a command line; return its exit code, its output (parsed with --json) and what is on standard error."""

    def do(*words: str) -> tuple[int, Any, str]:
        code = main(words)
        out, err = capsys.readouterr()
        return code, json.loads(out) if "--json" in words and out else out, err

    return do


def project(root: Path, name: str, text: str) -> Path:
    path = root / "config/projects" / name / "project.yml"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    return path


ANSWERS = """\
name: web
git:
  upstream: https://forge.example/web.git
agent:
  name: demo
presets:
  long:
    run: {timeout: 7200}
"""


def test_a_project_by_answers(root: Path, said: Any) -> None:
    answers = root / "answers.yml"
    answers.write_text(ANSWERS)
    code, made, _ = said("project", "wizard", "--answers", str(answers), "--json")
    assert (code, made["name"]) == (0, "web")
    assert "upstream: https://forge.example/web.git" in Path(made["file"]).read_text()
    code, shown, _ = said("project", "show", "web", "--json")
    assert (shown["agent"], shown["security_class"], shown["presets"]) == ("demo", "gatekeeping", ["long"])
    assert said("project", "wizard", "--answers", str(answers))[0] == 1
    answers.write_text("git: {}\n")
    code, _, error = said("project", "wizard", "--answers", str(answers))
    assert (code, "`name:`" in error) == (2, True)
    code, _, error = said("project", "wizard")
    assert (code, "--answers" in error) == (2, True)


def test_broken_projects_are_listed_and_named(root: Path, said: Any) -> None:
    project(root, "good", 'project:\n  description: "x\\e[31m"\n')
    path = project(root, "bad", "run:\n  memry: 4g\n  cpus: many\n")
    code, rows, _ = said("project", "list", "--json")
    assert (code, [row["name"] for row in rows], rows[1]["error"]) == (0, ["bad", "good"], None)
    assert rows[0]["error"] == f"{path}:2: run.memry: unknown key"
    code, text, _ = said("project", "list")
    assert ("broken" in text, "\x1b" in text) == (True, False)
    code, found, _ = said("config", "validate", "--json")
    assert (code, [(one["key"], one["line"]) for one in found]) == (1, [("run.memry", 2), ("run.cpus", 3)])
    assert said("config", "validate", "good")[0] == 0
    assert said("config", "validate", "nosuch")[0] == 2
    code, _, error = said("project", "show", "bad")
    assert (code, "did you mean run.memory?" in error) == (78, True)


def test_a_key_from_edit_to_explanation(root: Path, said: Any) -> None:
    project(root, "web", "")
    assert said("config", "edit", "run.memory", "4g")[0] == 0
    assert said("project", "edit", "web", "run.memory", "8g")[0] == 0
    assert said("project", "edit", "web", "agent.model", "4.1")[0] == 0
    code, rows, _ = said("config", "explain", "run.memory", "--project", "web", "--json")
    assert (rows[0]["value"], rows[0]["level"], [one["value"] for one in rows[0]["layers"]]) == (
        *("8g", "project"),
        ["4g", "8g"],
    )
    code, rows, _ = said("config", "resolved", "web", "--json")
    values = {row["key"]: row["value"] for row in rows}
    assert (values["run.memory"], values["agent.model"], values["run.timeout"]) == ("8g", "4.1", 1800)
    assert said("project", "edit", "web", "run.memory", "--unset")[0] == 0
    code, text, _ = said("config", "explain", "run.memory", "--project", "web")
    assert text.startswith('run.memory = "4g"  (user: ')
    assert "should be greater than or equal to 1" in said("config", "edit", "run.timeout", "0")[2]
    for words, code in (
        (("config", "edit", "run.memory", "12q"), 78),
        (("config", "edit", "run.memory"), 2),
        (("config", "edit", "run.nope", "1"), 78),
        (("config", "explain", "run.memry"), 2),
        (("config", "edit"), 2),
        (("project", "edit", "web"), 2),
    ):
        assert said(*words)[0] == code, words


def test_sets_and_agents_are_keys_too(root: Path, said: Any) -> None:
    file = project(root, "web", "# mine\n")
    document = said("shield", "sets", "web", "--set", "python,node", "--json")[1]
    assert [row["name"] for row in document["sets"] if row["open"]] == ["node", "python"]
    assert file.read_text() == "# mine\nshield:\n  profiles:\n    - python\n    - node\n"
    said("shield", "sets", "web", "--set", "none")
    assert file.read_text() == "# mine\nshield:\n  profiles: []\n"
    said("shield", "sets", "web", "--set", "default")
    assert file.read_text() == "# mine\n"
    assert said("shield", "sets", "web", "--set", "nosuch")[0] != 0
    document = said("project", "agents", "web", "all,-demo", "--json")[1]
    assert "demo" not in document["agents"]
    assert file.read_text() == "# mine\nimage:\n  agents: all,-demo\n"
    assert said("project", "agents", "web", "nosuch")[0] != 0
    assert said("agents", "dir", "demo")[1] == f"{root}/config/agents/demo.yaml\n"


def test_a_project_is_deleted_and_brought_back(root: Path, said: Any) -> None:
    project(root, "web", "")
    document = said("project", "delete", "web", "--json")[1]
    assert said("project", "list", "--json")[1] == []
    assert said("undo", str(document["operation"]))[0] == 0
    assert [row["name"] for row in said("project", "list", "--json")[1]] == ["web"]
    assert said("project", "derive", "web", "web2")[0] == 0
    assert said("project", "derive", "web", "web2")[0] == 1


def test_the_schema_is_one_that_editors_take(said: Any) -> None:
    for kind in ("global", "project"):
        schema = said("config", "schema", kind, "--json")[1]
        assert schema["additionalProperties"] is False
        assert schema["properties"]["run"]["properties"]["memory"]["description"]
        assert "shutdown_timeout" in schema["properties"]["run"]["properties"]
        assert "$ref" not in json.dumps({**schema["properties"], "presets": None})
        said("config", "schema", kind)


@pytest.mark.parametrize(
    "words",
    [
        *(["project", "list"], ["project", "show", "web"], ["config", "resolved", "web"], ["config", "paths"]),
        *(["config", "explain", "run", "--project", "web"], ["shield", "sets", "web"]),
    ],
)
def test_verbs_that_read_load_nothing_heavy(root: Path, words: list[str]) -> None:
    project(root, "web", "run:\n  memory: 4g\n")
    (root / "config/config.yml").write_text("run:\n  cpus: 2\n")
    modules_after(*words)
    assert modules_after(*words) & {"pydantic", "ruamel", "sqlcipher3", "jinja2", "httpx", "aiohttp"} == set()


def program(root: Path) -> str:
    """Return a console script of this program."""
    script = root / "terok"
    script.write_text(f"#!{sys.executable}\nimport sys\nfrom terok.cli import main\nsys.exit(main())\n")
    script.chmod(0o755)
    return str(script)


def test_the_wizard_asks_on_a_terminal(root: Path) -> None:
    words = ["script", "-qec", f"{program(root)} project wizard", "/dev/null"]
    typed = "https://forge.example/web.git\\nWEB\\n\\n\\n\\ndemo\\n\\n\\n"
    done = run(["/bin/sh", "-c", f"printf '{typed}' | {shlex.join(words)}"], timeout=60, check=False, cwd=root)
    assert "invalid project name" in done.text
    text = (root / "config/projects/web/project.yml").read_text()
    assert text.partition("\n\n")[2] == "git:\n  upstream: https://forge.example/web.git\n\nagent:\n  name: demo\n"


def test_an_editor_opens_the_file_and_the_file_is_checked_afterwards(root: Path) -> None:
    file = project(root, "web", "run:\n  memory: 4g\n")
    script = program(root)
    editor = root / "my editor"
    editor.write_text('#!/bin/sh\nsed -i s/4g/12q/ "$2"\n')
    editor.chmod(0o755)
    words = ["script", "-qec", f"{script} project edit web", "/dev/null"]
    quoted = str(editor).replace(" ", "\\ ")
    done = run(words, timeout=60, check=False, env={**os.environ, "EDITOR": f"{quoted} --wait", "VISUAL": ""})
    assert file.read_text() == "run:\n  memory: 12q\n"
    assert "run.memory: invalid size '12q'" in done.text
