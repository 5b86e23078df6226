"""Where the files come from that a container works on."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from terok_executor.errors import RequestError
from terok_executor.launch.task_start import seed_workspace_from_clone_cache
from terok_executor.paths import clone_cache_dir, task_dir
from terok_executor.runner.container_care import Outcome

from .conftest import Host


def test_a_repository_comes_from_a_copy_that_is_mounted_read_only(host: Host) -> None:
    record = host.runner.start(host.request())
    seed = clone_cache_dir() / f"{record.scope}.git"
    assert seed.is_dir()
    assert "TEROK_SEED=/var/lib/terok/seed.git" in host.envs[0].splitlines()
    mounts = [word for word in host.runtime.plans[0].argv if str(seed) in word]
    assert len(mounts) == 1
    assert mounts[0].startswith(f"{seed}:/var/lib/terok/seed.git:")
    assert mounts[0].rpartition(":")[2].split(",")[-1] == "ro"


def test_more_repositories_can_be_read_and_nothing_else(host: Host, tmp_path: Path) -> None:
    library = tmp_path / "library"
    subprocess.run(["git", "clone", "-q", str(host.repo), str(library)], check=True)
    host.runner.start(host.request(project_id="web", references=[f"lib={library}", ["more", str(host.repo), "main"]]))
    mounts = {word.split(":")[1]: word for word in host.runtime.plans[0].argv if ":/repos/" in word}
    assert sorted(mounts) == ["/repos/lib.git", "/repos/more.git"]
    assert mounts["/repos/lib.git"].startswith(f"{clone_cache_dir()}/web.lib.git:")
    assert all(word.rpartition(":")[2].split(",")[-1] == "ro" for word in mounts.values())
    for wrong in (["lib"], ["Lib=x"], ["a=.", "a=."], [["a", str(library), "x..y"]], [["a", str(library), "nosuch"]]):
        with pytest.raises(RequestError):
            host.runner.start(host.request(name="other", references=wrong))


def test_a_sealed_run_mounts_nothing_and_copies_what_the_agent_needs(host: Host) -> None:
    host.runner.start(host.request(sealed=True))
    (plan,) = host.runtime.plans
    assert plan.sealed
    assert not [word for word in plan.argv if str(task_dir("task-1")) in word]
    assert {destination for _, destination in host.runtime.records["task-1"].copied} == {
        "/home/dev/.terok",
        "/home/dev/.claude",
        "/workspace",
    }


def test_a_sealed_run_gets_a_copy_of_the_repository_and_the_host_keeps_none(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = task_dir("task-1") / "workspace"
    seen: list[str] = []

    def look(source: Path, destination: str) -> None:
        if destination == "/workspace":
            git = ["git", "-C", str(source)]
            asked = ["remote", "get-url", "origin"], ["log", "-1", "--format=%s", "origin/main"]
            done = [subprocess.run([*git, *words], capture_output=True, text=True, check=True) for words in asked]
            seen.extend(one.stdout.strip() for one in done)
            seen.extend(path.name for path in source.iterdir())
            assert str(clone_cache_dir()) not in (source / ".git" / "config").read_text()

    monkeypatch.setattr("terok_sandbox.runtime.fake.FakeContainer.copy_in", lambda _self, *words: look(*words))
    host.runner.start(host.request(sealed=True))
    env = dict(line.split("=", 1) for line in host.envs[0].splitlines())
    assert seen == [env["CODE_REPO"], "first", ".git"]
    assert "TEROK_SEED" not in env
    assert not workspace.exists()


def test_a_directory_is_seeded_whole_or_not_at_all(host: Host, tmp_path: Path) -> None:
    record = host.runner.start(host.request())
    place = tmp_path / "place"
    place.mkdir()
    assert not seed_workspace_from_clone_cache(place, "nobody", "x", host.config)
    assert list(place.iterdir()) == []
    (place / "mine").touch()
    assert not seed_workspace_from_clone_cache(place, record.scope, "x", host.config)
    (place / "mine").unlink()
    address = 'https://x/a "b"\\c'
    assert seed_workspace_from_clone_cache(place, record.scope, address, host.config)
    git = ["git", "-C", str(place), "remote", "get-url", "origin"]
    assert subprocess.run(git, capture_output=True, text=True, check=True).stdout == address + "\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["place", "repo"]


def test_a_workspace_needs_no_repository_and_no_gate(host: Host, tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    record = host.runner.start(host.request(repo=None, workspace=tmp_path / "work"))
    (plan,) = host.runtime.plans
    assert any(word.startswith(f"{tmp_path / 'work'}:/workspace:") for word in plan.argv)
    assert "CODE_REPO" not in host.envs[0]
    assert json.loads(host.config.sidecar_path("task-1").read_text())["gate"] is None
    host.runtime.finish("task-1")
    assert host.runner.result("task-1", Outcome(0, timed_out=False), duration=1.0).commits == ()
    assert (record.scope, record.branch) == ("", "")


def test_without_the_gate_the_upstream_is_open_and_nothing_is_delivered(host: Host) -> None:
    host.runner.start(host.request(repo="https://git.example.test/a/b", gate=False))
    env = dict(line.split("=", 1) for line in host.envs[0].splitlines())
    assert env["CODE_REPO"] == "https://git.example.test/a/b"
    assert env["TEROK_DELIVER"] == "check"
    tiers = json.loads(host.config.sidecar_path("task-1").read_text())["shield"]["tiers"]
    assert any("git.example.test:443" in line for line in tiers["project_allow"])
