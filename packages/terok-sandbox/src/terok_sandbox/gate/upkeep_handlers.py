# ruff: noqa: T201 - what these print is their output
"""What the verbs do that keep a mirror: pending operations, backups, policy, access to the upstream."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from datetime import timedelta
from pathlib import Path

from terok_util.text import safe_text

from terok_sandbox.gate.backups import backup_name, list_backups, prune_backups, restore_backup
from terok_sandbox.gate.errors import GateError
from terok_sandbox.gate.handlers import pending_line
from terok_sandbox.gate.layout import base_directory, mirror_path, read_record, write_record
from terok_sandbox.gate.mirror import Mirror


def ops(*, scope: str, as_json: bool = False) -> int:
    """Print what a sync did not do by itself."""
    pending = Mirror.open(scope, base=base_directory()).pending_ops()
    if as_json:
        print(json.dumps([asdict(op) for op in pending], indent=1))
        return 0
    for op in pending:
        print(pending_line(op))
    if not pending:
        print("nothing is pending")
    return 0


def apply(*, scope: str, branches: list[str], as_json: bool = False) -> int:
    """Carry out pending operations; the old tips are saved."""
    result = Mirror.open(scope, base=base_directory()).apply_pending_ops(branches or None)
    if as_json:
        saved = [backup_name(backup) for backup in result.backups]
        print(json.dumps({"applied": result.applied, "backups": saved, "errors": result.errors}, indent=1))
        return 0 if result.success else 1
    for branch, backup in zip(result.applied, result.backups, strict=True):
        print(f"applied  {safe_text(branch)}, saved as {safe_text(backup_name(backup))}")
    for error in result.errors:
        print(f"error    {safe_text(error)}")
    if not (result.applied or result.errors):
        print("nothing was pending")
    return 0 if result.success else 1


def backups(*, scope: str, as_json: bool = False) -> int:
    """List saved tips."""
    found = list_backups(_mirror(scope))
    if as_json:
        print(json.dumps([asdict(backup) | {"saved": backup.saved.isoformat()} for backup in found], indent=1))
        return 0
    for backup in found:
        print(f"{backup.tip[:12]}  {backup.saved:%Y-%m-%d %H:%M}  {safe_text(backup.name)}")
    return 0


def restore(*, scope: str, name: str, to: str | None = None, as_json: bool = False) -> int:
    """Set a branch to a saved tip."""
    branch = restore_backup(_mirror(scope), name, to)
    print(json.dumps({"restored": branch}) if as_json else f"restored {safe_text(branch)}")
    return 0


def prune(*, scope: str, days: int = 30, as_json: bool = False) -> int:
    """Remove old backups."""
    if days < 0:
        raise GateError("the number of days is negative")
    removed = prune_backups(_mirror(scope), timedelta(days=days))
    if as_json:
        print(json.dumps([backup.name for backup in removed], indent=1))
    else:
        print(f"removed {len(removed)} backups")
    return 0


def gc(*, scope: str, days: int = 30, as_json: bool = False) -> int:
    """Remove old saved tips and what nothing reaches any more."""
    from terok_sandbox.gate.disk import collect_garbage

    if days < 0:
        raise GateError("the number of days is negative")
    mirror = _mirror(scope)
    removed = prune_backups(mirror, timedelta(days=days))
    before, after = collect_garbage(mirror, days)
    if as_json:
        print(json.dumps({"backups": len(removed), "bytes_before": before, "bytes_after": after}, indent=1))
    else:
        print(f"removed {len(removed)} backups; {before / 1e6:.1f} MB before, {after / 1e6:.1f} MB now")
    return 0


def remove(*, scope: str, force: bool = False, as_json: bool = False) -> int:
    """Remove a mirror that no container uses, with new work only if told to."""
    from terok_sandbox.config import SandboxConfig
    from terok_sandbox.gate.disk import disk_use, remove_mirror, users_of
    from terok_sandbox.gate.new_work import new_work

    mirror = mirror_path(base_directory(), scope)
    if users := users_of(mirror, SandboxConfig().sidecar_dir.glob("*.json")):
        raise GateError(
            f"containers have the mirror {scope} as their gate: {safe_text(', '.join(users))}",
            hint="remove them first: terok-sandbox rm NAME",
        )
    if mirror.exists() and not force:
        work = [item.branch for item in new_work(mirror)]
        if work:
            names = safe_text(", ".join(work), limit=500)
            raise GateError(
                f"the mirror {scope} has work that the upstream has not: {names}",
                hint=f"terok-sandbox gate review {scope}, or say --force",
            )
    freed = disk_use(mirror)
    remove_mirror(mirror)
    print(json.dumps({"removed": scope, "bytes": freed}) if as_json else f"removed {scope}, {freed / 1e6:.1f} MB")
    return 0


def policy(
    *,
    scope: str,
    settings: list[str] | None = None,
    exceptions: list[str] | None = None,
    dropped: list[str] | None = None,
    limits: list[str] | None = None,
    as_json: bool = False,
) -> int:
    """Print the rules of a mirror's inspection, or change what happens when one finds something."""
    from terok_sandbox.gate.inspect.policy import RULES, load_policy, save_policy

    mirror = _mirror(scope)
    current = load_policy(mirror)
    if settings or exceptions or dropped or limits:
        pairs = [setting.partition("=") for setting in settings or []]
        given = [limit.partition("=") for limit in limits or []]
        numbers = {name: int(number) if number.isdecimal() else -1 for name, _, number in given}
        current = current.changed(
            {rule: verdict for rule, _, verdict in pairs}, exceptions or [], dropped or [], numbers
        )
        save_policy(mirror, current)
    verdicts = {rule.name: current.verdicts.get(rule.name, rule.default) for rule in RULES.values()}
    if as_json:
        document = {"verdicts": verdicts, "exceptions": current.exceptions, "limits": asdict(current.limits)}
        print(json.dumps(document, indent=1))
        return 0
    for name, verdict in verdicts.items():
        print(f"{verdict:7} {name:18} {RULES[name].title}")
    for exception in current.exceptions:
        print(f"except  {safe_text(exception)}")
    for name, number in asdict(current.limits).items():
        print(f"limit   {name}={number}")
    return 0


def access(
    *,
    scope: str,
    credential: str | None = None,
    ssh_agent: str | None = None,
    personal_ssh: bool = False,
    forge: str | None = None,
    as_json: bool = False,
) -> int:
    """Print or change how the upstream of a mirror is spoken to."""
    mirror = _mirror(scope)
    record = read_record(mirror)
    if credential is not None:
        record = replace(record, credential=credential or None)
    if ssh_agent is not None:
        socket = str(Path(ssh_agent).absolute()) if ssh_agent else None
        record = replace(record, ssh_agent=socket, personal_ssh=False)
    if personal_ssh:
        record = replace(record, ssh_agent=None, personal_ssh=True)
    if forge is not None:
        record = replace(record, forge=forge)
    write_record(mirror, record)
    if as_json:
        print(json.dumps(asdict(record), indent=1))
        return 0
    print(f"upstream    {safe_text(record.upstream or '(none)')}")
    print(f"credential  {safe_text(record.credential or '(none)')}")
    agent = "your own ssh configuration" if record.personal_ssh else record.ssh_agent or "(none)"
    print(f"ssh         {safe_text(agent)}")
    print(f"forge       {safe_text(record.forge or '(by its host)')}")
    return 0


def _mirror(scope: str) -> Path:
    mirror = mirror_path(base_directory(), scope)
    read_record(mirror)
    return mirror
