"""The start script on this host: real sh, real git, a directory as gate."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

import pytest

SCRIPT = Path(str(files("terok_executor") / "resources" / "image" / "terok-init.sh"))


class Task:
    def __init__(self, tmp_path: Path) -> None:
        self.gate = tmp_path / "gate.git"
        self.work = tmp_path / "workspace"
        self.dir = tmp_path / "task"
        self.work.mkdir()
        self.dir.mkdir()
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "REPO_ROOT": str(self.work),
            "TEROK_TASK_DIR": str(self.dir),
            "TEROK_WORK_BRANCH": "terok/abc",
            "CODE_REPO": str(self.gate),
            "GIT_CONFIG_NOSYSTEM": "1",
            **{f"GIT_{who}_{what}": "dev@x" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
        }
        (self.dir / "prompt.txt").write_text("the prompt")

    def git(self, *args: str) -> str:
        return subprocess.run(["git", *args], env=self.env, check=True, capture_output=True, text=True).stdout.strip()

    def heads(self) -> dict[str, str]:
        rows = self.git("-C", str(self.gate), "for-each-ref", "--format=%(refname:short) %(objectname)").splitlines()
        return dict(row.split() for row in rows)

    def run(self, *command: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", str(SCRIPT), *command], env={**self.env, **(env or {})}, capture_output=True, text=True, timeout=60
        )


@pytest.fixture
def task(tmp_path: Path) -> Task:
    task = Task(tmp_path)
    task.git("init", "-q", "--bare", "-b", "main", str(task.gate))
    seed = tmp_path / "seed"
    task.git("init", "-q", "-b", "main", str(seed))
    (seed / "README").write_text("hello\n")
    task.git("-C", str(seed), "add", ".")
    task.git("-C", str(seed), "commit", "-qm", "first")
    task.git("-C", str(seed), "push", "-q", str(task.gate), "main", "main:other")
    return task


COMMIT = "echo change >>README; git commit -qam change"


def test_a_commit_of_the_agent_reaches_the_gate_on_a_branch_of_its_own(task: Task) -> None:
    before = task.heads()
    done = task.run("sh", "-c", f"{COMMIT}; cat >prompt-seen")
    assert done.returncode == 0, done.stderr
    after = task.heads()
    assert {name: after[name] for name in before} == before
    assert after["terok/abc"] == task.git("-C", str(task.work), "rev-parse", "HEAD")
    assert ">> init complete" in done.stdout
    assert (task.work / "prompt-seen").read_text() == "the prompt"


def test_a_given_branch_is_worked_on_if_it_exists_and_made_if_not(task: Task) -> None:
    assert task.run("sh", "-c", COMMIT, env={"GIT_BRANCH": "other"}).returncode == 0
    heads = task.heads()
    assert set(heads) == {"main", "other"}
    assert heads["other"] != heads["main"]
    subprocess.run(["rm", "-rf", str(task.work)], check=True)
    task.work.mkdir()
    assert task.run("sh", "-c", COMMIT, env={"GIT_BRANCH": "new"}).returncode == 0
    assert set(task.heads()) == {"main", "other", "new"}


def test_a_workspace_made_from_the_copy_is_like_a_clone_of_the_gate(task: Task, tmp_path: Path) -> None:
    seed = tmp_path / "copy.git"
    task.git("clone", "-q", "--mirror", str(task.gate), str(seed))
    main = task.heads()["main"]
    other = tmp_path / "other"
    task.git("clone", "-q", str(task.gate), str(other))
    task.git("-C", str(other), "commit", "-q", "--allow-empty", "-m", "pushed after the launch")
    task.git("-C", str(other), "push", "-q", "origin", "HEAD:main")
    blocks = {file.stat().st_ino for file in seed.rglob("*") if file.is_file()}
    done = task.run("sh", "-c", COMMIT, env={"TEROK_SEED": str(seed)})
    assert done.returncode == 0, done.stderr
    work = str(task.work)
    assert task.git("-C", work, "rev-parse", "HEAD~1") == main, "the gate as it was at the launch"
    assert task.heads()["terok/abc"] == task.git("-C", work, "rev-parse", "HEAD")
    assert task.git("-C", work, "remote", "get-url", "origin") == str(task.gate)
    assert task.git("-C", work, "branch", "-r").count("origin/other") == 1
    assert not list(task.work.glob(".git/objects/info/alternates"))
    assert not blocks & {file.stat().st_ino for file in task.work.rglob("*") if file.is_file()}, "nothing is shared"


def test_a_workspace_that_the_host_has_filled_is_brought_up_to_date(task: Task, tmp_path: Path) -> None:
    task.git("clone", "-q", "--no-checkout", str(task.gate), str(task.work))
    task.git("-C", str(task.work), "update-ref", "-d", "refs/heads/main")
    other = tmp_path / "other"
    task.git("clone", "-q", str(task.gate), str(other))
    task.git("-C", str(other), "commit", "-q", "--allow-empty", "-m", "newer than the copy")
    task.git("-C", str(other), "push", "-q", "origin", "HEAD:main")
    done = task.run("sh", "-c", COMMIT)
    assert done.returncode == 0, done.stderr
    assert "kept" not in done.stdout
    assert task.git("-C", str(task.work), "rev-parse", "HEAD~1") == task.heads()["main"]
    assert task.heads()["terok/abc"] == task.git("-C", str(task.work), "rev-parse", "HEAD")
    done = task.run("true")
    assert "kept" in done.stdout


def test_an_online_workspace_that_the_host_has_filled_has_both_remotes(task: Task, tmp_path: Path) -> None:
    forge = tmp_path / "forge.git"
    task.git("clone", "-q", "--bare", str(task.gate), str(forge))
    task.git("clone", "-q", "--no-checkout", str(task.gate), str(task.work))
    done = task.run("sh", "-c", COMMIT, env={"CODE_REPO": str(forge), "CLONE_FROM": str(task.gate)})
    assert done.returncode == 0, done.stderr
    urls = [task.git("-C", str(task.work), "remote", "get-url", name) for name in ("origin", "gate")]
    assert urls == [str(forge), str(task.gate)]
    assert "terok/abc" in task.heads()


def test_a_copy_that_cannot_be_used_is_made_up_for_by_the_gate(task: Task, tmp_path: Path) -> None:
    (tmp_path / "copy.git" / "objects").mkdir(parents=True)
    done = task.run("sh", "-c", COMMIT, env={"TEROK_SEED": str(tmp_path / "copy.git")})
    assert done.returncode == 0, done.stderr
    assert "terok/abc" in task.heads()


def test_an_online_project_sees_its_upstream_and_still_hands_its_commits_to_the_gate(
    task: Task, tmp_path: Path
) -> None:
    forge = tmp_path / "forge.git"
    task.git("clone", "-q", "--bare", str(task.gate), str(forge))
    task.git("-C", str(forge), "branch", "only-upstream", "main")
    online = {"CODE_REPO": str(forge), "CLONE_FROM": str(task.gate)}
    assert task.run("sh", "-c", COMMIT, env=online).returncode == 0
    work = str(task.work)
    assert task.git("-C", work, "remote", "get-url", "origin") == str(forge)
    assert task.git("-C", work, "remote", "get-url", "gate") == str(task.gate)
    assert "origin/only-upstream" in task.git("-C", work, "branch", "-r")
    assert "terok/abc" in task.heads()
    assert task.run("true", env={**online, "CLONE_FROM": f"{task.gate}/"}).returncode == 0
    assert task.git("-C", work, "remote", "get-url", "gate") == f"{task.gate}/", "a restart has a new token"
    subprocess.run(["rm", "-rf", work], check=True)
    task.work.mkdir()
    done = task.run("sh", "-c", COMMIT, env={**online, "CODE_REPO": str(tmp_path / "gone.git"), "GIT_BRANCH": "other"})
    assert done.returncode == 0, done.stderr
    assert "the upstream could not be read" in done.stdout


def test_an_empty_repository_gets_its_first_commit(task: Task, tmp_path: Path) -> None:
    empty = tmp_path / "empty.git"
    task.git("init", "-q", "--bare", "-b", "main", str(empty))
    task.gate, task.env["CODE_REPO"] = empty, str(empty)
    done = task.run("sh", "-c", "echo x >f; git add f; git commit -qm first")
    assert done.returncode == 0, done.stderr
    assert set(task.heads()) == {"terok/abc"}


def test_without_a_commit_nothing_is_pushed(task: Task) -> None:
    before = task.heads()
    done = task.run("true")
    assert done.returncode == 0
    assert "no new commit" in done.stdout
    assert task.heads() == before


def test_the_agent_s_exit_code_is_kept_and_its_commits_are_delivered_all_the_same(task: Task) -> None:
    assert task.run("sh", "-c", f"{COMMIT}; exit 7").returncode == 7
    assert "terok/abc" in task.heads()


def test_a_refused_push_of_a_successful_agent_is_75(task: Task) -> None:
    hook = task.gate / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    sleepless = {"PATH": f"{task.dir}:{os.environ['PATH']}"}
    (task.dir / "sleep").write_text("#!/bin/sh\n")
    (task.dir / "sleep").chmod(0o755)
    done = task.run("sh", "-c", COMMIT, env=sleepless)
    assert done.returncode == 75
    assert "could not be handed" in done.stdout


def test_a_gate_that_cannot_be_cloned_is_128_and_its_token_is_not_shown(task: Task) -> None:
    done = task.run("true", env={"CODE_REPO": "http://secrettoken@127.0.0.1:1/x.git"})
    assert done.returncode == 128
    assert "secrettoken" not in done.stdout + done.stderr
    assert "could not be cloned" in done.stdout


def test_a_second_start_keeps_the_workspace(task: Task) -> None:
    assert task.run("sh", "-c", "echo left >untracked").returncode == 0
    done = task.run("sh", "-c", f"test -f untracked && {COMMIT}")
    assert done.returncode == 0, done.stdout
    assert "terok/abc" in task.heads()


def test_a_stop_lets_the_agent_end_and_delivers_what_it_committed(task: Task) -> None:
    command = f"{COMMIT}; trap 'exit 9' TERM; touch '{task.dir}/ready'; while :; do sleep 0.05; done"
    process = subprocess.Popen(["sh", str(SCRIPT), "sh", "-c", command], env=task.env)
    deadline = time.monotonic() + 20
    while not (task.dir / "ready").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=20) == 9
    assert "terok/abc" in task.heads()


def test_an_agent_on_no_branch_pushes_nothing(task: Task) -> None:
    done = task.run("sh", "-c", f"git checkout -q --detach; {COMMIT}")
    assert done.returncode == 0
    assert "on no branch" in done.stdout
    assert set(task.heads()) == {"main", "other"}


def test_a_second_start_runs_what_the_host_says_and_delivers_that_too(task: Task) -> None:
    assert task.run("sh", "-c", COMMIT).returncode == 0
    first = task.heads()["terok/abc"]
    (task.dir / "prompt.txt").write_text("another prompt")
    (task.dir / "next-command").write_text("sh -c 'cat >seen; git add -A; git commit -qm \"$1\"' - 'two words'\n")
    done = task.run("sh", "-c", "exit 9")
    assert done.returncode == 0, done.stderr
    assert (task.work / "seen").read_text() == "another prompt"
    assert task.heads()["terok/abc"] != first
    assert task.git("-C", str(task.work), "log", "-1", "--format=%s") == "two words"


def test_where_nothing_is_delivered_nothing_is_pushed(task: Task) -> None:
    before = task.heads()
    assert task.run("sh", "-c", COMMIT, env={"TEROK_DELIVER": "0"}).returncode == 0
    assert task.heads() == before
