"""One grammar for each name that both sides must know."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from terok_sandbox.clearance.errors import ClearanceError
from terok_sandbox.clearance.project import verdicts_path
from terok_sandbox.cli.tree import COMMANDS
from terok_sandbox.config import SandboxConfig
from terok_sandbox.errors import SpecError
from terok_sandbox.gate.errors import MirrorError
from terok_sandbox.gate.layout import mirror_path
from terok_sandbox.launch.check import check_spec
from terok_sandbox.launch.spec import RunSpec, Wiring
from terok_sandbox.values.launch import OPT_OUTS
from terok_sandbox.values.names import is_branch, is_new_container, is_plain, is_time_zone

SCOPES = {"proj": True, "my.project_2-x": True, "a" * 63: True, "a" * 64: False}
SCOPES |= dict.fromkeys(("My.Project", "../x", "a/b", ".git", "-x", "ä", "a\n", "a b"), False)


def mirror(scope: str) -> None:
    mirror_path(Path("/g"), scope)


def verdicts(scope: str) -> None:
    verdicts_path(SandboxConfig(), scope)


def launch(scope: str) -> None:
    check_spec(RunSpec(container_name="box", image="localhost/app", wiring=Wiring(scope=scope, ssh_scope=scope)))


@pytest.mark.parametrize("use", [mirror, verdicts, launch])
@pytest.mark.parametrize(("scope", "fits"), SCOPES.items())
def test_every_use_of_a_scope_takes_the_same_names(use: Callable[[str], None], scope: str, fits: bool) -> None:
    try:
        use(scope)
        taken = True
    except (MirrorError, ClearanceError, SpecError) as error:
        taken = False
        assert error.hint is not None
        assert "a-z 0-9" in error.hint
    assert taken is fits is is_plain(scope)


def test_names_of_containers_branches_and_time_zones() -> None:
    assert [is_new_container(name) for name in ("box", "c0ffee", "c0ffee.1", "Box")] == [True, False, True, False]
    branches = ("main", "agent/fix-1", "HEAD", "refs/heads/x", "-x", "a..b", "a.lock", "x.lock/y", "a b", "@{u}", "a/")
    assert [name for name in branches if is_branch(name)] == ["main", "agent/fix-1"]
    zones = ("UTC", "local", "Europe/Berlin", "America/Argentina/Ushuaia", "../etc/passwd", "/x", "a" * 65, "")
    assert [name for name in zones if is_time_zone(name)] == list(zones[:4])


def test_the_command_line_offers_every_opt_out() -> None:
    run = COMMANDS.find_at("run")
    assert [arg.choices for arg in run.args if arg.dest == "opt_outs"] == [OPT_OUTS]
