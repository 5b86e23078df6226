from __future__ import annotations

import json
import os
import socket
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terok_sandbox.cli import diagnosis, main
from terok_sandbox.config import SandboxConfig
from terok_sandbox.doctor.check import CheckVerdict, DoctorCheck, Finding, doctor_exit_code, examine
from terok_sandbox.doctor.containers import container_checks, judge_answer
from terok_sandbox.doctor.host import judge_landlock, judge_limits, judge_podman, key_usage
from terok_sandbox.doctor.state import state_checks
from terok_sandbox.errors import EngineError
from terok_sandbox.launch.resources import make_sidecar
from terok_sandbox.launch.spec import RunSpec, Wiring
from terok_sandbox.launch.supervision import FakeSupervisor
from terok_sandbox.runtime.fake import FAKE_FACTS, FakeRuntime
from terok_sandbox.runtime.protocol import ExecResult
from terok_sandbox.sandbox.listing import SandboxRow
from terok_sandbox.sandbox.sandbox import Sandbox
from terok_sandbox.shield.live_store import LiveState, save_live
from terok_sandbox.sidecar import GateWiring
from terok_sandbox.supervise import client
from terok_sandbox.supervise.janitor import GRACE
from terok_sandbox.values.posture import LIVE_FILE
from terok_sandbox.vault_addr import SSH_SOCKET

BAD = CheckVerdict("warn", "", fixable=True)
SPEC = RunSpec(
    container_name="box",
    image="localhost/app",
    wiring=Wiring(gate=GateWiring.for_token(Path("/m.git"), "proj", "token"), vault=False),
)
ROW = SandboxRow("box", "running", supervised=True, image="localhost/app", scope="", id="1")


@pytest.fixture
def config(tmp_path: Path) -> SandboxConfig:
    dirs = {name: tmp_path / name[0] for name in ("state_dir", "runtime_dir", "config_dir", "vault_dir")}
    return SandboxConfig(**dirs)  # type: ignore[arg-type]


def verdicts(findings: list[Finding]) -> dict[str, str]:
    return {finding.check.label: finding.verdict.severity for finding in findings}


@given(st.lists(st.text(max_size=60)), st.integers(0, 5))
def test_any_key_table_is_read(lines: list[str], uid: int) -> None:
    share = key_usage(lines, uid)
    assert share is None or share >= 0


def test_key_table() -> None:
    table = ["    0:   120 119/119 71/1000000 1482/25000000", " 1001:     9 9/9 190/200 100/20000"]
    assert key_usage(table, 1001) == 0.95
    assert key_usage(table, 7) is None


def test_limits() -> None:
    assert judge_limits(FAKE_FACTS).severity == "ok"
    verdict = judge_limits(replace(FAKE_FACTS, controllers=frozenset({"pids"})))
    assert (verdict.severity, "cpu, memory" in verdict.detail) == ("warn", True)


def test_podmans_own_remedy_is_taken_only_when_podman_names_it() -> None:
    lost = 'invalid internal status, try resetting the pause process with "podman system migrate": cannot re-exec'
    found = [judge_podman(error) for error in (None, EngineError(lost), EngineError("no space left"))]
    assert [(one.severity, one.fixable) for one in found] == [("ok", False), ("error", True), ("error", False)]
    assert found[2].detail == "no space left"


def test_landlock_is_judged_by_what_it_covers() -> None:
    assert [judge_landlock(abi).severity for abi in (0, 3, 6, 7)] == ["warn", "warn", "ok", "ok"]
    assert "not supported" in judge_landlock(0).detail


@pytest.mark.parametrize(
    ("code", "out", "severity"),
    [(0, "HTTP", "ok"), (0, "", "error"), (1, "", "error"), (142, "x", "error"), (127, "", "ok")],
)
def test_an_answer_counts_and_a_connection_does_not(code: int, out: str, severity: str) -> None:
    assert judge_answer(code, out, "HTTP").severity == severity


def test_services_are_asked_inside_as_the_sidecar_wires_them(
    config: SandboxConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = FakeRuntime(images={"localhost/app": {}})
    Sandbox(config, runtime=runtime, supervision=FakeSupervisor()).run(SPEC)
    asked = []

    def answer(container: str, command: object) -> ExecResult:
        asked.append((container, command))
        return ExecResult(0, "\x1bAB", "")

    runtime.on_exec = answer
    workers = {"broker": {"pid": 7, "confined": "Landlock"}}
    monkeypatch.setattr(client, "status", lambda config, name: {"workers": workers})
    findings = examine(container_checks(config, ROW), runtime=runtime, container="box")
    expected = {"supervised": "ok", "names at 127.0.0.1:53": "ok", "gate at 127.0.0.1:9418": "error", "posture": "ok"}
    assert verdicts(findings) == expected
    assert [container for container, _ in asked] == ["box", "box"]
    assert doctor_exit_code(findings) == 2
    runtime.failures["exec"] = "database is locked"
    findings = examine(container_checks(config, ROW._replace(supervised=False)), runtime=runtime, container="box")
    assert verdicts(findings).pop("posture") == "ok"
    assert {severity for label, severity in verdicts(findings).items() if label != "posture"} == {"error"}
    assert findings[0].as_dict()["fix"] == ["terok-sandbox", "supervisor", "redo", "box"]


def test_a_worker_that_is_away_and_a_wall_that_is_not_up_are_told(
    config: SandboxConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = FakeRuntime(images={"localhost/app": {}})
    Sandbox(config, runtime=runtime, supervision=FakeSupervisor()).run(SPEC)
    monkeypatch.setattr(client, "status", lambda config, name: {"workers": {"gateway": {"pid": 0, "confined": ""}}})
    save_live(config.gateway_dir("box") / LIVE_FILE, LiveState("disengaged"))
    found = verdicts(examine(container_checks(config, ROW), runtime=runtime, container="box"))
    assert (found["supervised"], found["posture"]) == ("warn", "warn")


def test_an_ssh_agent_is_asked_for_its_keys(config: SandboxConfig) -> None:
    spec = replace(SPEC, wiring=Wiring(vault=True, ssh_scope="proj"))
    Sandbox(config, runtime=FakeRuntime(images={"localhost/app": {}}), supervision=FakeSupervisor()).run(spec)
    check = next(c for c in container_checks(config, ROW) if c.label == "SSH agent")
    assert examine([check])[0].verdict.severity == "error"
    with socket.socket(socket.AF_UNIX) as agent:
        agent.bind(str(config.guest_dir("box") / SSH_SOCKET))
        agent.listen()
        for answer, severity in ((b"\0\0\0\5\x0c\0\0\0\0", "ok"), (b"\0\0\0\1\5", "error")):

            def serve(answer: bytes = answer) -> None:
                with agent.accept()[0] as client:
                    assert client.recv(100) == b"\0\0\0\1\x0b"
                    client.sendall(answer)

            serving = threading.Thread(target=serve)
            serving.start()
            assert examine([check])[0].verdict.severity == severity
            serving.join()


def test_remains_of_a_container_are_swept_after_an_hour(config: SandboxConfig) -> None:
    path = config.sidecar_path("box")
    path.parent.mkdir(parents=True)
    make_sidecar(config, SPEC).save(path)
    check = next(c for c in state_checks(config, [ROW._replace(state="missing")]) if c.category == "files")
    assert examine([check])[0].verdict.severity == "ok"
    old = path.stat().st_mtime - GRACE - 1
    os.utime(path, (old, old))
    finding = examine([check])[0]
    assert (finding.verdict.severity, finding.verdict.fixable) == ("warn", True)
    assert "box" in finding.verdict.detail
    assert finding.as_dict()["fix"] == ["terok-sandbox", "supervisor", "sweep"]
    assert not [c for c in state_checks(config, None) if c.category == "files"], "Podman did not say that it is gone"
    kept = next(c for c in state_checks(config, [ROW]) if c.category == "files")
    assert examine([kept])[0].verdict.severity == "ok"


def test_a_host_that_is_not_set_up_names_the_command(config: SandboxConfig) -> None:
    finding = next(f for f in examine(state_checks(config, [])) if f.check.label == "hooks and receipt")
    assert (finding.verdict.severity, finding.verdict.fixable) == ("error", True)
    assert finding.verdict.hint == "run `terok-sandbox setup`"


def test_a_host_probe_that_cannot_run_is_a_finding() -> None:
    check = DoctorCheck(
        category="host", label="x", probe_cmd=("/no/such/program",), evaluate=lambda *_: CheckVerdict("ok", "")
    )
    assert examine([check])[0].verdict.severity == "error"
    echo = replace(check, probe_cmd=("echo", "hello"), evaluate=lambda code, out, err: CheckVerdict("warn", out))
    assert examine([echo])[0].verdict.detail.strip() == "hello"
    inside = replace(echo, host_side=False)
    assert examine([inside])[0].verdict.severity == "warn"


def test_directories_that_cannot_be_used_are_a_finding(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TEROK_ROOT", "relative")
    monkeypatch.setattr(diagnosis, "host_checks", lambda facts, answer: [])
    assert main(["doctor", "--json"]) == 2
    (check,) = json.loads(capsys.readouterr().out)["checks"]
    assert (check["label"], "TEROK_ROOT" in check["detail"]) == ("configuration", True)


def test_a_repair_runs_no_program_of_the_current_directory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("terok_sandbox", "json"):
        (tmp_path / f"{name}.py").write_text("open('ran', 'w')\n")
    monkeypatch.chdir(tmp_path)
    check = DoctorCheck(category="host", label="x", evaluate=lambda *_: BAD, fix_cmd=("terok-sandbox", "--version"))
    monkeypatch.setattr(diagnosis, "diagnose", lambda: examine([check]))
    assert main(["doctor", "--fix"]) == 1
    assert "ended with" not in capsys.readouterr().err
    assert not (tmp_path / "ran").exists()


def test_the_verb(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    mended = tmp_path / "mended"

    def judge(*_: object) -> CheckVerdict:
        return (
            CheckVerdict("ok", "") if mended.exists() else CheckVerdict("warn", "a\x1b[31mb", "touch it", fixable=True)
        )

    check = DoctorCheck(category="host", label="x", evaluate=judge, fix_cmd=("touch", str(mended)))
    monkeypatch.setattr(diagnosis, "diagnose", lambda: examine([check]))
    assert main(["doctor"]) == 1
    assert "\x1b" not in capsys.readouterr().out
    assert main(["doctor", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["checks"][0]["label"] == "x"
    assert main(["doctor", "--fix", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["checks"][0]["severity"] == "ok"
