"""Is this host set up? The receipt of the last setup, and the check made before every launch."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

from terok_util import json_object, remembered

from terok_sandbox.config import SandboxConfig
from terok_sandbox.config.host_files import conf_path
from terok_sandbox.config.model import CACHE
from terok_sandbox.errors import SetupDowngrade, SetupRequired
from terok_sandbox.setup import containers_conf
from terok_sandbox.setup.containers_conf import later_files, names_hook_dir, read_conf
from terok_sandbox.setup.hooks import problem_with_hooks
from terok_sandbox.setup.seccomp import problem_with_profiles
from terok_sandbox.version import VERSION

HINT: Final = "run `terok-sandbox setup`"


def check_setup(config: SandboxConfig) -> None:
    """Raise SetupRequired unless the hooks of this version are in place, SetupDowngrade for those of a newer one."""
    receipt = read_receipt(config.receipt_path)
    if not receipt:
        raise SetupRequired("this host is not set up for sandboxed containers", hint=HINT)
    refuse_downgrade(receipt)
    if receipt.get("version") != VERSION:
        raise SetupRequired(f"this host is set up for version {receipt.get('version')}, this is {VERSION}", hint=HINT)
    if problem := problem_with_hooks(config):
        raise SetupRequired(problem, hint=HINT)
    if problem := problem_with_profiles(config, receipt.get("inputs")):
        raise SetupRequired(problem, hint=HINT)
    if missing := _remembered_problem(config):
        raise SetupRequired(missing[0], hint=missing[1])


def _remembered_problem(config: SandboxConfig) -> tuple[str, str] | None:
    """Return what `problem_with_hook_dir` does; reading TOML takes longer than the rest of the check."""
    path = conf_path()
    files = [path, *later_files(path)]
    sources = [("", str(config.hooks_dir).encode()), *((str(file), read_conf(file).encode()) for file in files)]
    kept = config.state_dir / CACHE / "hook-dir.json"
    code = [Path(containers_conf.__file__), Path(__file__)]
    problem: tuple[str, str] | None = remembered(
        kept, lambda: problem_with_hook_dir(files, config.hooks_dir), sources=sources, kinds={}, code=code
    )
    return problem


def problem_with_hook_dir(files: list[Path], directory: Path) -> tuple[str, str] | None:
    """Return why Podman does not search `directory`, and a hint; of its `files` a later one counts more."""
    path = files[0]
    if not names_hook_dir(path, directory):
        return f"{path} does not name the hook directory", HINT
    for later in files[1:]:
        if names_hook_dir(later, directory) is False:
            hint = f'add "{directory}" to engine.hooks_dir in it'
            return f"{later} takes the hook directory away from {path.name}", hint
    return None


def refuse_downgrade(receipt: dict[str, Any]) -> None:
    """Raise SetupDowngrade when `receipt` was written by a newer version than this."""
    installed = str(receipt.get("version", ""))
    if _numbers(installed) > _numbers(VERSION):
        raise SetupDowngrade(
            f"this host is set up by terok-sandbox {installed}, this is {VERSION}", hint="upgrade this installation"
        )


def read_receipt(path: Path) -> dict[str, Any]:
    """Return the receipt, empty if there is none or it is damaged: setup then has to run again."""
    try:
        return json_object(path.read_bytes()) or {}
    except OSError:
        return {}


def _numbers(version: str) -> tuple[int, ...]:
    """Return the numbers of a version, of a candidate for a release those of the release."""
    return tuple(int(part) for part in re.findall(r"\d{1,9}", re.split(r"[^0-9.]", version, maxsplit=1)[0])[:4])
