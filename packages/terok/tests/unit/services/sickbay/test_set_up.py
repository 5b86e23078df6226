"""Faults of the host's set-up, and a healthy host, which is left in peace."""

from __future__ import annotations

import json
import shutil
from types import SimpleNamespace

import pytest
from terok.services import checks_sandbox
from terok_sandbox import run_setup
from terok_sandbox.setup import seccomp, stages
from terok_sandbox.setup.prerequisites import Prerequisite

from .conftest import Fault, Ward, alarms, judge

SETUP = [
    Fault("not set up", lambda w: w.config.receipt_path.unlink(), "not set up"),
    Fault("hook changed", lambda w: [path.write_text("#") for path in w.config.hooks_dir.glob("*.py")], "hook"),
    Fault("hooks gone", lambda w: shutil.rmtree(w.config.hooks_dir), "hook"),
    Fault("hooks not named", lambda w: (w.root / "containers.conf").write_text(""), "does not name the hook directory"),
    Fault("profile gone", lambda w: shutil.rmtree(w.config.seccomp_dir), "seccomp|profile"),
    Fault("older version", lambda w: receipt(w, "0.0.1"), "is set up for version 0.0.1"),
    Fault("newer version", lambda w: receipt(w, "99.0"), "is set up by terok-sandbox 99.0", mended=False),
    Fault("podman fails", lambda w: w.runtime.failures.update(list="out of order"), "out of order", mended=False),
]


def receipt(ward: Ward, version: str) -> None:
    kept = json.loads(ward.config.receipt_path.read_text())
    ward.config.receipt_path.write_text(json.dumps({**kept, "version": version}))


@pytest.fixture
def host(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> Ward:
    """A ward on a host that is set up, but for what only root can do; `terok-sandbox setup` is a call here."""
    base = ward.root / "seccomp.json"
    base.write_text(json.dumps({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": []}))
    monkeypatch.setattr(seccomp, "INSTALLED", (base,))
    monkeypatch.setattr(stages, "check_prerequisites", lambda: [Prerequisite("podman", ok=True, detail="")])
    for step in ("_provision_vault", "_set_up_services", "learn_redirects"):
        monkeypatch.setattr(stages, step, lambda *_: "done")

    def set_up(command: list[str], **_: object) -> object:
        assert command[-2:] == ["terok_sandbox", "setup"]
        run_setup(ward.config, lambda stage, outcome: None)
        return SimpleNamespace(returncode=0)

    set_up(["terok_sandbox", "setup"])
    monkeypatch.setattr(checks_sandbox, "run", set_up)
    return ward


@pytest.mark.parametrize("fault", SETUP, ids=lambda fault: fault.name)
def test_a_fault_of_the_set_up(host: Ward, fault: Fault) -> None:
    judge(host, fault)


def test_a_healthy_host_is_left_in_peace(host: Ward) -> None:
    found = host.look()
    # What this machine itself lacks is for its owner to know, and not of terok's making.
    ours = [(one.check, one.text) for one in alarms(found) if not one.check.startswith("host ")]
    assert ours == []
    assert {one.check for one in found.findings if one.level == "ok"} >= {
        *("database", "controller", "queue", "disk", "mirrors", "routes", "credentials", "lockdown"),
        *("project web", f"task web/{host.running.name}", "setup hooks and receipt", "vault opens"),
    }
    again = host.look(fix=True)
    assert (again.mended, again.failed) == ([], [])
