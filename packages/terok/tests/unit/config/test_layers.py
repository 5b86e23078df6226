from __future__ import annotations

import json
import os
import sys
from typing import Any

import pytest
from terok.config import BrokenProject, list_projects, load_project, load_settings, run_options, sandbox_config
from terok.config.explanation import explain
from terok.config.instructions import layered
from terok.errors import UnknownProject
from terok_util import ConfigError, UsageError
from terok_util.process import run

from .conftest import Host

LAYERS = ("system", "user", "projects/web")


@pytest.mark.parametrize(
    ("key", "values", "read"),
    [
        ("run.timeout", (10, 20, 30), lambda project: project.run.timeout),
        ("run.shutdown_timeout", (1, 2, 3), lambda project: sandbox_config(project).shutdown_timeout),
        ("image.agents", ("a", "b", "c"), lambda project: project.image.agents),
        ("hooks.post_stop", ("a", "b", "c"), lambda project: project.hooks.post_stop),
        ("budget.task.requests", (1, 2, 3), lambda project: project.sandbox["budget"].task.requests),
    ],
)
def test_every_layer_hides_the_one_below(host: Host, key: str, values: tuple[Any, ...], read: Any) -> None:
    host.write("projects/web", "")
    default = read(load_project("web"))
    *sections, leaf = key.split(".")
    head = "".join(f"{'  ' * depth}{section}:\n" for depth, section in enumerate(sections))
    for layer, value in zip(LAYERS, values, strict=True):
        path = host.write(layer, f"{head}{'  ' * len(sections)}{leaf}: {value}\n")
        assert read(load_project("web")) == value != default
        assert explain(key, "web")[0].origin == f"{path}:{len(sections) + 1}"
    assert [one.value for one in explain(key, "web")[0].layers] == [*values]
    preset = "presets:\n  fast:\n    " + f"{head}{'  ' * len(sections)}{leaf}: {values[0]}\n".replace("\n", "\n    ")
    host.write("projects/web", preset)
    assert read(load_project("web", preset="fast")) == values[0]
    assert read(load_project("web", preset="fast", overrides={key: values[1]})) == values[1]
    assert read(load_project("web")) == values[1]


def test_a_wrong_option_is_named_as_one(host: Host) -> None:
    host.write("projects/web", "presets:\n  fast: {}\n")
    with pytest.raises(UsageError, match=r"^run\.cpus: use a number$"):
        load_project("web", overrides={"run.cpus": "many"})
    with pytest.raises(UnknownProject) as caught:
        load_project("web", preset="quick")
    assert caught.value.hint == "use one of fast"
    with pytest.raises(UnknownProject) as caught:
        load_project("wob")
    assert caught.value.hint == "did you mean web?"


def test_variables_of_a_command_line_are_in_no_kept_file(host: Host) -> None:
    host.write("projects/web", "run: {env: {A: a, B: b}}\n")
    project = load_project("web", overrides={"run.env": {"B": "told-nobody"}, "agent.model": "m"})
    assert (project.run.env, project.agent.model) == ({"A": "a", "B": "told-nobody"}, "m")
    kept = [path.read_text() for path in host.root.rglob("*.json")]
    assert any('"m"' in text for text in kept)
    assert [text for text in kept if "told-nobody" in text] == []
    for wrong in ({"A-B": "x"}, {"A": 1}):
        with pytest.raises(ConfigError, match=r"command line: run\.env"):
            load_project("web", overrides={"run.env": wrong})


def test_an_empty_section_hides_nothing(host: Host) -> None:
    host.write("system", "run:\n  timeout: 7\n  shutdown_timeout: 8\nimage:\n  agents: demo\n")
    host.write("user", "run:\n  # timeout: 9\nimage:\n")
    host.write("projects/web", "run:\n")
    project = load_project("web")
    assert (project.run.timeout, sandbox_config(project).shutdown_timeout, project.image.agents) == (7, 8, "demo")


def test_what_a_layer_takes_away_is_explained(host: Host) -> None:
    host.write("system", "run: {memory: 1g, env: {A: a, B: b}}\n")
    host.write("user", "run:\n  memory: 2g\n")
    host.write("projects/web", "run:\n  memory: null\n  env: {_inherit: false, C: c}\n")
    memory, env = explain("run.memory", "web")[0], explain("run.env", "web")[0]
    assert (memory.value, [one.value for one in memory.layers]) == (None, ["1g", "2g", None])
    assert memory.origin.endswith("project.yml:2")
    assert env.value == {"C": "c"}
    host.write("projects/web", "run: {_inherit: false}\n")
    assert [one.layers for one in explain("run", "web")] == [()] * len(explain("run", "web"))
    assert load_project("web").run.memory is None


def test_paths_are_those_of_the_file_that_says_them(host: Host) -> None:
    user = host.write("user", "agent:\n  subagents: [mine.md]\nshield:\n  policy: a/b.policy\n")
    host.write("projects/web", "agent:\n  subagents: [_inherit, ours.md]\ngit:\n  upstream: ../../src\n")
    project = load_project("web")
    own = user.parent / "projects/web"
    assert project.agent.subagents == (str(user.parent / "mine.md"), str(own / "ours.md"))
    assert project.shield.policy == str(user.parent / "a/b.policy")
    assert project.git.upstream == str(user.parent / "src")
    host.write("projects/web", "git:\n  upstream: https://forge.example/a.git\n")
    assert load_project("web").git.upstream == "https://forge.example/a.git"


@pytest.mark.parametrize("path", ["~nosuchuser/x", "a/../\0", "~/x", "/a/../b", "\N{CYRILLIC SMALL LETTER A}"])
def test_any_text_may_stand_for_a_path(host: Host, path: str) -> None:
    host.write("projects/web", f"shield: {{policy: {json.dumps(path)}}}\n")
    policy = load_project("web").shield.policy
    assert policy is not None
    assert policy.startswith("/")
    assert ".." not in policy


def test_layers_that_are_wrong_together_are_an_error(host: Host) -> None:
    host.write("user", "shield: {resolvers: [192.0.2.1, 192.0.2.2]}\n")
    host.write("projects/web", "shield: {resolvers: [_inherit, 192.0.2.3, 192.0.2.4]}\n")
    with pytest.raises(ConfigError, match=r"^shield\.resolvers: .*at most 3 .*\(all layers together\)"):
        load_project("web")


@pytest.mark.parametrize(
    ("said", "together"),
    [
        ([], ["_inherit"]),
        (["a"], ["a"]),
        ([["_inherit", "a"], ["b", "_inherit"]], ["b", "_inherit", "a"]),
        ([["a"], {"claude": ["_inherit", "c"]}], {"_default": ["a"], "claude": ["a", "c"]}),
        ([{"claude": "c"}, ["_inherit", "x"]], {"_default": ["_inherit", "x"], "claude": ["c", "x"]}),
        ([{"claude": "c", "_default": []}, "x"], {"_default": ["x"], "claude": ["x"]}),
    ],
)
def test_instructions_of_layers(said: list[Any], together: Any) -> None:
    assert layered(said) == together


def test_instructions_of_the_projects_file_are_added_for_every_agent(host: Host) -> None:
    host.write("projects/web", "agent:\n  instructions: {demo: short}\n")
    host.write("projects/web/instructions.md", "be kind\n")
    said = run_options(load_project("web"))["instructions"]
    assert said == {"_default": ["_inherit", "be kind"], "demo": ["short", "be kind"]}


def test_a_broken_project_hides_no_other(host: Host) -> None:
    host.write("projects/good", "")
    host.write("projects/bad", "run:\n  memry: 4g\n")
    host.write("projects/worse", "run: [\n")
    host.write("projects/unreadable/project.yml", "\N{LATIN SMALL LETTER E WITH ACUTE}").write_bytes(b"\xff")
    closed = host.write("projects/closed", "").parent
    closed.chmod(0)
    host.write("projects/.trash", "")
    host.write("projects/No Name", "")
    host.write("projects/README/x", "not a project")
    try:
        found = {project.name: project for project in list_projects()}
    finally:
        closed.chmod(0o700)
    broken = ["No Name", "bad", "closed", "unreadable", "worse"]
    assert sorted(found) == ["No Name", "bad", "closed", "good", "unreadable", "worse"]
    assert [name for name, one in found.items() if isinstance(one, BrokenProject)] == broken
    bad = found["bad"]
    assert isinstance(bad, BrokenProject)
    assert (bad.message.partition(": ")[2], bad.hint) == ("run.memry: unknown key", "did you mean run.memory?")


def test_a_project_of_the_system_is_hidden_by_the_users(host: Host) -> None:
    host.write("../etc/projects/web/project.yml", "project:\n  description: theirs\n")
    assert load_project("web").level == "system"
    host.write("projects/web", "project:\n  description: mine\n")
    assert [(one.level, one.project.description) for one in list_projects() if not isinstance(one, BrokenProject)] == [
        ("user", "mine")
    ]


def test_what_is_root_s_own_is_no_layer_of_others(host: Host) -> None:
    host.write("system", "run: {timeout: 7}\nimage: {agents: demo}\n")
    host.write("../etc/projects/theirs/project.yml", "")
    host.write("projects/web", "")
    closed = host.root / "etc"
    closed.chmod(0)
    try:
        project = load_project("web")
        assert (project.run.timeout, project.image.agents, sandbox_config(project).shutdown_timeout) == (
            1800,
            "all",
            10,
        )
        assert [one.name for one in list_projects()] == ["web"]
        assert load_settings().tasks.slots == 4
    finally:
        closed.chmod(0o700)
    assert (load_project("web").run.timeout, load_project("theirs").level) == (7, "system")


def test_settings_come_from_both_files(host: Host) -> None:
    assert load_settings().tasks.slots == 4
    host.write("system", "tasks:\n  slots: 2\n  trash_days: 3\n")
    host.write("user", "tasks:\n  slots: 8\n")
    assert (load_settings().tasks.slots, load_settings().tasks.trash_days) == (8, 3)


_READ = """
import sys
from terok.config import list_projects, load_project, load_settings, run_options, sandbox_config
from terok.config.explanation import settings_of
project = load_project("web", preset="fast", overrides={"run.timeout": 5})
print(run_options(project), sandbox_config(load_project("web")), list_projects(), load_settings(), settings_of("web"))
print(sorted({"pydantic", "ruamel.yaml", "sqlite3"} & set(sys.modules)), file=sys.stderr)
"""


def test_unchanged_files_are_not_parsed_again(host: Host) -> None:
    host.write("user", "run:\n  cpus: 2\n")
    host.write("projects/web", "presets:\n  fast:\n    agent:\n      model: small\n")
    host.write("projects/bad", "runn: {}\n")
    command = [sys.executable, "-c", _READ]
    first, second = (run(command, timeout=60, env=dict(os.environ)) for _ in range(2))
    assert first.stdout == second.stdout
    assert first.stderr.decode().splitlines()[-1] == "['pydantic', 'ruamel.yaml']"
    assert second.stderr.decode().splitlines()[-1] == "[]"
    host.write("user", "run:\n  cpus: 3\n")
    assert run(command, timeout=60, env=dict(os.environ)).stdout != second.stdout
