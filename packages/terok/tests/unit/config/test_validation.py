from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terok.config import load_project, load_settings
from terok.config.checkup import problems_of_files
from terok.config.owners import HOST, PROJECT
from terok.config.validation import problems
from terok_util import ConfigError, ConfigScope

from .conftest import Host


@pytest.mark.parametrize(
    ("text", "said", "hint"),
    [
        ("run: 3\n", "1: run: use keys with values", None),
        ("runn: {}\n", "1: runn: unknown section", "did you mean run?"),
        ("a: 1\n", "1: a: unknown section", "`terok config schema` lists the keys"),
        ("run:\n  memory: 12q\n", "2: run.memory: invalid size '12q': use a number and k, m or g", None),
        ("run:\n  memry: 1g\n", "2: run.memry: unknown key", "did you mean run.memory?"),
        ("run:\n  cpus: '2'\n", "2: run.cpus: use a number", None),
        ("run:\n  cpus: .inf\n", "2: run.cpus: should be a finite number", None),
        ("budget:\n  task:\n    cost_usd: .nan\n", "3: budget.task.cost_usd: should be a finite number", None),
        ("run:\n  cpus: 0\n", "2: run.cpus: should be greater than 0", None),
        ("run:\n  shutdown_timeout: soon\n", "2: run.shutdown_timeout: use a whole number", None),
        ("run:\n  sealed: 1\n", "2: run.sealed: use true or false", None),
        ("run:\n  tools: gh\n", "2: run.tools: use a list", None),
        ("run:\n  env: {A-B: x}\n", "2: run.env.A-B: invalid variable name 'A-B': use letters, digits and _", None),
        ("run:\n  env: {A: 1}\n", "2: run.env.A: use text, in quotes if it looks like a number or a yes", None),
        ("memory: 4g\n", "1: memory: unknown section", "did you mean run.memory?"),
        ("project:\n  security_class: online\n", "2: project.security_class: unknown key", "did you mean gate.secu"),
        ("tasks:\n  slots: 3\n", "2: tasks.slots: this belongs into config.yml", "`terok config schema` lists the"),
        ("services:\n  mode: tcp\n", "1: services: this belongs into config.yml", None),
        ("notify: {}\n", "1: notify: this belongs into config.yml", None),
        ("budget:\n  task:\n    cost: 3\n", "3: budget.task.cost: unknown key", "did you mean budget.task.cost_usd?"),
        ("image:\n  base_image: 'a b'\n", "2: image.base_image: invalid base image reference: 'a b'", None),
        ("git:\n  repos:\n    - name: lib\n", "3: git.repos.0.upstream: this key is needed", None),
        ("git:\n  branch: a..b\n", "2: git.branch: not a branch name: 'a..b'", None),
        ("git:\n  authorship: me\n", "2: git.authorship: use 'agent', 'human', 'agent-human' or 'human-agent'", None),
        ("shared:\n  dir: rel\n", "2: shared.dir: use true or false, or not an absolute path: 'rel'", None),
        ("shield:\n  allow: ['a b']\n", "2: shield.allow.0: not a destination: 'a b'", None),
        ("shield:\n  resolvers: [x]\n", "2: shield.resolvers: invalid name server 'x'", None),
        ("hooks:\n  pre_start: ''\n", "2: hooks.pre_start: a command cannot be empty", None),
        ("presets:\n  a:\n    run: {memory: 1}\n", "3: presets.a.run.memory: use text", None),
        ("presets:\n  a:\n    git: {}\n", "3: presets.a.git: a preset cannot have this section", "use one of agent, "),
        ("presets:\n  a:\n    run:\n      cpu: 1\n", "4: presets.a.run.cpu: unknown key", "did you mean run.cpus?"),
        ("agent:\n  name: [x]\n  modle: y\n", "2: agent.name: use text", None),
        ("- a\n", "project.yml must be a mapping of sections", None),
        ("run:\n\ta: 1\n", "2: found character", None),
    ],
)
def test_what_is_wrong_is_said_with_file_line_and_key(host: Host, text: str, said: str, hint: str | None) -> None:
    path = host.write("projects/web", text)
    with pytest.raises(ConfigError) as caught:
        load_project("web")
    assert str(path) in caught.value.message
    assert said in caught.value.message
    assert hint is None or (caught.value.hint or "").startswith(hint)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("git:\n  upstream: x\n", "2: git.upstream: this belongs into project.yml"),
        ("project: {}\n", "1: project: this belongs into project.yml"),
        ("tasks:\n  slots: 0\n", "2: tasks.slots: should be greater than or equal to 1"),
        ("notify:\n  states: [workin]\n", r"2: notify.states.0: unknown state 'workin': use some of needs, review,"),
        ("tasks:\n  min_free_disk: lots\n", "2: tasks.min_free_disk: invalid size 'lots'"),
        ("credentials:\n  passphrase_command: []\n", "2: credentials.passphrase_command: List should have at least 1"),
    ],
)
def test_config_yml_too(host: Host, text: str, said: str) -> None:
    host.write("user", text)
    with pytest.raises(ConfigError, match=said):
        load_settings()


def test_every_problem_of_a_file_is_found() -> None:
    data = {"run": {"cpus": "x", "memry": 1, "shutdown_timeout": -1}, "image": {"x": 1}, "nope": 1}
    found = problems(ConfigScope("project", None, data), PROJECT)
    assert {".".join(map(str, problem.key)) for problem in found} == {
        *("run.cpus", "run.memry", "run.shutdown_timeout", "image.x", "nope")
    }


@pytest.mark.parametrize(
    ("text", "key", "said"),
    [
        ("agent: {name: cluade}", "agent.name", "unknown agent: 'cluade'"),
        ("agent: {name: demo, provider: nosuch}", "agent.provider", "unknown provider: 'nosuch'"),
        ("agent: {subagents: [nosuch.md]}", "agent.subagents", "nosuch.md"),
        ("git: {upstream: ./nosuch}", "git.upstream", "nosuch"),
        ("git: {repos: [{name: lib, upstream: ./nosuch}]}", "git.repos", "nosuch"),
        ("image: {agents: 'all,-nosuch'}", "image.agents", "unknown agent"),
        ("image: {user_snippet_inline: FROM x}", "image.user_snippet_inline", "line 1 of the image snippet: FROM"),
        ("run: {tools: [nosuch]}", "run.tools", "unknown tool: 'nosuch'"),
        ("shield: {policy: nosuch}", "shield.policy", "nosuch: cannot be read"),
        ("shield: {profiles: [python, nosuch]}", "shield.profiles", "unknown profile 'nosuch'"),
    ],
)
def test_what_a_project_mentions_has_to_be_there(host: Host, text: str, key: str, said: str) -> None:
    host.write("projects/good", "agent: {name: demo}\nshield: {profiles: [python]}\n")
    path = host.write("projects/web", f"# mine\n{text}\n")
    (wrong,) = problems_of_files()
    assert (wrong.file, wrong.line, wrong.key) == (str(path), 2, key)
    assert wrong.message.startswith(f"{path}:2: {key}: ")
    assert said in wrong.message
    host.write("user", "run: {cpus: many}\n")
    assert [one.key for one in problems_of_files()] == ["run.cpus"]


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from([*HOST.keys, "x"]).map(lambda path: path.partition(".")[0]), _VALUES))
def test_no_value_is_refused_otherwise_than_by_a_problem(data: dict[str, object]) -> None:
    for problem in problems(ConfigScope("user", None, data), HOST):
        assert problem.error().message


@pytest.mark.parametrize("key", [*HOST.keys.values(), *PROJECT.keys.values()], ids=lambda key: key.path)
def test_every_key_says_what_it_is_for(key: object) -> None:
    assert key.help  # type: ignore[attr-defined]
    assert "anything" not in key.kind  # type: ignore[attr-defined]
