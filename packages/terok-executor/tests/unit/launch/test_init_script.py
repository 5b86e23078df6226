"""The start script on this host: real sh, real git, a directory as gate."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

import pytest
from terok_executor.runner.delivery import Delivery, parse_delivery

SCRIPTS = Path(str(files("terok_executor") / "resources" / "image"))


class Task:
    def __init__(self, tmp_path: Path) -> None:
        self.gate = tmp_path / "gate.git"
        self.work = tmp_path / "workspace"
        self.dir = tmp_path / "task"
        self.bin = tmp_path / "bin"
        for directory in (self.work, self.dir, self.bin):
            directory.mkdir()
        shutil.copy(SCRIPTS / "terok-init.sh", self.bin / "terok-init")
        shutil.copy(SCRIPTS / "terok-deliver.py", self.bin / "terok-deliver")
        self.env = {
            "TASK_ID": "abc",
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

    def heads(self, below: str = "refs/heads", form: str = "%(refname:lstrip=2)") -> dict[str, str]:
        words = ("for-each-ref", f"--format={form} %(objectname)", below)
        return dict(row.split() for row in self.git("-C", str(self.gate), *words).splitlines())

    def new_refs(self) -> dict[str, str]:
        known = (self.dir / "base-refs").read_text().split()
        return {ref: oid for ref, oid in self.heads("refs", "%(refname)").items() if oid not in known}

    def clear(self) -> None:
        """Make the task a new one."""
        for directory in (self.work, self.dir):
            shutil.rmtree(directory)
            directory.mkdir()
        (self.dir / "prompt.txt").write_text("the prompt")

    def run(self, *command: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", str(self.bin / "terok-init"), *command],
            env={**self.env, **(env or {})},
            capture_output=True,
            text=True,
            timeout=60,
        )

    def report(self) -> Delivery:
        return parse_delivery((self.dir / "delivery").read_text().splitlines())

    def refuse(self, condition: str = "true") -> None:
        """Let the gate refuse every push in which the shell finds this true of a `$ref`; it counts its answers."""
        hook = self.gate / "hooks" / "pre-receive"
        hook.write_text(
            f"#!/bin/sh\necho asked >>'{self.dir}/asked'\n"
            f"while read -r old new ref; do if {condition}; then echo 'terok gate: not this' >&2; exit 1; fi; done\n"
        )
        hook.chmod(0o755)


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
    assert task.run("sh", "-c", COMMIT.replace("change", "other"), env={"GIT_BRANCH": "new"}).returncode == 0
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
    process = subprocess.Popen(["sh", str(task.bin / "terok-init"), "sh", "-c", command], env=task.env)
    deadline = time.monotonic() + 20
    while not (task.dir / "ready").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=20) == 9
    assert "terok/abc" in task.heads()


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


def test_a_tag_of_a_branch_s_name_decides_nothing(task: Task) -> None:
    """REF-1: git takes a tag for a branch or a remote's branch of the same name, and another task may push tags."""
    evil = task.work.parent / "evil"
    task.git("clone", "-q", str(task.gate), str(evil))
    task.git("-C", str(evil), "commit", "-q", "--allow-empty", "-m", "evil")
    names = ("origin/other", "origin/main", "other", "main", "terok/1", "HEAD", "origin/HEAD")
    task.git("-C", str(evil), "push", "-q", "origin", *(f"HEAD:refs/tags/{name}" for name in names))
    before = task.heads("refs/heads")
    for number, extra in enumerate(({"GIT_BRANCH": "other"}, {}, {"TEROK_START": before["main"]})):
        task.clear()
        commit = f"git commit -q --allow-empty -m {number}"
        done = task.run(
            "sh", "-c", f"{commit}; git symbolic-ref HEAD", env={"TEROK_WORK_BRANCH": f"terok/{number}", **extra}
        )
        assert done.returncode == 0, done.stderr
        branch = extra.get("GIT_BRANCH", f"terok/{number}")
        assert f"refs/heads/{branch}\n" in done.stdout
        tip = task.git("-C", str(task.work), "rev-parse", "HEAD")
        assert task.heads("refs/heads")[branch] == tip
        assert task.git("-C", str(task.work), "rev-parse", f"{tip}~1") == before.get(branch, before["main"])


FAILING = {
    "a branch below one that is there": {"GIT_BRANCH": "main/x"},
    "a branch that is none": {"GIT_BRANCH": "HEAD"},
    "a start that is not there": {"TEROK_START": "1" * 40},
    "clone": {},
    "remote rename": {"CLONE_FROM": "gate"},
    "remote add": {"CLONE_FROM": "gate"},
    "update-ref refs/heads/main": {},
    "config branch.other.merge": {"GIT_BRANCH": "other"},
    "checkout": {},
    "checkout --quiet --no-track -B other": {"GIT_BRANCH": "other"},
    "for-each-ref": {},
}


@pytest.mark.parametrize("step", FAILING)
def test_every_step_that_fails_stops_the_start(task: Task, step: str) -> None:
    """REF-1: an agent that starts on another branch than was asked for does its work in the wrong place."""
    env = {**FAILING[step], **({"CLONE_FROM": str(task.gate)} if "CLONE_FROM" in FAILING[step] else {})}
    git = task.bin / "git"
    git.write_text(f"#!/bin/sh\ncase \"$*\" in *'{step}'*) exit 1 ;; esac\nexec '{shutil.which('git')}' \"$@\"\n")
    git.chmod(0o755)
    done = task.run("touch", str(task.dir / "ran"), env={**env, "PATH": f"{task.bin}:{os.environ['PATH']}"})
    assert done.returncode == 128, done.stdout + done.stderr
    assert not (task.dir / "ran").exists()
    assert done.stdout.startswith(">> ")
    assert task.report().state == "complete", "nothing was made that could be lost"


def test_files_that_cannot_be_checked_out_stop_the_start(task: Task) -> None:
    """REF-1: a filter that the repository needs and that fails, as git-lfs without its server."""
    seed = task.work.parent / "seed"
    (seed / ".gitattributes").write_text("* filter=needed\n")
    task.git("-C", str(seed), "add", ".")
    task.git("-C", str(seed), "commit", "-qm", "filter")
    task.git("-C", str(seed), "push", "-q", str(task.gate), "main")
    (task.work.parent / ".gitconfig").write_text('[filter "needed"]\n\tsmudge = false\n\trequired = true\n')
    assert task.run("touch", str(task.dir / "ran")).returncode == 128
    assert not (task.dir / "ran").exists()


def test_a_run_starts_from_the_commit_that_the_host_names(task: Task) -> None:
    """What an earlier task has pushed to the default branch is not what later ones start from."""
    reviewed = task.heads()["main"]
    assert task.run("sh", "-c", f"git checkout -q main; {COMMIT}").returncode == 0
    unreviewed = task.heads()["main"]
    assert unreviewed != reviewed
    task.clear()
    assert task.run("sh", "-c", "git commit -q --allow-empty -m mine", env={"TEROK_START": reviewed}).returncode == 0
    work = str(task.work)
    assert task.git("-C", work, "rev-parse", "HEAD~1") == reviewed
    assert task.git("-C", work, "rev-parse", "refs/heads/main") == reviewed
    assert task.heads()["main"] == unreviewed
    task.clear()
    assert task.run("true", env={"TEROK_START": reviewed, "GIT_BRANCH": "main"}).returncode == 0
    assert task.git("-C", work, "rev-parse", "HEAD") == unreviewed, "a branch that was asked for is taken as it is"


def test_a_start_that_no_branch_holds_is_fetched_by_itself(task: Task) -> None:
    seed = str(task.work.parent / "seed")
    task.git("-C", seed, "commit", "-q", "--allow-empty", "-m", "on no branch")
    task.git("-C", seed, "push", "-q", str(task.gate), "HEAD:refs/terok/detached")
    task.git("-C", str(task.gate), "config", "transfer.hideRefs", "refs/terok")
    start = task.git("-C", seed, "rev-parse", "HEAD")
    done = task.run("sh", "-c", COMMIT, env={"TEROK_START": start})
    assert done.returncode == 0, done.stderr
    assert task.git("-C", str(task.work), "rev-parse", "HEAD~1") == start


EVERYTHING = f"""
git checkout -q -b side; git commit -q --allow-empty -m side
echo kept >stashed; git add stashed; git stash -q
git tag -a v1 -m v1
git worktree add -q ../beside; (cd ../beside; echo more >README; echo new >new)
git checkout -q --detach; {COMMIT}
echo uncommitted >>README; printf 'x\\n' >'odd "näme'; echo '*.o' >.gitignore; echo junk >junk.o
"""


def test_all_that_an_agent_leaves_is_handed_over(task: Task) -> None:
    """LOSS-1: other branches, a HEAD on none, what is not committed, stashes, other work trees and tags."""
    done = task.run("sh", "-c", EVERYTHING)
    assert done.returncode == 0, done.stdout + done.stderr
    assert task.report().state == "complete"
    assert len(task.report().handed_over) == len(task.new_refs())
    shown = {
        ref: set(task.git("-C", str(task.gate), "ls-tree", "--name-only", "-z", ref).split("\0"))
        for ref in task.new_refs()
    }
    assert set(shown) == {
        *("refs/heads/side", "refs/heads/beside", "refs/tags/v1"),
        *(f"refs/heads/terok/wip/abc{end}" for end in ("", "-2", "-3")),
    }
    work_in_progress = shown["refs/heads/terok/wip/abc"]
    assert {'odd "näme', ".gitignore"} <= work_in_progress
    assert "junk.o" not in work_in_progress
    assert "new" in shown["refs/heads/terok/wip/abc-2"]
    assert "stashed" in shown["refs/heads/terok/wip/abc-3"]
    log = task.git("-C", str(task.gate), "log", "--format=%s", "refs/heads/terok/wip/abc").splitlines()
    assert log == ["Work in progress: what was not committed when the task ended", "change", "side", "first"]
    assert task.git("-C", str(task.work), "status", "--porcelain"), "the workspace is as the agent left it"


def test_files_without_a_first_commit_are_handed_over(task: Task, tmp_path: Path) -> None:
    """LOSS-1: in an empty repository there is no commit to put them on."""
    task.gate = tmp_path / "empty.git"
    task.git("init", "-q", "--bare", "-b", "main", str(task.gate))
    assert task.run("sh", "-c", "echo x >f", env={"CODE_REPO": str(task.gate)}).returncode == 0
    assert task.git("-C", str(task.gate), "ls-tree", "--name-only", "refs/heads/terok/wip/abc") == "f"


def test_a_refusal_is_final_and_takes_nothing_else_with_it(task: Task) -> None:
    """LOSS-1: the gate is asked once about all and once about each, and what it refuses is named."""
    task.refuse("[ $ref = refs/heads/bad ]")
    done = task.run("sh", "-c", f"{COMMIT}; git checkout -q -b bad; git commit -q --allow-empty -m bad")
    assert done.returncode == 75
    assert "terok/abc" in task.heads()
    assert "bad" not in task.heads()
    (left,) = task.report().left
    assert left == "commits on bad: [remote rejected] (pre-receive hook declined): terok gate: not this"
    assert f">> not handed over: {left}" in done.stdout
    assert (task.dir / "asked").read_text() == "asked\n" * 3
    assert task.run("sh", "-c", "exit 7").returncode == 7, "the agent's own code comes first"
    assert task.report().state == "incomplete", "the report says it all the same"


def test_a_gate_that_is_away_is_asked_again(task: Task) -> None:
    """LOSS-1: what has not answered has refused nothing."""
    calls = task.dir / "calls"
    git = task.bin / "git"
    away = f'*" push "*) echo >>"{calls}"; [ "$(wc -l <"{calls}")" -gt 2 ] || exit 128 ;;'
    git.write_text(f'#!/bin/sh\ncase "$*" in {away} esac\nexec \'{shutil.which("git")}\' "$@"\n')
    git.chmod(0o755)
    done = task.run("sh", "-c", COMMIT, env={"PATH": f"{task.bin}:{os.environ['PATH']}"})
    assert done.returncode == 0, done.stderr
    assert "terok/abc" in task.heads()


def test_what_was_rewritten_or_overtaken_after_a_push_is_handed_over(task: Task) -> None:
    """LOSS-1: git refuses such a push, and nobody else's commits may be overwritten."""
    push = "git push -q origin HEAD"
    assert task.run("sh", "-c", f"{COMMIT}; {push}; git commit -q --amend -m amended").returncode == 0
    assert task.git("-C", str(task.gate), "log", "-1", "--format=%s", "refs/heads/terok/abc") == "amended"
    other = f"{shutil.which('git')} clone -q '{task.gate}' ../theirs; cd ../theirs; git checkout -q terok/abc"
    theirs = f"({other}; git commit -q --allow-empty -m theirs; git push -q origin terok/abc)"
    done = task.run("sh", "-c", f"{theirs}; git commit -q --allow-empty -m ours")
    assert done.returncode == 0, done.stderr
    assert "commits on terok/abc has moved" in done.stdout
    tips = [
        task.git("-C", str(task.gate), "log", "-1", "--format=%s", f"refs/heads/terok/{name}")
        for name in ("abc", "wip/abc")
    ]
    assert tips == ["theirs", "ours"]
    task.clear()
    later = "git commit -q --allow-empty -m later; git push -q origin HEAD; git reset -q --hard HEAD~1"
    done = task.run("sh", "-c", f"{COMMIT}; {later}", env={"GIT_BRANCH": "other"})
    assert done.returncode == 0
    assert task.git("-C", str(task.gate), "log", "-1", "--format=%s", "refs/heads/other") == "later"


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("git init -q inner; cd inner; git commit -q --allow-empty -m x", "inner, which is one of its own"),
        ("rm -rf .git", "what is in"),
        ("echo '[broken' >>.git/config", "bad config"),
        ("cp README copy; chmod -R a-w .git/objects", "what is not committed in"),
        ("echo x >closed; chmod 0 closed", "some of what is not committed"),
    ],
)
def test_what_cannot_be_handed_over_is_said(task: Task, command: str, said: str) -> None:
    """LOSS-1: a repository within the repository, none any more, files that cannot be read, objects not written."""
    done = task.run("sh", "-c", command)
    assert done.returncode == 75
    assert said in done.stdout
    assert any(said in left for left in task.report().left)


def test_a_report_counts_for_its_own_start_only(task: Task) -> None:
    """LOSS-1: a container that is killed has said nothing of what is in it."""
    assert task.run("true").returncode == 0
    process = subprocess.Popen(["sh", str(task.bin / "terok-init"), "sh", "-c", "kill -9 $PPID"], env=task.env)
    assert process.wait(timeout=20) == -signal.SIGKILL
    assert not (task.dir / "delivery").exists()


def test_a_report_that_cannot_be_written_is_no_report(task: Task) -> None:
    """LOSS-1: as on a full disk."""
    done = task.run("sh", "-c", f"{COMMIT}; mkdir '{task.dir}/delivery.new'")
    assert done.returncode == 75
    assert "could not be noted" in done.stdout
    assert "Traceback" not in done.stderr
    assert not (task.dir / "delivery").exists()


def test_a_start_to_hand_over_does_nothing_else(task: Task) -> None:
    task.refuse()
    assert task.run("sh", "-c", COMMIT).returncode == 75
    (task.gate / "hooks" / "pre-receive").unlink()
    (task.dir / "hand-over").touch()
    assert task.run("touch", str(task.dir / "ran")).returncode == 0
    assert not (task.dir / "ran").exists()
    assert "terok/abc" in task.heads()
    assert task.run("touch", str(task.dir / "ran")).returncode == 0
    assert (task.dir / "ran").exists()


def test_without_a_gate_what_is_in_the_container_alone_is_named(task: Task) -> None:
    """LOSS-1: nothing comes back from there, which is no failure; but who removes it ought to know."""
    before = task.heads()
    done = task.run("sh", "-c", COMMIT, env={"TEROK_DELIVER": "check"})
    assert done.returncode == 0
    assert task.heads() == before
    assert task.report() == Delivery("incomplete", left=("commits on terok/abc",))
    task.clear()
    assert task.run("true", env={"TEROK_DELIVER": "check"}).returncode == 0
    assert task.report().state == "complete"
