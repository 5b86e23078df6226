"""Reviews with real containers: checks, comments that reach the agent, rounds, and what goes upstream."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from product import COMMIT
from support import Shell
from terok.stub import Script, running_stub
from terok_executor import task_dir


@pytest.fixture
def reviewed(
    ready: Shell, base_image: str, real_key: str, upstream: Callable[[str, str], None], project: str
) -> Iterator[str]:
    """Give a task of the demo agent that has pushed one commit."""
    with running_stub(Script((COMMIT,)), api_key=real_key) as provider:
        upstream("demo", provider.url)
        ready("terok", "task", "run", project, "Add a line to the README", timeout=600)
        yield ready("terok", "task", "list", f"p:{project}", "--json").json()[0]["short"]


def test_checks_run_apart_and_end(ready: Shell, reviewed: str) -> None:
    tip = ready("terok", "review", reviewed, "--json").json()["tip"]
    passed = ready("terok", "review", reviewed, "--check", "grep agent README.md; git rev-parse HEAD; env", timeout=300)
    assert "A line by the agent." in passed.out
    assert tip in passed.out
    assert "phantom" not in passed.out.lower()
    assert "TOKEN" not in passed.out
    failed = ready("terok", "review", reviewed, "--check", "echo no >&2; exit 3", "--json", code=1, timeout=300).json()
    assert (failed["state"], failed["exit_code"], failed["output"]) == ("failed", 3, "no\n")
    late = ready(
        "terok", "review", reviewed, "--check", "trap '' TERM; sleep 600", "--timeout", "2", code=1, timeout=300
    )
    assert "timed out" in late.out
    flood = ready("terok", "review", reviewed, "--check", "yes flood", "--json", code=1, timeout=300).json()
    assert flood["state"] == "too much output"
    assert len(flood["output"]) < 100_000 < flood["left_out"]
    names = ready("podman", "ps", "-a", "--format", "{{.Names}}").out
    assert "-check" not in names
    shown = ready("terok", "review", reviewed, "--json").json()["checks"]
    assert [check["state"] for check in shown] == ["passed", "failed", "timed out", "too much output"]
    assert {check["tip"] for check in shown} == {tip}


FIRST = "printf 'one\\ntwo\\nthree\\n' > made.txt && git add -A && git commit -q -m 'First'"
SECOND = "sed -i s/two/2/ made.txt && git add -A && git commit -q -m 'Second'"
MODELS = {"claude": ("anthropic", ()), "codex": ("openai", ("--model", "stub-model"))}


@pytest.mark.timeout(900)
@pytest.mark.parametrize("agent", sorted(MODELS))
def test_a_review_converges(
    ready: Shell,
    base_image: str,
    real_key: str,
    upstream: Callable[[str, str], None],
    project: str,
    repository: Path,
    agent: str,
) -> None:
    provider, options = MODELS[agent]
    ready("terok-executor", "auth", provider, stdin=real_key + "\n")
    with running_stub(Script((FIRST,)), api_key=real_key) as stub:
        upstream(provider, stub.url)
        ready("terok", "task", "run", project, "Make a file", "--agent", agent, *options, timeout=900)
    (row,) = ready("terok", "task", "list", f"p:{project}", "--json").json()
    short = row["short"]
    seen = ready("terok", "review", short)
    assert "+two" in seen.out

    ready("terok", "review", short, "--comment", "made.txt:2", "Use digits.")
    ready("terok", "review", short, "--comment", "Well done otherwise.")
    ready("terok", "review", short, "--viewed", "made.txt")
    rows = ready("terok", "review", short, "--comments", "--json").json()
    assert [(one["path"], one["first"], one["delivery"]) for one in rows] == [
        ("made.txt", 2, "written"),
        ("", None, "written"),
    ]
    with running_stub(Script((FIRST, SECOND)), api_key=real_key) as stub:
        upstream(provider, stub.url)
        ready("terok", "task", "followup", short, "Do what the comments say", timeout=600)
    prompt = (task_dir(row["container"]) / "home/prompt.txt").read_text()
    assert prompt.startswith("Do what the comments say\n\n")
    assert [prompt.count(text) for text in ("Use digits.", "Well done otherwise.", "> two")] == [1, 1, 1]
    rows = ready("terok", "review", short, "--comments", "--json").json()
    assert [(one["delivery"], one["stale"]) for one in rows] == [("answered", True), ("answered", False)]

    round_two = ready("terok", "review", short, "--since-last", "--json").json()
    assert [(one["path"], one["added"], one["deleted"], one["viewed"]) for one in round_two["files"]] == [
        ("made.txt", 1, 1, False)
    ]
    shown = ready("terok", "review", short, "--since-last").out
    assert "-two" in shown
    assert "+2" in shown
    assert "+three" not in shown
    for one in rows:
        ready("terok", "review", short, "--resolve", str(one["id"]))
    checked = ready("terok", "review", short, "--check", "grep -qx 2 made.txt", timeout=300)
    assert ": passed after" in checked.out
    bare = ("git", "-C", str(repository.with_name("upstream.git")))
    done = ready("terok", "promote", short, "--to", "main", "--json").json()
    assert ready(*bare, "show", "main:made.txt").out == "one\n2\nthree\n"
    ready("terok", "undo", str(done["operation"]))
    assert ready(*bare, "log", "--format=%s", "main").out == "Start\n"


def test_work_is_put_on_top_of_what_moved_in_a_container(ready: Shell, reviewed: str, repository: Path) -> None:
    ready("terok", "review", reviewed)
    bare = repository.with_name("upstream.git")
    git = ("git", "-c", "user.name=P", "-c", "user.email=p@example.test", "-C", str(repository))
    (repository / "other.txt").write_text("theirs\n")
    ready(*git, "add", ".")
    ready(*git, "commit", "-q", "-m", "Theirs")
    ready(*git, "push", "-q", str(bare), "HEAD:main")
    refused = ready("terok", "promote", reviewed, "--to", "main", code=1)
    assert "main has got 1 commits upstream since (Theirs)" in refused.err
    assert "--rebase" in refused.err
    done = ready("terok", "promote", reviewed, "--to", "main", "--rebase", "--archive", "--json", timeout=300).json()
    assert ready("git", "-C", str(bare), "log", "--format=%s", "main").out == "Add a line\nTheirs\nStart\n"
    assert len(done["archived"]) == 1
    assert "-land" not in ready("podman", "ps", "-a", "--format", "{{.Names}}").out
