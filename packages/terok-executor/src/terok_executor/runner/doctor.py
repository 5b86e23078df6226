"""Checks of an agent's container: no real key where it can read, its own tokens, and the vault's address."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from terok_util import FileError

from terok_executor.auth.leaks import scan_trees, vault_secrets
from terok_executor.integrations.sandbox import (
    LOOPBACK_VAULT_PORT,
    CheckVerdict,
    DoctorCheck,
    SandboxConfig,
    open_vault,
)
from terok_executor.launch.task_files import load_record
from terok_executor.paths import task_dir
from terok_executor.roster.roster import AgentRoster


def agent_doctor_checks(config: SandboxConfig, roster: AgentRoster, name: str) -> tuple[DoctorCheck, ...]:
    """Return the checks of one container: every mount of its task, its token and its provider's address."""
    record = load_record(task_dir(name))
    if record is None or record.agent not in roster.agents:
        return ()
    agent = roster.agents[record.agent]
    variables = sorted(set(agent.provider.token_env.values()))
    checks = [
        DoctorCheck(
            category="mount",
            label=str(root.relative_to(task_dir(name))),
            evaluate=lambda *_, root=root: _check_mount(root, config),
        )
        for root in mounts(task_dir(name))
    ]
    ask = ("sh", "-c", "; ".join(f'printf "%s\\n" "${{{variable}:-}}"' for variable in variables))
    return (
        *checks,
        _inside("token", ask, lambda out: _check_tokens(config, name, out)),
        _inside("provider address", ("printenv", "TEROK_BASE_URL"), check_address),
    )


def _inside(label: str, command: tuple[str, ...], check: Callable[[str], CheckVerdict]) -> DoctorCheck:
    """Return the check of what a command prints in the container."""
    return DoctorCheck(
        category="environment",
        label=label,
        probe_cmd=command,
        evaluate=lambda _code, out, _err: check(out),
        host_side=False,
    )


def mounts(directory: Path) -> list[Path]:
    """Return the host directories that a task's container can write into."""
    state = directory / "state"
    return [directory / "home", *(sorted(state.iterdir()) if state.is_dir() else ())]


def check_address(text: str) -> CheckVerdict:
    """Check that the provider's address in a container is the vault's."""
    expected = f"http://127.0.0.1:{LOOPBACK_VAULT_PORT}"
    if text.strip() == expected or text.strip().startswith(expected + "/"):
        return CheckVerdict("ok", "the vault")
    return CheckVerdict("error", f"not the vault: {text.strip()[:80] or 'none'}", hint="start a new container")


def _check_mount(root: Path, config: SandboxConfig) -> CheckVerdict:
    try:
        leaks = dict.fromkeys(leak.path for leak in scan_trees(vault_secrets(config), [root]))
    except FileError as error:
        return CheckVerdict("error", error.message, hint="stop the container and look again")
    if not leaks:
        return CheckVerdict("ok", "no real key in it")
    named = ", ".join(str(Path(path).relative_to(root)) for path in list(leaks)[:5])
    return CheckVerdict("error", f"a real key is in {named}", hint="remove the file and revoke the key")


def _check_tokens(config: SandboxConfig, name: str, out: str) -> CheckVerdict:
    words = [line.strip() for line in out.splitlines() if line.strip()]
    if not words:
        return CheckVerdict("error", "the container has no token", hint="start a new container")
    with open_vault(config) as vault:
        rows = [vault.lookup(word) for word in words]
    if any(row is None or row.container != name for row in rows):
        return CheckVerdict("error", "a token is not this container's own", hint="start a new container")
    return CheckVerdict("ok", "a phantom of this container")
