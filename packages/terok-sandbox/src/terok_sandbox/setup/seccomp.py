"""The seccomp profiles as installed: derived from Podman's own, one file for every combination of opt-outs."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any, Final

from terok_util import TerokError, atomic_write, ensure_dir, read_file, remove_tree
from terok_util.sha256 import sha256

from terok_sandbox.config import SandboxConfig
from terok_sandbox.config.host_files import conf_path
from terok_sandbox.errors import PrerequisiteMissing, SetupError
from terok_sandbox.launch.seccomp import all_opt_outs, profile_name, tighten

INSTALLED: Final = (Path("/etc/containers/seccomp.json"), Path("/usr/share/containers/seccomp.json"))
"""Where Podman looks for its profile, first match wins."""
MAX_SIZE: Final = 4 * 1024 * 1024


def base_path() -> Path:
    """Return the profile Podman would use, but for `unconfined`; PrerequisiteMissing when there is none."""
    named = _configured(conf_path()) or _configured(Path("/etc/containers/containers.conf"))
    for path in ([named] if named else []) + list(INSTALLED):
        if path.is_file():
            return path
    raise PrerequisiteMissing(
        "Podman's seccomp profile is not installed", hint="install containers-common (with Podman's configuration)"
    )


def install_profiles(config: SandboxConfig) -> dict[str, str]:
    """Write every profile; returns the digests of base and profiles for the receipt."""
    profiles, digests = _expected()
    try:
        ensure_dir(config.seccomp_dir)
        for name, data in profiles.items():
            atomic_write(config.seccomp_dir / name, data, mode=0o600)
    except (OSError, TerokError) as error:
        raise SetupError(f"{config.seccomp_dir}: cannot write the seccomp profiles: {error}") from error
    return digests


def remove_profiles(config: SandboxConfig) -> bool:
    """Remove every profile; returns whether there were any."""
    existed = config.seccomp_dir.exists()
    remove_tree(config.seccomp_dir)
    return existed


def problem_with_profiles(config: SandboxConfig, inputs: object) -> str:
    """Return what distinguishes the profiles from those that the receipt's `inputs` list, empty if nothing does."""
    recorded = inputs if isinstance(inputs, dict) else {}
    for opt_outs in all_opt_outs():
        name = profile_name(opt_outs)
        try:
            digest = sha256((config.seccomp_dir / name).read_bytes()).hexdigest()
        except OSError:
            return "the seccomp profiles are not installed"
        if recorded.get(f"seccomp/{name}") != digest:
            return f"the seccomp profile {name} is not the one that setup wrote"
    return ""


def profiles_current(config: SandboxConfig) -> bool:
    """Tell whether setup would write the profiles that are installed; Podman's own may have been updated since."""
    profiles, _ = _expected()
    try:
        return all((config.seccomp_dir / name).read_text() == data for name, data in profiles.items())
    except OSError:
        return False


def _expected() -> tuple[dict[str, str], dict[str, str]]:
    base = _read(base_path())
    made = {profile_name(opt_outs): tighten(base, opt_outs) for opt_outs in all_opt_outs()}
    profiles = {name: json.dumps(profile, separators=(",", ":")) + "\n" for name, profile in made.items()}
    return profiles, {f"seccomp/{name}": sha256(data.encode()).hexdigest() for name, data in profiles.items()}


def _read(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(read_file(path, MAX_SIZE))
    except (OSError, ValueError, RecursionError) as error:
        raise SetupError(f"{path}: cannot be read: {' '.join(str(error).split())}", hint="correct the file") from error
    if not isinstance(document, dict):
        raise SetupError(f"{path}: not a seccomp profile", hint="correct the file")
    return document


def _configured(path: Path) -> Path | None:
    try:
        containers = tomllib.loads(path.read_text(encoding="utf-8")).get("containers")
    except (OSError, ValueError):
        return None
    named = containers.get("seccomp_profile") if isinstance(containers, dict) else None
    return Path(named) if isinstance(named, str) and named.startswith("/") else None
