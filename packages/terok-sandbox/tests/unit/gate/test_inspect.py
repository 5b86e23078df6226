from __future__ import annotations

import base64
import contextlib
import os
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terok_sandbox.gate.errors import GateError, InspectionPolicyError
from terok_sandbox.gate.git_gate import GitGate
from terok_sandbox.gate.inspect.contents import check_attributes
from terok_sandbox.gate.inspect.inspection import inspect_push
from terok_sandbox.gate.inspect.objects import ChangeReader, Objects
from terok_sandbox.gate.inspect.paths import check_length, check_path, collisions, leaves_tree
from terok_sandbox.gate.inspect.policy import RULES, InspectionPolicy, load_policy, parse_policy, save_policy
from terok_sandbox.gate.inspect.report import MAX_FINDINGS
from terok_sandbox.gate.inspect.secrets import find_secrets
from terok_sandbox.gate.push_check import encode_reply, parse_description
from terok_sandbox.gate.secret_encodings import Dump, Gunzip, readings

if TYPE_CHECKING:
    from conftest import Repo, Serving

AWS = "AKIA" + "Q3EGRWBZ7XKMPLUV"
LOREM = base64.b32encode(bytes(range(90))).decode()


def found(path: str) -> set[str]:
    return {finding.rule for judge in (check_length, check_path) for finding in judge(path)}


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
        ("a/b\\.git\\config", "path-git"),
        ("x" * 256, "path-length"),
        ("/".join("d" * 200), "path-length"),
        (".github/workflows/ci.yml", "workflow"),
        (".GitLab-CI.yml", "workflow"),
        (".husky/pre-commit", "git-hook"),
        ("web/.vscode/tasks.json", "editor-task"),
        (".envrc", "shell-environment"),
        ("lib/evil.pth", "shell-environment"),
        ("a/.env.local", "shell-environment"),
        ("nix/default.nix", "shell-environment"),
        ("a/.config/fish/config.fish", "shell-environment"),
        ("a/.devcontainer/devcontainer.json", "editor-task"),
        (".github/CODEOWNERS", "workflow"),
        (".github/prompts/x.prompt.md", "agent-settings"),
        (".github/agents/x.md", "agent-settings"),
        (".github/instructions/x.md", "agent-settings"),
        (".github/copilot-instructions.md", "agent-settings"),
        ("a/b/.codex/config.toml", "agent-settings"),
        ("a/b/.opencode/agent/x.md", "agent-settings"),
        ("docs/AGENTS.md", "agent-settings"),
        (".mvn/jvm.config", "build-script"),
        ("src/app.csproj", "build-script"),
        ("web/vite.config.ts", "build-script"),
        ("pyproject.toml", "build-script"),
        ("requirements-dev.txt", "build-script"),
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
        "src/hooks/use.ts",
        "a/env.py",
        "claude/notes.txt",
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
        ("out", "d/up/../../etc/passwd", True),  # d/up may lead to the top of the tree
        ("d/up", "..", False),
        ("a", ".git/config", True),
        ("d/a", "../.GIT", True),
        ("a", "C:\\x", True),
        ("a", "", True),
        ("a", "b/c", False),
    ],
)
def test_links(link: str, target: str, out: bool) -> None:
    assert leaves_tree(link, target) is out


TARGETS = st.lists(st.sampled_from(["..", ".", "d", "e", "x", "y", "z"]), min_size=1, max_size=6).map("/".join)


@pytest.mark.attack("FS-1")
@given(st.dictionaries(st.sampled_from(["x", "y", "z", "d/x", "d/y", "d/e/x", "d/e/y", "d/e/z"]), TARGETS, max_size=8))
def test_links_that_pass_stay_in_the_tree_whatever_they_lead_over(links: dict[str, str]) -> None:
    passed = {link: target for link, target in links.items() if not leaves_tree(link, target)}
    with TemporaryDirectory() as base:
        root = Path(base).resolve() / "above/tree"
        (root / "d/e").mkdir(parents=True)
        for link, target in passed.items():
            (root / link).symlink_to(target)
        for link in passed:
            assert Path(os.path.realpath(root / link)).is_relative_to(root), passed


def test_collisions() -> None:
    assert collisions(["a", "B", "b", "straße", "STRASSE", "e\u0301", "\u00e9"]) == [
        ("B", "b"),
        ("straße", "STRASSE"),
        ("e\u0301", "\u00e9"),
    ]


def test_attributes() -> None:
    text = b"*.c diff=cpp\n# filter=no\n*.bin filter=evil -text\n*.x merge=union diff=evil\n*.y -text\rfilter=z\n"
    seen = [(f.line, f.detail) for f in check_attributes("x", text)]
    assert seen == [(3, "filter=evil"), (4, "diff=evil"), (5, "filter=z")]


SECRETS = {
    "AWS key": AWS,
    "Anthropic key": "sk-ant-api03-" + LOREM[:80],
    "GitHub token": "ghp_" + LOREM[:36],
    "GitLab token": "glpat-" + LOREM[:20],
    "Google key": "AIza" + LOREM[:35],
    "Slack token": "xoxb-123456789012-123456789012-" + LOREM[:24],
    "Password in a URL": "postgres://app:xK9!mQ2zRt7p@db.example.org/x",
    "Private key": "-----BEGIN OPENSSH PRIVATE KEY-----\n" + LOREM[:64],
    "OpenAI key": "sk-proj-" + LOREM[:60],
    "API key": "sk-" + LOREM[:40],
    "AWS secret key": "aws_secret_access_key = " + LOREM[50:90],
    "Hugging Face token": "hf_" + LOREM[:36],
    "NVIDIA key": "nvapi-" + LOREM[:64],
    "Container registry token": "dckr_pat_" + LOREM[:27],
    "Tailscale key": "tskey-auth-" + LOREM[:12] + "-" + LOREM[:30],
    "Private key in base64": base64.b64encode(b"-----BEGIN PRIVATE KEY-----\n" + LOREM.encode()).decode(),
}


@pytest.mark.parametrize("name", SECRETS)
def test_secrets(name: str) -> None:
    text = f"one\nkey = '{SECRETS[name]}'\nthree\n".encode()
    ((finding,)) = [*find_secrets("f", b"x" * 70_000 + b"\n" + text)]
    assert (finding.detail, finding.line) == (name, 3)
    assert SECRETS[name] not in repr(finding)
    for hidden in (b"\0" + text, text.decode().encode("utf-16"), text.decode().encode("utf-32-be")):
        assert [finding.detail for finding in find_secrets("f", hidden)] == [name]


def test_no_secrets() -> None:
    text = (
        b"AKIA" + b"A" * 16 + b" sk-ant-api03-" + b"x" * 60 + b" https://user:${PASSWORD}@host ghp_short AKIAIOSFODNN7"
    )
    assert [*find_secrets("f", text)] == []


@pytest.mark.attack("ORA-1")
def test_part_of_a_credential_changes_nothing(agent: Repo, gate: GitGate) -> None:
    """ORA-1: only a whole credential shows in what the sender of a push reads."""
    for number, text in enumerate((AWS[:-1], AWS[:10], "z" * 19)):
        agent.commit("f", text + "\n")
        assert "terok gate" not in agent.try_git("push", "origin", f"HEAD:refs/heads/b{number}").stderr
    for cut in range(len(AWS)):
        assert [*find_secrets("f", AWS[:cut].encode())] == []


@given(st.binary(max_size=500))
def test_any_bytes(raw: bytes) -> None:
    for content in (raw, b"-----BEGIN PRIVATE KEY-----" + raw, b"://" + raw):
        assert len([*find_secrets("f", content)]) <= 20
    with contextlib.suppress(GateError):
        reader = ChangeReader(lambda _: None)
        reader.feed(raw)
        reader.close()
    with contextlib.suppress(GateError):
        parse_description(b"push 0 \n" + raw + b"\nend\n", Path("/mirror.git"))
    with contextlib.suppress(InspectionPolicyError):
        parse_policy(raw)
    for reading in readings():
        reading(raw)
        reading(b"00000000: 61 6" + raw)
    for dump in (Dump(), Dump(swapped=True)):
        dump(raw)
        dump.end()
    list(Gunzip().pieces(raw))


@given(st.lists(st.text(max_size=700), max_size=200))
def test_an_answer_fits_a_pipe(lines: list[str]) -> None:
    raw = encode_reply(accepted=True, lines=lines)
    assert len(raw) < 65536
    assert raw.endswith(b"accept\n")
    assert all(line.startswith(b"say ") for line in raw.split(b"\n")[:-2])


def test_policy(tmp_path: Path) -> None:
    assert load_policy(tmp_path) == InspectionPolicy()
    policy = InspectionPolicy().changed({"workflow": "refuse"}, ["secret:tests/*"])
    save_policy(tmp_path, policy)
    assert load_policy(tmp_path) == policy
    for bad in ({"nothing": "flag"}, {"secret": "maybe"}, {"push-size": "flag"}, {"ref-target": "allow"}):
        with pytest.raises(InspectionPolicyError):
            policy.changed(bad)
    (tmp_path / "inspection.json").write_text('{"schema": 2}')
    with pytest.raises(InspectionPolicyError, match="another schema"):
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


def test_names_that_collide_where_others_did_before(agent: Repo, gate: GitGate, upstream: Repo) -> None:
    blob = upstream.git("rev-parse", "HEAD:README")
    for path in ("net/TCP.c", "net/tcp.c"):
        upstream.git("update-index", "--add", "--cacheinfo", f"100644,{blob},{path}")
    upstream.git("commit", "-q", "-m", "as published")
    gate.sync()
    agent.git("pull", "-q", "origin", "main")
    agent.git("update-index", "--add", "--cacheinfo", f"100644,{blob},net/new.c")
    agent.git("commit", "-q", "-m", "beside them")
    agent.git("push", "-q", "origin", "HEAD:refs/heads/work")
    agent.git("update-index", "--add", "--cacheinfo", f"100644,{blob},net/NEW.c")
    agent.git("commit", "-q", "-m", "collides")
    assert "net/new.c (collides with NEW.c)" in agent.try_git("push", "origin", "HEAD:refs/heads/work").stderr


def test_a_merge_of_what_was_taken_apart(agent: Repo, gate: GitGate) -> None:
    blob, start = agent.git("rev-parse", "HEAD:README"), agent.git("rev-parse", "HEAD")
    sides = []
    for name in ("Same", "same"):
        agent.git("reset", "-q", "--hard", start)
        agent.git("update-index", "--add", "--cacheinfo", f"100644,{blob},sub/{name}")
        agent.git("commit", "-q", "-m", name)
        agent.git("push", "-q", "origin", f"HEAD:refs/heads/side-{name}")
        sides.append(agent.git("rev-parse", "HEAD"))
    agent.git("read-tree", sides[0])
    agent.git("update-index", "--add", "--cacheinfo", f"100644,{blob},sub/same")
    tree = agent.git("write-tree")
    both = agent.git("commit-tree", "-m", "both", "-p", sides[0], "-p", sides[1], tree)
    done = agent.try_git("push", "origin", f"{both}:refs/heads/both")
    assert "sub/same (collides with Same)" in done.stderr
    assert done.returncode != 0


@pytest.mark.attack("FS-1")
def test_a_link_that_becomes_a_file_of_the_same_content(agent: Repo, gate: GitGate) -> None:
    blob = agent.git("hash-object", "-w", "--stdin", input="/etc/passwd")
    for mode in ("120000", "100644"):
        agent.git("update-index", "--add", "--cacheinfo", f"{mode},{blob},x")
        agent.git("commit", "-q", "-m", mode)
    assert "symlink-escape: " in agent.try_git("push", "origin", "HEAD:refs/heads/x").stderr


@pytest.mark.attack("GIT-5")
def test_what_runs_by_itself_behind_a_link(agent: Repo, gate: GitGate) -> None:
    agent.commit("notes/tasks.json")
    os.symlink("notes", agent.path / ".vscode")
    agent.git("add", ".vscode")
    agent.git("commit", "-q", "-m", "link")
    assert "editor-task" in agent.try_git("push", "origin", "HEAD:refs/heads/x").stderr


@pytest.mark.attack("GIT-3")
def test_other_names_of_git_files(agent: Repo, gate: GitGate) -> None:
    for name, rule in (("GITMOD~1", "submodule"), (".gitmodules.", "submodule"), ("GITATT~1", "attributes-filter")):
        agent.commit(name, "* filter=evil\n")
        assert f"{rule}: " in agent.try_git("push", "origin", "HEAD:refs/heads/x").stderr
        agent.git("reset", "-q", "--hard", "HEAD~1")


def test_what_is_shown_does_not_crowd_out_what_is_refused(agent: Repo, gate: GitGate) -> None:
    blob, link = (agent.git("hash-object", "-w", "--stdin", input=text) for text in ("x", "/etc/passwd"))
    entries = [f"100644 {blob}\tmany/{number}/Makefile\n" for number in range(MAX_FINDINGS + 1)]
    agent.git("update-index", "--index-info", input="".join([*entries, f"120000 {link}\tout\n"]))
    agent.git("commit", "-q", "-m", "many")
    assert "symlink-escape: " in agent.try_git("push", "origin", "HEAD:refs/heads/x").stderr
    assert "x" not in gate.branch_heads()


@pytest.mark.attack("UI-1")
@pytest.mark.parametrize("name", ["we\u202eird", "main\u200b", "\u009b2J", b"caf\xe9"])
def test_names_of_branches_show_as_they_are(agent: Repo, gate: GitGate, name: str | bytes) -> None:
    ref = f"HEAD:refs/heads/{os.fsdecode(name)}"
    assert "characters that do not show" in agent.try_git("push", "origin", ref, errors="replace").stderr
    assert set(gate.branch_heads()) == {"main"}
    agent.git("push", "-q", "origin", "HEAD:refs/heads/größe")


def test_saved_tips_count_too(agent: Repo, gate: GitGate) -> None:
    save_policy(gate.path, InspectionPolicy().changed({}, limits={"refs": 3}))
    for number in range(3):
        agent.git("commit", "-q", "--amend", "-m", f"{number}")
        agent.git("push", "-qf", "origin", "HEAD:refs/heads/x")
    agent.git("commit", "-q", "--amend", "-m", "one more")
    assert "3 is the limit" in agent.try_git("push", "-f", "origin", "HEAD:refs/heads/x").stderr
    agent.git("reset", "-q", "--hard", "HEAD@{1}")
    agent.commit("further")
    agent.git("push", "-q", "origin", "HEAD:refs/heads/x")


@pytest.mark.timeout(60)
@pytest.mark.attack("RES-1")
def test_a_few_trees_that_stand_for_a_billion_files(agent: Repo, gate: GitGate) -> None:
    save_policy(gate.path, InspectionPolicy().changed({}, limits={"changes": 2000}))
    listing = f"100644 blob {agent.git('rev-parse', 'HEAD:README')}"
    for _ in range(9):
        tree = agent.git("mktree", input="".join(f"{listing}\t{number}\n" for number in range(10)))
        listing = f"040000 tree {tree}"
    bomb = agent.git("commit-tree", "-m", "bomb", tree)
    done = agent.try_git("push", "origin", f"{bomb}:refs/heads/x")
    assert "git needs more than 256 MiB of memory to describe a commit" in done.stderr
    assert "x" not in gate.branch_heads()
    twigs = agent.git("commit-tree", "-m", "many", f"{bomb}:0/0/0/0/0")
    assert "too many changes" in agent.try_git("push", "origin", f"{twigs}:refs/heads/x").stderr


def test_a_secret_in_a_message(agent: Repo, gate: GitGate) -> None:
    agent.commit("a", message=f"Use {AWS}")
    agent.commit("b")
    done = agent.try_git("push", "origin", "HEAD:refs/heads/x")
    assert "AWS key in a commit or tag" in done.stderr
    assert AWS not in done.stderr
    agent.git("reset", "-q", "--hard", "HEAD~2")
    raw = agent.git("cat-file", "commit", "HEAD") + "x" * 5_000_000
    agent.git("update-ref", "refs/heads/long", agent.git("hash-object", "-t", "commit", "-w", "--stdin", input=raw))
    assert "too many bytes in messages" in agent.try_git("push", "origin", "long").stderr


@pytest.mark.attack("GIT-3")
def test_secrets_wherever_a_push_can_hold_them(agent: Repo, gate: GitGate) -> None:
    def refused(*refs: str) -> str:
        done = agent.try_git("push", "origin", *refs)
        assert done.returncode != 0
        assert AWS not in done.stderr
        agent.git("reset", "-q", "--hard", "origin/main")
        return done.stderr

    agent.git("commit", "-q", "--allow-empty", "-m", "x", "--author", f"{AWS} <a@example.org>")
    assert "AWS key in a commit or tag" in refused("HEAD:refs/heads/x")
    raw = agent.git("cat-file", "commit", "HEAD")
    coded = raw.replace("\n\n", f"\nencoding UTF-16\n\n{AWS}\n", 1) + "\n"
    tip = agent.git("hash-object", "-t", "commit", "-w", "--stdin", input=coded)
    assert "AWS key in a commit or tag" in refused(f"{tip}:refs/heads/x")
    tip = agent.git("hash-object", "-t", "commit", "-w", "--stdin", input=raw.replace("\n\n", f"\nx-key {AWS}\n\n", 1))
    assert "AWS key in a commit or tag" in refused(f"{tip}:refs/heads/x")
    agent.git("tag", "-a", "note", "-m", f"Use {AWS}")
    assert "AWS key in a commit or tag" in refused("note")
    agent.git("tag", "-a", "outer", "-m", "x", "note")
    assert "a tag of another tag" in refused("outer")
    agent.commit(f"keys/{AWS}")
    assert "AWS key in a path" in refused("HEAD:refs/heads/x")
    os.symlink(f"keys/{AWS}", agent.path / "link")
    agent.git("add", "link")
    agent.git("commit", "-q", "-m", "link")
    assert "link:1 (AWS key)" in refused("HEAD:refs/heads/x")
    assert "has the form of a credential" in agent.try_git("push", "origin", f"HEAD:refs/heads/{AWS}").stderr
    nul = agent.path / "nul"
    nul.write_bytes(raw.encode() + b"\n\nhello\0" + AWS.encode())
    tip = agent.git("hash-object", "-t", "commit", "-w", "--literally", "nul")
    assert "nulInCommit" in refused(f"{tip}:refs/heads/x")
    assert set(gate.branch_heads()) == {"main"}


@pytest.mark.attack("GIT-5")
def test_what_a_patch_does_not_show_is_flagged(agent: Repo, gate: GitGate) -> None:
    """A zero byte hides a script from review: the reviewer is told, above all of programs and text."""
    for name, content in (("run", b"#!/bin/sh\nrm -rf ~\n\0"), ("a.py", b"import os\n\0"), ("x.png", b"\x89PNG\0")):
        agent.commit(name, content)
    agent.git("update-index", "--chmod=+x", "run")
    agent.git("commit", "-q", "-m", "run it")
    said = agent.git("push", "origin", "HEAD:refs/heads/x", stderr=subprocess.STDOUT)
    assert "run (a program)" in said
    assert "a.py (text with a zero byte" in said
    assert "x.png (binary data)" in said
    report = gate.review("x").report
    assert {finding.path for finding in report.flagged if finding.rule == "not-shown"} == {"run", "a.py", "x.png"}


def test_a_higher_limit_is_searched(agent: Repo, gate: GitGate) -> None:
    agent.commit("big", "x\n" * 600_000 + AWS + "\n")
    assert "not-scanned" in agent.try_git("push", "origin", "HEAD:refs/heads/x").stderr
    agent.git("commit", "-q", "--amend", "-m", "again")
    save_policy(gate.path, InspectionPolicy().changed({}, limits={"scanned_file_bytes": 8_000_000}))
    assert "big:600001 (AWS key)" in agent.try_git("push", "origin", "HEAD:refs/heads/y").stderr


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
