"""Faults of files: modes, routes, directories of nobody, mirrors, the lockdown, the disk."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from terok.paths import tasks_dir, trash_dir
from terok.services.marked import make_marked
from terok.services.panic import Panic

from .conftest import LONG_AGO, Fault, Ward, judge


def usage_open(ward: Ward) -> None:
    path = ward.config.usage_dir / "web/x.jsonl"
    path.parent.mkdir(parents=True, mode=0o700)
    path.touch(mode=0o644)
    path.chmod(0o644)


def roster_broken(ward: Ward) -> None:
    path = ward.root / "config/providers/demo.yaml"
    path.write_text("upstream: [not, an, address]\n")


def moved_to_the_trash(ward: Ward) -> None:
    trash_dir().mkdir(parents=True, exist_ok=True)
    ward.tasks.directory(ward.over).rename(trash_dir() / ward.over.id)


def orphan(ward: Ward) -> None:
    directory = tasks_dir() / "web" / "zzzzzzzz"
    directory.mkdir(parents=True)
    make_marked(directory, "zzzzzzzz")


def mirror(ward: Ward) -> Path:
    path = ward.config.gate_base_path / "web.git"
    path.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["git", "init", "-q", "--bare", str(path)], check=True)
    return path


def stale_lock(ward: Ward) -> None:
    lock = mirror(ward) / "packed-refs.lock"
    lock.touch()
    os.utime(lock, (LONG_AGO, LONG_AGO))


def locked_down(ward: Ward) -> None:
    Panic(ward.sandbox, close=lambda *_: False, end=lambda *_: None).engage()


def evidence_changed(ward: Ward) -> None:
    locked_down(ward)
    (log,) = (ward.root / "state/panic").glob("*/evidence.jsonl")
    log.write_text(log.read_text().replace('"tokens":0', '"tokens":9'))


FAULTS = [
    Fault("vault open to others", lambda w: w.config.db_path.chmod(0o644), "credentials.db: its mode is 0644"),
    Fault("passphrase open", lambda w: w.config.vault_session_file.chmod(0o640), "vault-session: its mode is 0640"),
    Fault("state open", lambda w: (w.root / "state").chmod(0o755), "state: its mode is 0755"),
    Fault("tasks open", lambda w: tasks_dir().chmod(0o750), "tasks: its mode is 0750"),
    Fault("vault directory open", lambda w: w.config.vault_dir.chmod(0o711), "vault: its mode is 0711"),
    Fault("usage open", usage_open, "x.jsonl: its mode is 0644"),
    Fault("routes changed", lambda w: w.config.routes_path.write_text("{}"), "is not what the roster says"),
    Fault("routes gone", lambda w: w.config.routes_path.unlink(), "is not what the roster says"),
    Fault("roster broken", roster_broken, "demo.yaml", mended=False),
    Fault("in the trash, not deleted", moved_to_the_trash, "is in the trash although the task is not deleted"),
    Fault("directory of nobody", orphan, "belongs to no task that is recorded", mended=False),
    Fault("stale lock", stale_lock, "mirror web: 1 locks of git were left behind"),
    Fault("mirror damaged", lambda w: (mirror(w) / "HEAD").unlink(), "mirror web cannot be read", mended=False),
    Fault("lockdown", locked_down, "nothing starts since the panic", mended=False),
    Fault("evidence changed", evidence_changed, "its evidence was changed", mended=False),
    Fault(
        "low disk",
        lambda w: (w.root / "config/config.yml").write_text("tasks: {min_free_disk: 900t}\n"),
        "no task starts below",
        mended=False,
    ),
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_is_found_with_its_cause_and_mended_if_that_is_safe(ward: Ward, fault: Fault) -> None:
    judge(ward, fault)
