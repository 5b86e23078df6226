"""Verdicts for a whole project: policy lines beside the sandbox's state, added to later launches.

They are written by the front end of a person, never by a gateway: what a container can reach must not decide what the
project's next container may do.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

from terok_util import FileLock, TerokError, ensure_dir, write_sensitive_file

from terok_sandbox.clearance.errors import ClearanceError
from terok_sandbox.clearance.model import ClearanceRequest, Target, Verdict
from terok_sandbox.config import SandboxConfig
from terok_sandbox.sidecar import PolicyTiers, Sidecar
from terok_sandbox.values.names import PLAIN_HINT, is_plain

MAX_LINES: Final = 500
_LOCK_TIMEOUT: Final = 5.0


def verdicts_path(config: SandboxConfig, scope: str) -> Path:
    """Return the file of project `scope`; raises `ClearanceError` for an invalid name."""
    if not is_plain(scope):
        raise ClearanceError(f"invalid project name {scope[:80]!r}", hint=PLAIN_HINT)
    return config.state_dir / "verdicts" / f"{scope}.policy"


def remember_for_project(config: SandboxConfig, scope: str, target: Target, verdict: Verdict) -> None:
    """Put `verdict` into the lines of project `scope`, replacing one about the target; raises `ClearanceError`."""
    from terok_sandbox.shield.live_store import LiveVerdict  # with the grammar, which listing does not need
    from terok_sandbox.shield.policy import parse_tier

    path = verdicts_path(config, scope)
    line = LiveVerdict(str(target), verdict.action, reason=verdict.reason).line
    try:
        parse_tier([line], "project_allow", source=str(path))
        ensure_dir(path.parent)
        with FileLock(path.with_suffix(".lock"), timeout=_LOCK_TIMEOUT):
            lines = read_project_verdicts(config, scope)
            others = [other for other in lines if other.split()[1:2] != [str(target)]]
            if len(others) >= MAX_LINES:
                raise ClearanceError(f"{path}: {MAX_LINES} lines already", hint="use wildcards in the project's policy")
            write_sensitive_file(path, "".join(f"{each}\n" for each in [*others, line]))
    except (OSError, TerokError) as error:
        raise ClearanceError(f"{path}: {error}", hint="the verdict holds for this container only") from error


def remember_decision(config: SandboxConfig, request: ClearanceRequest, verdict: Verdict) -> None:
    """Keep a verdict for the project, which the sidecar names and no gateway; raises `ClearanceError`."""
    if verdict.duration == "project":
        scope = Sidecar.load(config.sidecar_path(request.container)).scope
        remember_for_project(config, scope, request.target, verdict)


def read_project_verdicts(config: SandboxConfig, scope: str) -> tuple[str, ...]:
    """Return the policy lines of project `scope`; raises `ClearanceError` when they cannot be read."""
    try:
        text = verdicts_path(config, scope).read_text(encoding="utf-8")
    except FileNotFoundError:
        return ()
    except (OSError, UnicodeError) as error:
        raise ClearanceError(f"{verdicts_path(config, scope)}: {error}") from error
    return tuple(line for line in text.splitlines() if line.strip())


def with_project_verdicts(config: SandboxConfig, scope: str, tiers: PolicyTiers) -> PolicyTiers:
    """Return `tiers` with the project's verdicts in the tier of the project; raises `PolicyError` naming the file."""
    lines = read_project_verdicts(config, scope) if scope else ()
    if not lines:
        return tiers
    from terok_sandbox.shield.policy import parse_tier

    parse_tier(lines, "project_allow", source=str(verdicts_path(config, scope)))
    return replace(tiers, project_allow=(*tiers.project_allow, *lines))
