"""The commit that a run starts from, and what a person is told about it."""

from __future__ import annotations

import subprocess

import pytest
from terok_executor.errors import RequestError

from .conftest import Host, pushed


def started(host: Host, **change: object) -> tuple[dict[str, str], list[str]]:
    """Start a run; returns its environment, and what was said."""
    host.said.clear()
    host.runner.start(host.request(name=f"next-{len(host.envs)}", **change))
    return dict(line.split("=", 1) for line in host.envs[-1].splitlines()), [
        line for line in host.said if "note:" in line
    ]


def test_a_run_starts_from_the_upstream_s_state(host: Host) -> None:
    """What an earlier run has pushed to the default branch was reviewed by nobody."""
    record = host.runner.start(host.request())
    unreviewed = pushed(host, record, "main", "unreviewed", by="task-1")
    env, said = started(host)
    assert env["TEROK_START"] == record.heads["main"] != unreviewed
    assert said == ["note: 1 commits on main in the gate are not in the upstream; this run starts without them"]
    _, said = started(host, branch="main")
    assert said == ["note: 1 commits on main are not in the upstream; work goes on from them"]
    pushed(host, record, "own", "more", by="task-1")
    _, said = started(host, branch="own")
    assert said == ["note: the branch own is not in the upstream; work goes on from what an earlier run has pushed"]


def test_a_run_starts_from_another_branch_that_is_asked_for(host: Host) -> None:
    git = ["git", "-C", str(host.repo), "-c", "user.name=x", "-c", "user.email=x@x"]
    subprocess.run([*git, "checkout", "-q", "-b", "next"], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "second"], check=True)
    now = subprocess.run([*git, "rev-parse", "next"], check=True, capture_output=True, text=True).stdout.strip()
    subprocess.run([*git, "checkout", "-q", "main"], check=True)
    env, _ = started(host, default_branch="next")
    assert env["TEROK_START"] == now
    env, _ = started(host)
    assert env["TEROK_START"] != now
    with pytest.raises(RequestError, match="has no branch nosuch"):
        started(host, default_branch="nosuch")
    with pytest.raises(RequestError, match="not a branch name"):
        started(host, default_branch="a..b")


def test_several_runs_start_from_one_commit_wherever_the_upstream_is(host: Host) -> None:
    env, _ = started(host)
    first = env["TEROK_START"]
    git = ["git", "-C", str(host.repo), "-c", "user.name=x", "-c", "user.email=x@x"]
    subprocess.run([*git, "commit", "-q", "--amend", "--allow-empty", "-m", "rewritten"], check=True)
    now = subprocess.run([*git, "rev-parse", "main"], check=True, capture_output=True, text=True).stdout.strip()
    env, said = started(host, start=first)
    assert (env["TEROK_START"], said) == (first, [])
    env, _ = started(host, start=now)
    assert env["TEROK_START"] == now != first, "what the mirror lacks is asked of the upstream"
    (host.repo / ".git/HEAD").write_text("damaged")
    env, _ = started(host, start=first)
    assert env["TEROK_START"] == first, "and of nobody if it has it"
    (host.repo / ".git/HEAD").write_text("ref: refs/heads/main\n")
    for wrong in ("0" * 40, "main", first[:12]):
        with pytest.raises(RequestError, match="has no commit"):
            started(host, start=wrong)


def test_what_a_sync_finds_is_said(host: Host) -> None:
    """An upstream that has rewritten its history waits for a person; the run starts from it all the same."""
    record = host.runner.start(host.request())
    git = ["git", "-C", str(host.repo), "-c", "user.name=x", "-c", "user.email=x@x"]
    subprocess.run([*git, "commit", "-q", "--allow-empty", "--amend", "-m", "rewritten"], check=True)
    now = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    env, said = started(host)
    assert env["TEROK_START"] == now
    assert (
        said[0]
        == f"note: main has changed upstream and waits for you: `terok-executor sandbox gate ops {record.scope}`"
    )


def test_a_checkout_on_no_branch_and_with_changes_is_worked_on_as_it_is_committed(host: Host) -> None:
    git = ["git", "-C", str(host.repo), "-c", "user.name=x", "-c", "user.email=x@x"]
    (host.repo / "tracked").write_text("one")
    for words in (["add", "."], ["checkout", "-q", "--detach"], ["commit", "-q", "-m", "on no branch"]):
        subprocess.run([*git, *words], check=True)
    (host.repo / "tracked").write_text("two")
    now = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    env, said = started(host)
    assert env["TEROK_START"] == now
    assert said == [
        f"note: the upstream's HEAD is on no branch; new work starts from its commit {now[:12]}",
        f"note: what is not committed in {host.repo} stays there: tracked",
    ]
