# ruff: noqa: T201 - what these print is their output
"""What the verbs of `gate` do."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from terok_util.text import safe_text

from terok_sandbox.gate.layout import base_directory, list_mirrors, mirror_path, read_record
from terok_sandbox.gate.mirror import Mirror
from terok_sandbox.gate.review_handlers import left_out

if TYPE_CHECKING:
    from terok_sandbox.gate.mirror import GateSyncResult
    from terok_sandbox.gate.plan import PendingOp


def list_gates(*, as_json: bool = False) -> int:
    """Print every mirror with its upstream."""
    base = base_directory()
    records = list_mirrors(base, left_out)
    if as_json:
        rows = [asdict(record) | {"path": str(mirror_path(base, record.scope))} for record in records]
        print(json.dumps(rows, indent=1))
        return 0
    for record in records:
        print(f"{record.scope}  {safe_text(record.upstream or '(no upstream)')}")
    return 0


def show_path(*, scope: str) -> int:
    """Print the directory of a mirror."""
    path = mirror_path(base_directory(), scope)
    read_record(path)
    print(path)
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
    from terok_sandbox.gate.access import access_for
    from terok_sandbox.gate.layout import MirrorRecord, record_file, write_record
    from terok_sandbox.gate.source import resolve_repo, scope_for

    scope = scope_for(repo)
    base = base_directory()
    mirror = mirror_path(base, scope)
    known = mirror.exists() and record_file(mirror).exists()
    wanted = read_record(mirror) if known else MirrorRecord(scope, resolve_repo(repo).address, None)
    if credential:
        wanted = replace(wanted, credential=credential)
    if ssh_agent:
        wanted = replace(wanted, ssh_agent=str(Path(ssh_agent).absolute()), personal_ssh=False)
    if personal_ssh:
        wanted = replace(wanted, ssh_agent=None, personal_ssh=True)
    access = access_for(wanted, base)
    result = Mirror(scope, base=base, upstream=repo, default_branch=wanted.default_branch, access=access).sync()
    write_record(mirror, wanted)
    print(json.dumps({"scope": scope} | _synced(result), indent=1) if as_json else scope)
    return 0


def sync(*, scope: str, as_json: bool = False) -> int:
    """Sync a mirror and print what changed and what waits."""
    result = Mirror.open(scope, base=base_directory()).sync()
    if as_json:
        print(json.dumps(_synced(result), indent=1))
        return 0 if result.success else 1
    for branch in result.applied:
        print(f"updated  {safe_text(branch)}")
    for op in result.pending:
        print(pending_line(op))
    for note in result.notes:
        print(f"note     {safe_text(note)}")
    for error in result.errors:
        print(f"error    {safe_text(error)}")
    if not (result.applied or result.pending or result.errors):
        print("nothing new")
    return 0 if result.success else 1


def _synced(result: GateSyncResult) -> dict[str, Any]:
    return asdict(result) | {"path": str(result.path), "upstream_url": result.upstream_url}


def branches(*, scope: str, as_json: bool = False) -> int:
    """Print the branches that containers see."""
    heads = Mirror.open(scope, base=base_directory()).branch_heads()
    if as_json:
        print(json.dumps(heads, indent=1, sort_keys=True))
        return 0
    for branch, tip in sorted(heads.items()):
        print(f"{tip[:12]}  {safe_text(branch)}")
    return 0


def pending_line(op: PendingOp) -> str:
    """Return a pending operation on one line."""
    cost = "nothing is lost" if op.lossless else f"{op.gate_only_commits} commits leave the branch"
    return f"pending  {safe_text(op.name)}: {op.kind} ({op.reason}), {cost}"
