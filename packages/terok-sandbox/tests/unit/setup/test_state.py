from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terok_sandbox.config import SandboxConfig
from terok_sandbox.config.host_files import conf_path
from terok_sandbox.errors import PrerequisiteMissing, SetupDowngrade, SetupError, SetupRequired, VaultError
from terok_sandbox.setup import prerequisites, seccomp, stages
from terok_sandbox.setup.containers_conf import remove_hook_dir
from terok_sandbox.setup.hooks import DESCRIPTOR, PROGRAM, SCRIPT, hook_python, hook_source
from terok_sandbox.setup.prerequisites import Prerequisite, subid_count
from terok_sandbox.setup.state import check_setup, refuse_downgrade
from terok_sandbox.supervise import client
from terok_sandbox.version import VERSION


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SandboxConfig:
    monkeypatch.setenv("CONTAINERS_CONF", str(tmp_path / "containers.conf"))
    base = tmp_path / "seccomp.json"
    base.write_text(json.dumps({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": []}))
    monkeypatch.setattr(seccomp, "INSTALLED", (base,))
    monkeypatch.setattr(stages, "check_prerequisites", lambda: [Prerequisite("podman", ok=True, detail="")])
    monkeypatch.setattr(stages, "_provision_vault", lambda config, tier: "a vault")
    monkeypatch.setattr(stages, "_set_up_services", lambda config: "services")
    monkeypatch.setattr(stages, "learn_redirects", lambda config: "nothing")
    dirs = {name: tmp_path / name for name in ("state_dir", "runtime_dir", "config_dir", "vault_dir")}
    return SandboxConfig(**dirs)  # type: ignore[arg-type]


@pytest.fixture
def lines() -> list[tuple[str, str]]:
    return []


def set_up(config: SandboxConfig) -> list[tuple[str, str]]:
    lines: list[tuple[str, str]] = []
    stages.run_setup(config, lambda stage, outcome: lines.append((stage, outcome)))
    return lines


def test_setup_check_and_uninstall(config: SandboxConfig) -> None:
    with pytest.raises(SetupRequired) as required:
        check_setup(config)
    assert required.value.exit_code == 3
    assert [stage for stage, _ in set_up(config)] == [
        "prerequisites",
        "hooks",
        "seccomp",
        "podman",
        "vault",
        "services",
        "notifier",
        "registries",
        "done",
    ]
    check_setup(config)
    before = {path: path.read_bytes() for path in (conf_path(), config.hooks_dir / DESCRIPTOR, config.receipt_path)}
    set_up(config)
    assert {path: path.read_bytes() for path in before} == before
    stages.run_uninstall(config, lambda stage, outcome: None)
    assert not conf_path().exists()
    assert not list(config.hooks_dir.iterdir())
    with pytest.raises(SetupRequired):
        check_setup(config)


@pytest.mark.parametrize("damage", ["script", "descriptor", "conf", "older", "no script", "profile", "python"])
def test_whatever_is_not_as_installed_needs_setup_again(config: SandboxConfig, damage: str) -> None:
    set_up(config)
    if damage == "script":
        (config.hooks_dir / SCRIPT).write_bytes(hook_source() + b"\n")
    elif damage == "no script":
        (config.hooks_dir / SCRIPT).unlink()
    elif damage == "python":
        (config.hooks_dir / PROGRAM).unlink()
        (config.hooks_dir / PROGRAM).symlink_to("/usr/bin/false")
    elif damage == "profile":
        (config.seccomp_dir / "nested.json").write_text("{}")
    elif damage == "descriptor":
        (config.hooks_dir / DESCRIPTOR).write_text("{}")
    elif damage == "conf":
        remove_hook_dir(conf_path(), config.hooks_dir)
    else:
        config.receipt_path.write_text(json.dumps({"version": "0.0.9"}))
    with pytest.raises(SetupRequired) as required:
        check_setup(config)
    assert required.value.hint == "run `terok-sandbox setup`"
    set_up(config)
    check_setup(config)


def test_a_file_that_podman_reads_later_does_not_take_the_hook_away(
    config: SandboxConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_up(config)
    later = tmp_path / "later.conf"
    later.write_text("[engine]\nhooks_dir = []\n")
    monkeypatch.setenv("CONTAINERS_CONF_OVERRIDE", str(later))
    for act in (check_setup, set_up):
        with pytest.raises(SetupRequired, match="takes the hook directory away") as required:
            act(config)
        assert required.value.hint and str(config.hooks_dir) in required.value.hint
    later.write_text(f"[engine]\nhooks_dir = ['{config.hooks_dir}']\n")
    check_setup(config)


@pytest.mark.parametrize("version", ["0.0.9", f"{VERSION}rc1", f"{VERSION}.dev3", f"{VERSION}+local.7", VERSION])
def test_a_candidate_is_no_newer_than_its_release(version: str) -> None:
    refuse_downgrade({"version": version})


def test_uninstall_leaves_no_container_that_could_start_without_its_firewall(
    config: SandboxConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_up(config)
    for name in ("box", "other"):
        config.ensure_container_dirs(name)
        config.sidecar_dir.mkdir(exist_ok=True)
        config.sidecar_path(name).write_text("{}")
    supervised = {"other"}

    def status(config: SandboxConfig, name: str) -> dict[str, bool]:
        if name not in supervised:
            raise client.NotRunningError("nobody listens")
        return {"prepared": True}

    monkeypatch.setattr(client, "status", status)
    with pytest.raises(SetupError, match="other still run"):
        stages.run_uninstall(config, lambda *_: None)
    check_setup(config)
    supervised.clear()
    stages.run_uninstall(config, lambda *_: None)
    assert not config.guest_dir("box").exists() and not config.guest_dir("other").exists()
    assert config.sidecar_path("box").exists()


def test_a_newer_setup_is_never_undone(config: SandboxConfig) -> None:
    set_up(config)
    config.receipt_path.write_text(json.dumps({"version": "99.0"}))
    for act in (check_setup, set_up, lambda config: stages.run_uninstall(config, lambda *_: None)):
        with pytest.raises(SetupDowngrade) as downgrade:
            act(config)
        assert downgrade.value.exit_code == 4
    assert (config.hooks_dir / SCRIPT).exists()


def test_an_interrupted_setup_counts_as_none(config: SandboxConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    set_up(config)

    def fail(config: SandboxConfig, tier: object) -> str:
        raise VaultError("no vault")

    monkeypatch.setattr(stages, "_provision_vault", fail)
    with pytest.raises(VaultError):
        set_up(config)
    with pytest.raises(SetupRequired):
        check_setup(config)


def test_uninstall_goes_on_after_a_failure(config: SandboxConfig) -> None:
    set_up(config)
    conf_path().write_text("[engine")
    with pytest.raises(Exception, match="cannot be read"):
        stages.run_uninstall(config, lambda stage, outcome: None)
    assert not list(config.hooks_dir.iterdir())


@given(
    st.recursive(st.none() | st.text() | st.integers(), lambda inner: st.dictionaries(st.text(), inner), max_leaves=4)
)
def test_any_receipt_is_judged(tmp_path_factory: pytest.TempPathFactory, receipt: Any) -> None:
    base = tmp_path_factory.mktemp("any")
    config = SandboxConfig(state_dir=base, runtime_dir=base, config_dir=base, vault_dir=base)
    config.receipt_path.write_text(json.dumps(receipt))
    with pytest.raises((SetupRequired, SetupDowngrade)):
        check_setup(config)


def test_the_descriptor_is_what_podman_expects(config: SandboxConfig) -> None:
    set_up(config)
    document = json.loads((config.hooks_dir / DESCRIPTOR).read_text())
    assert document["stages"] == ["createRuntime"]
    assert document["when"] == {"annotations": {"^terok\\.sandbox\\.sidecar$": ".+"}}
    program = Path(document["hook"]["path"])
    assert (program.name, str(program.readlink())) == ("terok-sandbox-hook", hook_python())
    words = [str(program), *document["hook"]["args"][1:]]
    for _ in range(2):  # the second time from what the first has compiled
        done = subprocess.run(words, input="nothing", capture_output=True, text=True, check=False)
        assert (done.returncode, "state document is not JSON" in done.stderr) == (1, True)
    assert list((config.hooks_dir / "__pycache__").glob("terok_sandbox_hook.*.pyc"))
    assert "/.venv/" not in hook_python()


def test_the_version_is_the_package_s() -> None:
    import tomllib

    project = Path(__file__).parents[3] / "pyproject.toml"
    assert tomllib.loads(project.read_text())["project"]["version"] == VERSION


def test_missing_prerequisites_are_named_with_their_remedy() -> None:
    missing = Prerequisite("nft", ok=False, detail="not installed", hint="install nftables")
    with pytest.raises(PrerequisiteMissing) as error:
        stages.require([Prerequisite("init", ok=False, detail="", required=False), missing, missing])
    assert error.value.exit_code == 5
    assert error.value.hint == "install nftables"
    assert "and 1 more" in error.value.message


def test_old_or_mute_podman(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for said, ok in [("podman version 4.2.9", False), ("podman version 4.3.1", True), ("what?", False), ("", False)]:
        program = tmp_path / "podman"
        program.write_text(f"#!/bin/sh\necho '{said}'\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
        assert prerequisites._podman().ok is ok


def test_runtime_dir(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    assert not prerequisites._runtime_dir().ok
    for mode, ok in [(0o700, True), (0o755, False)]:
        tmp_path.chmod(mode)
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
        assert prerequisites._runtime_dir().ok is ok
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "none"))
    assert not prerequisites._runtime_dir().ok


def test_subordinate_ids() -> None:
    lines = ["me:100000:65536", "1001:1:5", "you:9:9", "# me:1:1", "me:x:y", "me:1", "", "me:1:²"]
    assert subid_count(lines, "me", 1001) == 65541
    assert subid_count(lines, "nobody", 7) == 0


@given(st.lists(st.text(max_size=30)))
def test_any_subid_file_is_counted(lines: list[str]) -> None:
    assert subid_count(lines, "me", 1001) >= 0
