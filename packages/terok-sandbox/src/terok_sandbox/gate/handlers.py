"""Handlers of the verbs that make, keep and remove mirrors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import timedelta
from pathlib import Path

from terok_util import show

from terok_sandbox.config import SandboxConfig
from terok_sandbox.gate.backups import backup_name, list_backups, prune_backups, restore_backup
from terok_sandbox.gate.errors import GateError
from terok_sandbox.gate.layout import (
    MirrorRecord,
    base_directory,
    list_mirrors,
    mirror_path,
    read_record,
    record_file,
    write_record,
)
from terok_sandbox.gate.mirror import GateSyncResult, Mirror
from terok_sandbox.gate.plan import PendingOp
from terok_sandbox.gate.review_handlers import report_unreadable
from terok_sandbox.gate.source import resolve_repo, scope_for


def list_gates(*, as_json: bool = False) -> int:
    """Print every mirror with its upstream."""
    base = base_directory()
    records = list_mirrors(base, report_unreadable)
    rows = [asdict(record) | {"path": mirror_path(base, record.scope)} for record in records]
    show(rows, as_json, (f"{record.scope}  {record.upstream or '(no upstream)'}" for record in records))
    return 0


def show_path(*, scope: str, as_json: bool = False) -> int:
    """Print the directory of a mirror."""
    path = _existing(scope)
    show({"path": path}, as_json, str(path))
    return 0


def add(
    *,
    repo: str,
    credential: str | None = None,
    ssh_agent: str | None = None,
    personal_ssh: bool = False,
    as_json: bool = False,
) -> int:
    """Make the mirror of a repository and print its name."""
    from terok_sandbox.gate.credentials import access_for

    scope = scope_for(repo)
    base = base_directory()
    mirror = mirror_path(base, scope)
    known = mirror.exists() and record_file(mirror).exists()
    record = read_record(mirror) if known else MirrorRecord(scope, resolve_repo(repo).address, None)
    record = _with_access(record, credential or None, ssh_agent or None, personal_ssh)
    gate = Mirror(
        scope, base=base, upstream=repo, default_branch=record.default_branch, access=access_for(record, base)
    )
    result = gate.sync()
    write_record(mirror, record)
    show({"scope": scope} | asdict(result), as_json, scope)
    return 0


def sync(*, scope: str, as_json: bool = False) -> int:
    """Sync a mirror and print what changed and what waits."""
    result = _open(scope).sync()
    show(result, as_json, _sync_lines(result))
    return 0 if result.success else 1


def branches(*, scope: str, as_json: bool = False) -> int:
    """Print the branches that containers see."""
    heads = dict(sorted(_open(scope).branch_heads().items()))
    show(heads, as_json, (f"{tip[:12]}  {branch}" for branch, tip in heads.items()))
    return 0


def ops(*, scope: str, as_json: bool = False) -> int:
    """Print what a sync did not do by itself."""
    pending = _open(scope).pending_ops()
    show(pending, as_json, map(_pending_line, pending) if pending else "nothing is pending")
    return 0


def apply(*, scope: str, branches: list[str], as_json: bool = False) -> int:
    """Carry out pending operations; the old tips are saved."""
    result = _open(scope).apply_pending_ops(branches or None)
    saved = [backup_name(backup) for backup in result.backups]
    lines = [f"applied  {branch}, saved as {name}" for branch, name in zip(result.applied, saved, strict=True)]
    lines += [f"error    {error}" for error in result.errors]
    document = {"applied": result.applied, "backups": saved, "errors": result.errors}
    show(document, as_json, lines or "nothing was pending")
    return 0 if result.success else 1


def backups(*, scope: str, as_json: bool = False) -> int:
    """List saved tips."""
    saved = list_backups(_existing(scope))
    show(saved, as_json, (f"{row.tip[:12]}  {row.saved:%Y-%m-%d %H:%M}  {row.name}" for row in saved))
    return 0


def restore(*, scope: str, name: str, to: str | None = None, as_json: bool = False) -> int:
    """Set a branch to a saved tip."""
    branch = restore_backup(_existing(scope), name, to)
    show({"restored": branch}, as_json, f"restored {branch}")
    return 0


def prune(*, scope: str, days: int = 30, as_json: bool = False) -> int:
    """Remove old backups."""
    removed = prune_backups(_existing(scope), timedelta(days=days))
    show([backup.name for backup in removed], as_json, f"removed {len(removed)} backups")
    return 0


def gc(*, scope: str, days: int = 30, as_json: bool = False) -> int:
    """Remove old saved tips and objects that no ref reaches."""
    from terok_sandbox.gate.disk import collect_garbage

    mirror = _existing(scope)
    removed = prune_backups(mirror, timedelta(days=days))
    before, after = collect_garbage(mirror, days)
    document = {"backups": len(removed), "bytes_before": before, "bytes_after": after}
    show(document, as_json, f"removed {len(removed)} backups; {before / 1e6:.1f} MB before, {after / 1e6:.1f} MB now")
    return 0


def remove(*, scope: str, force: bool = False, as_json: bool = False) -> int:
    """Remove a mirror that no container uses; new work only with `force`."""
    from terok_sandbox.gate.disk import disk_use, remove_mirror, users_of
    from terok_sandbox.gate.new_work import new_work

    mirror = mirror_path(base_directory(), scope)
    if users := users_of(mirror, SandboxConfig().sidecar_dir.glob("*.json")):
        raise GateError(
            f"containers use the mirror {scope} as their gate: {', '.join(users)}",
            hint="remove them first: terok-sandbox rm NAME",
        )
    if mirror.exists() and not force and (work := [row.branch for row in new_work(mirror)]):
        raise GateError(
            f"the mirror {scope} has work that the upstream lacks: {', '.join(work)[:500]}",
            hint=f"terok-sandbox gate review {scope}, or use --force",
        )
    freed = disk_use(mirror)
    remove_mirror(mirror)
    show({"removed": scope, "bytes": freed}, as_json, f"removed {scope}, {freed / 1e6:.1f} MB")
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
    """Print or change what happens to pushes in which a rule finds something."""
    from terok_sandbox.gate.inspect.policy import RULES, load_policy, save_policy

    mirror = _existing(scope)
    current = load_policy(mirror)
    if settings or exceptions or dropped or limits:
        chosen = dict(setting.partition("=")[::2] for setting in settings or [])
        given = dict(limit.partition("=")[::2] for limit in limits or [])
        numbers = {name: int(text) if text.isdecimal() else -1 for name, text in given.items()}
        current = current.changed(chosen, exceptions or [], dropped or [], numbers)
        save_policy(mirror, current)
    treatments = {rule.name: current.treatments.get(rule.name, rule.default) for rule in RULES.values()}
    lines = [f"{treatment:7} {name:18} {RULES[name].title}" for name, treatment in treatments.items()]
    lines += [f"except  {exception}" for exception in current.exceptions]
    lines += [f"limit   {name}={number}" for name, number in asdict(current.limits).items()]
    show({"verdicts": treatments, "exceptions": current.exceptions, "limits": current.limits}, as_json, lines)
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
    """Print or change how a mirror reaches its upstream."""
    mirror = _existing(scope)
    record = _with_access(read_record(mirror), credential, ssh_agent, personal_ssh)
    if forge is not None:
        from terok_sandbox.gate.pull_request import FORGES

        if forge not in FORGES:
            raise GateError(f"unknown kind of forge {forge!r}", hint=f"use one of {', '.join(FORGES)}")
        record = replace(record, forge=forge)
    write_record(mirror, record)
    agent = "your own ssh configuration" if record.personal_ssh else record.ssh_agent or "(none)"
    lines = (
        f"upstream    {record.upstream or '(none)'}",
        f"credential  {record.credential or '(none)'}",
        f"ssh         {agent}",
        f"forge       {record.forge or '(by its host)'}",
    )
    show(record, as_json, lines)
    return 0


def _with_access(
    record: MirrorRecord, credential: str | None, ssh_agent: str | None, personal_ssh: bool
) -> MirrorRecord:
    """Return a record with what is given; an empty text takes an earlier choice back."""
    if credential is not None:
        record = replace(record, credential=credential or None)
    if ssh_agent is not None:
        socket = str(Path(ssh_agent).absolute()) if ssh_agent else None
        record = replace(record, ssh_agent=socket, personal_ssh=False)
    return replace(record, ssh_agent=None, personal_ssh=True) if personal_ssh else record


def _sync_lines(result: GateSyncResult) -> Iterator[str]:
    yield from (f"updated  {branch}" for branch in result.applied)
    yield from map(_pending_line, result.pending)
    yield from (f"note     {note}" for note in result.notes)
    yield from (f"error    {error}" for error in result.errors)
    if not (result.applied or result.pending or result.errors):
        yield "nothing new"


def _pending_line(op: PendingOp) -> str:
    cost = "nothing is lost" if op.lossless else f"{op.gate_only_commits} commits leave the branch"
    return f"pending  {op.name}: {op.kind} ({op.reason}), {cost}"


def _open(scope: str) -> Mirror:
    return Mirror.open(scope, base=base_directory())


def _existing(scope: str) -> Path:
    mirror = mirror_path(base_directory(), scope)
    read_record(mirror)
    return mirror
