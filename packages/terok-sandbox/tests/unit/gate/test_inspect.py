from __future__ import annotations

import base64
import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terok_sandbox.gate.errors import GateError, PolicyError
from terok_sandbox.gate.inspect.changes import parse_changes
from terok_sandbox.gate.inspect.contents import judge_attributes
from terok_sandbox.gate.inspect.inspection import inspect_push
from terok_sandbox.gate.inspect.objects import Objects
from terok_sandbox.gate.inspect.paths import collisions, judge_path, leaves_tree
from terok_sandbox.gate.inspect.policy import InspectionPolicy, load_policy, parse_policy, save_policy
from terok_sandbox.gate.inspect.rules import RULES
from terok_sandbox.gate.inspect.secrets import find_secrets
from terok_sandbox.gate.mirror import GitGate
from terok_sandbox.gate.push_check import encode_answer, parse_question

if TYPE_CHECKING:
    from conftest import Repo, Serving

AWS = "AKIA" + "Q3EGRWBZ7XKMPLUV"
LOREM = base64.b32encode(bytes(range(90))).decode()


def found(path: str) -> set[str]:
    return {finding.rule for finding in judge_path(path)}


@pytest.mark.parametrize(
    ("path", "rule"),
    [
        ("a\x1b[2Jb", "path-name"),
        ("a\u202eb", "path-name"),
        ("caf\udce9", "path-name"),
        ("-rf", "path-name"),
        ("sub/.GIT/config", "path-git"),
        ("git~1/config", "path-git"),
        (".git. /x", "path-git"),
        (".git::$INDEX_ALLOCATION/x", "path-git"),
        ("x" * 256, "path-length"),
        ("/".join("d" * 200), "path-length"),
        (".github/workflows/ci.yml", "workflow"),
        (".GitLab-CI.yml", "workflow"),
        (".husky/pre-commit", "git-hook"),
        ("web/.vscode/tasks.json", "editor-task"),
        (".envrc", "shell-environment"),
        (".claude/settings.json", "agent-settings"),
        (".mcp.json", "agent-settings"),
        ("sub/Makefile", "build-script"),
    ],
)
@pytest.mark.attack("GIT-5")
def test_names_with_a_meaning(path: str, rule: str) -> None:
    assert rule in found(path)


def test_usual_names_have_none() -> None:
    for path in (
        "src/main.py",
        "docs/größe.md",
        ".gitignore",
        "a b/c",
        "github/workflows.md",
        "日本.txt",
        "gitignore~1x",
    ):
        assert found(path) == set()


@pytest.mark.attack("FS-1")
@pytest.mark.parametrize(
    ("link", "target", "out"),
    [
        ("a", "/etc/passwd", True),
        ("a", "../x", True),
        ("d/e/a", "../../x", False),
        ("d/e/a", "../../../x", True),
        ("d/a", "b/../../c/../../x", True),
        ("a", ".git/config", True),
        ("d/a", "../.GIT", True),
        ("a", "C:\\x", True),
        ("a", "", True),
        ("a", "b/c", False),
    ],
)
def test_links(link: str, target: str, out: bool) -> None:
    assert leaves_tree(link, target) is out


@given(st.lists(st.sampled_from(["..", ".", "a", "b"]), max_size=6), st.lists(st.sampled_from("xy"), max_size=4))
def test_links_against_the_file_system(target: list[str], place: list[str]) -> None:
    link = "/".join([*place, "link"])
    outside = f"/{link}/../{'/'.join(target)}" if target else ""
    depth = len(place)
    escaped = not target
    for part in target:
        depth += {"..": -1, ".": 0}.get(part, 1)
        escaped = escaped or depth < 0
    assert leaves_tree(link, "/".join(target)) is escaped, outside


def test_collisions() -> None:
    assert collisions(["a", "B", "b", "straße", "STRASSE", "e\u0301", "\u00e9"]) == [
        ("B", "b"),
        ("straße", "STRASSE"),
        ("e\u0301", "\u00e9"),
    ]


def test_attributes() -> None:
    text = b"*.c diff=cpp\n# filter=no\n*.bin filter=evil -text\n*.x merge=union diff=evil\n"
    assert [(f.line, f.detail) for f in judge_attributes("x", text)] == [(3, "filter=evil"), (4, "diff=evil")]


SECRETS = {
    "AWS key": AWS,
    "Anthropic key": "sk-ant-api03-" + LOREM[:80],
    "GitHub token": "ghp_" + LOREM[:36],
    "GitLab token": "glpat-" + LOREM[:20],
    "Google key": "AIza" + LOREM[:35],
    "Slack token": "xoxb-123456789012-123456789012-" + LOREM[:24],
    "Password in a URL": "postgres://app:xK9!mQ2zRt7p@db.example.org/x",
    "Private key": "-----BEGIN OPENSSH PRIVATE KEY-----\n" + LOREM[:64],
}


@pytest.mark.parametrize("name", SECRETS)
def test_secrets(name: str) -> None:
    text = f"one\nkey = '{SECRETS[name]}'\nthree\n".encode()
    ((finding,)) = [*find_secrets("f", b"x" * 70_000 + b"\n" + text)]
    assert (finding.detail, finding.line) == (name, 3)
    assert SECRETS[name] not in repr(finding)
    assert [*find_secrets("f", b"\0" + text)] == []


def test_no_secrets() -> None:
    text = (
        b"AKIA" + b"A" * 16 + b" sk-ant-api03-" + b"x" * 60 + b" https://user:${PASSWORD}@host ghp_short AKIAIOSFODNN7"
    )
    assert [*find_secrets("f", text)] == []


@given(st.binary(max_size=500))
def test_any_bytes(raw: bytes) -> None:
    for content in (raw, b"-----BEGIN PRIVATE KEY-----" + raw, b"://" + raw):
        assert len([*find_secrets("f", content)]) <= 20
    with contextlib.suppress(GateError):
        list(parse_changes(raw))
    with contextlib.suppress(GateError):
        parse_question(b"push \n" + raw + b"\nend\n", Path("/mirror.git"))
    with contextlib.suppress(PolicyError):
        parse_policy(raw)


@given(st.lists(st.text(max_size=700), max_size=200))
def test_an_answer_fits_a_pipe(lines: list[str]) -> None:
    raw = encode_answer(accepted=True, lines=lines)
    assert len(raw) < 65536
    assert raw.endswith(b"accept\n")
    assert all(line.startswith(b"say ") for line in raw.split(b"\n")[:-2])


def test_policy(tmp_path: Path) -> None:
    assert load_policy(tmp_path) == InspectionPolicy()
    policy = InspectionPolicy().changed({"workflow": "refuse"}, ["secret:tests/*"])
    save_policy(tmp_path, policy)
    assert load_policy(tmp_path) == policy
    for bad in ({"nothing": "flag"}, {"secret": "maybe"}):
        with pytest.raises(PolicyError):
            policy.changed(bad)
    (tmp_path / "inspection.json").write_text('{"schema": 2}')
    with pytest.raises(PolicyError, match="another schema"):
        load_policy(tmp_path)


@pytest.mark.attack("GIT-3")
def test_a_push_of_everything_bad(agent: Repo, gate: GitGate) -> None:
    agent.git("checkout", "-q", "-b", "bad")
    os.symlink("../../etc", agent.path / "out")
    (agent.path / ".gitattributes").write_text("* filter=evil\n")
    (agent.path / "Readme").write_text("x\n")
    agent.git("add", ".")
    agent.git("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},module")
    (agent.path / ".envrc").write_text(f"export KEY={AWS}\n")
    agent.git("add", ".envrc")
    agent.git("commit", "-q", "-m", "bad")
    agent.git("mv", "Readme", "README.txt")
    agent.git("rm", "-q", "--cached", "module")
    agent.git("rm", "-q", "out", ".envrc")
    agent.git("commit", "-q", "-m", "hide it")
    done = agent.try_git("push", "origin", "bad")
    assert done.returncode != 0
    for rule in ("symlink-escape", "submodule", "secret"):
        assert f"{rule}: {RULES[rule].title}" in done.stderr
    for rule in ("attributes-filter", "shell-environment"):
        assert f"{rule}: {RULES[rule].title}" in done.stderr
    assert ".envrc:1 (AWS key)" in done.stderr
    assert AWS not in done.stderr
    assert "bad" not in gate.branch_heads()
    assert not list(gate.path.glob("objects/tmp_objdir*"))

    save_policy(gate.path, InspectionPolicy().changed(dict.fromkeys(("symlink-escape", "submodule", "secret"), "flag")))
    done = agent.try_git("push", "origin", "bad")
    assert done.returncode == 0, done.stderr
    assert "a person will be asked to look at" in done.stderr


def test_names_that_collide(agent: Repo, gate: GitGate) -> None:
    blob = agent.git("rev-parse", "HEAD:README")
    for path in ("src/a/x", "SRC/b", "sub/Same", "sub/same"):
        agent.git("update-index", "--add", "--cacheinfo", f"100644,{blob},{path}")
    agent.git("commit", "-q", "-m", "collide")
    done = agent.try_git("push", "origin", "HEAD:refs/heads/c")
    assert "src (collides with SRC)" in done.stderr
    assert "sub/same (collides with Same)" in done.stderr
    assert done.returncode != 0


def test_limits_tags_and_merges(agent: Repo, gate: GitGate) -> None:
    limits = b'{"schema": 1, "limits": {"commits": 2, "file_bytes": 100, "large_file_bytes": 50}}'
    (gate.path / "inspection.json").write_bytes(limits)
    agent.git("tag", "blob", "HEAD:README")
    assert "ref-target" in agent.try_git("push", "origin", "blob").stderr
    agent.commit("big", "x" * 101)
    assert "file-size: " in agent.try_git("push", "origin", "HEAD:refs/heads/x").stderr
    agent.git("reset", "-q", "--hard", "HEAD~1")
    agent.commit("large", "x" * 51)
    agent.git("checkout", "-q", "-b", "side", "HEAD~1")
    agent.commit("other")
    done = agent.try_git("push", "origin", "main:refs/heads/x", "HEAD:refs/heads/y")
    assert done.returncode == 0, done.stderr
    assert "large-file" in done.stderr
    agent.git("merge", "-q", "--no-commit", "main")
    os.symlink("/", agent.path / "evil")
    agent.git("add", "evil")
    agent.git("commit", "-q", "-m", "evil merge")
    assert "symlink-escape" in agent.try_git("push", "origin", "HEAD:refs/heads/y").stderr
    agent.git("reset", "-q", "--hard", "HEAD~1")
    for number in range(3):
        agent.commit("n", f"{number}\n")
    assert "push-size" in agent.try_git("push", "origin", "HEAD:refs/heads/z").stderr


def test_a_policy_that_cannot_be_read_refuses(agent: Repo, gate: GitGate) -> None:
    (gate.path / "inspection.json").write_text("{")
    agent.commit("x")
    done = agent.try_git("push", "origin", "HEAD:refs/heads/x")
    assert done.returncode != 0
    assert "could not be inspected" in done.stderr
    assert set(gate.branch_heads()) == {"main"}


def test_nothing_new_is_nothing(gate: GitGate) -> None:
    assert inspect_push(Objects(gate.path), gate.branch_heads().values(), InspectionPolicy()).commits == 0


def test_an_old_hook_does_not_skip_the_inspection(gate: GitGate, upstream: Repo, serving: Serving) -> None:
    (gate.path / "hooks/pre-receive").write_text("#!/bin/sh\nexit 0\n")
    with serving(gate.path) as url:
        agent = upstream.clone(url, "late")
        os.symlink("/", agent.path / "out")
        agent.git("add", "out")
        agent.git("commit", "-q", "-m", "out")
        assert "symlink-escape" in agent.try_git("push", "origin", "HEAD:refs/heads/x").stderr
