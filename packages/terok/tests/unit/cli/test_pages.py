"""Man pages and exit codes, which are written from the tree and from the errors."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import reference
from terok.cli.tree import COMMANDS

PAGES = sorted(reference.MAN.glob("*.1"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_man_page_is_without_faults(page: Path) -> None:
    done = subprocess.run(
        ["groff", "-man", "-Tutf8", "-ww", "-z", str(page)], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stderr == ""


def test_man_shows_every_command_and_option() -> None:
    shown = {page.stem: rendered(page) for page in PAGES}
    assert {f"terok-{top.name}" for top in COMMANDS.roots} | {"terok"} == set(shown)
    for top in COMMANDS.roots:
        assert f"terok-{top.name}" in shown["terok"]
    everything = " ".join(shown.values())
    for path, node in COMMANDS.walk():
        for arg in node.args:
            for flag in arg.flags:
                assert flag in everything, f"{' '.join(path)} {flag}"
    assert "terok task run" in shown["terok-task"]
    assert "124" in shown["terok"] and "NO_COLOR" in shown["terok"]


def rendered(page: Path) -> str:
    done = subprocess.run(
        ["groff", "-man", "-Tascii", "-rLL=400n", "-P-c", str(page)], capture_output=True, check=True, timeout=60
    )
    text = done.stdout.decode("ascii", "replace")
    return re.sub(r"\s+", " ", re.sub(r".\x08", "", text))


def test_every_exit_code_has_a_meaning_and_every_meaning_a_cause() -> None:
    used = set(reference.errors())
    assert used <= set(reference.CODES), "a code without a line in the table"
    assert set(reference.CODES) - used <= reference.NOT_OF_ERRORS, "a line that nothing causes"
    assert len(used) > 10
