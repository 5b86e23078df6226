"""Faults of the configuration, of projects and of their credentials."""

from __future__ import annotations

import shutil

import pytest

from .conftest import Fault, Ward, judge, open_vault_of


def vault_locked(ward: Ward) -> None:
    for path in (*ward.config.vault_dir.iterdir(), ward.config.vault_session_file):
        if path.is_file() and path != ward.config.db_path:
            path.unlink()


FAULTS = [
    Fault("shared directory gone", lambda w: (w.root / "shared").rmdir(), "shared.dir: .*shared is not there"),
    Fault(
        "configuration wrong",
        lambda w: (w.root / "config/config.yml").write_text("tasks: {slot: 3}\n"),
        r"config.yml:1.*slot",
        mended=False,
    ),
    Fault(
        "project broken", lambda w: w.project.write_text("agent: {nme: demo}\n"), r"project.yml:1.*nme", mended=False
    ),
    Fault("repository gone", lambda w: shutil.rmtree(w.root / "upstream"), "upstream is not there", mended=False),
    Fault(
        "image lines gone",
        lambda w: w.add("image: {user_snippet_file: /nowhere/x}\n"),
        "is not there|cannot",
        mended=False,
    ),
    Fault(
        "no program for a hook",
        lambda w: w.add("hooks: {pre_start: nosuch-program now}\n"),
        "there is no program nosuch-program",
        mended=False,
    ),
    Fault(
        "no credential",
        lambda w: open_vault_of(w.config).delete_credential("default", "demo"),
        "the vault has no credential for demo",
        mended=False,
    ),
    Fault("vault locked", vault_locked, "passphrase|locked", mended=False),
    Fault(
        "vault damaged", lambda w: w.config.db_path.write_bytes(b"x" * 4096), "vault|passphrase|database", mended=False
    ),
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_is_found_with_its_cause_and_mended_if_that_is_safe(ward: Ward, fault: Fault) -> None:
    judge(ward, fault)
