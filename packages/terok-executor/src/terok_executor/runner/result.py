"""The result of a run: exit code, commits in the gate, blocked destinations, requests to the vault."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from terok_util import safe_text

from terok_executor.integrations.sandbox import (
    SandboxConfig,
    SandboxError,
    audit_logs,
    pusher,
    read_audit,
    read_usage,
    run_git,
)
from terok_executor.launch.task_files import RunRecord
from terok_executor.runner.delivery import Delivery

MAX_BRANCHES = 100
WIP = "terok/wip/"
"""Beginning of the branches that the start script makes for work on no branch."""
MAX_COMMITS = 200
MAX_BLOCKED = 500
SHOWN_BLOCKED = 10


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit that arrived in the gate."""

    id: str
    branch: str
    subject: str


@dataclass(frozen=True, slots=True)
class BlockedDestination:
    """A destination that was refused, how often, and why."""

    destination: str
    port: int | None
    protocol: str
    name: str
    reason: str
    count: int
    first: str


@dataclass(frozen=True, slots=True)
class VaultUse:
    """Requests to the vault, those it refused, and the upstream's answers by status.

    `unreached` counts requests without a complete answer by provider and reason, see vault-proxy.md.
    """

    requests: int
    refused: int
    responses: Mapping[str, int]
    unreached: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TokenUse:
    """Usage that the provider reported during the run; it may be `estimated` at least in part.

    `cost_usd` is what the price list says; None if that does not say it for all, or a plan pays for some of it.
    """

    requests: int = 0
    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0
    cost_usd: float | None = 0.0
    estimated: bool = False


@dataclass(frozen=True, slots=True)
class RunResult:
    """The outcome of one headless run; `duration` is in seconds, `gate` the mirror's path."""

    container: str
    agent: str
    provider: str
    exit_code: int
    timed_out: bool
    duration: float
    branch: str
    gate: str
    commits: tuple[Commit, ...]
    blocked: tuple[BlockedDestination, ...]
    vault: VaultUse
    usage: TokenUse
    delivery: Delivery

    def troubles(self) -> Iterator[str]:
        """Yield what a person should know beside the exit code: work left behind, what was not reached or refused."""
        if not self.delivery.complete:
            yield f"not all of its work is in the gate: {self.delivery.words()}"
        for provider, reasons in self.vault.unreached.items():
            causes = ", ".join(f"{reason} ({count}x)" for reason, count in reasons.items())
            yield f"provider {provider} was not reached, or broke off: {causes}"
        for blocked in self.blocked[:SHOWN_BLOCKED]:
            port = f":{blocked.port}" if blocked.port is not None else ""
            where = f"{blocked.name or blocked.destination}{port}"
            yield f"blocked {where} ({blocked.count}x): {blocked.reason or 'not allowed'}"
        if len(self.blocked) > SHOWN_BLOCKED:
            yield f"… and {len(self.blocked) - SHOWN_BLOCKED} more blocked destinations"


def collect_result(
    config: SandboxConfig,
    record: RunRecord,
    heads: Mapping[str, str],
    *,
    exit_code: int,
    timed_out: bool,
    duration: float,
    delivery: Delivery,
) -> RunResult:
    """Return the result, from the gate's present branches (`heads`) and the audit logs."""
    logs = audit_logs(config, record.container)
    mirror = config.gate_base_path / f"{record.scope}.git" if record.scope else None
    return RunResult(
        container=record.container,
        agent=record.agent,
        provider=record.provider,
        exit_code=exit_code,
        timed_out=timed_out,
        duration=round(duration, 3),
        branch=record.branch,
        gate=str(mirror or ""),
        commits=new_commits(mirror, record, heads) if mirror is not None else (),
        blocked=blocked_destinations(_rows(logs["shield"])),
        vault=vault_use(_rows(logs["vault"])),
        usage=token_use(
            row
            for path in sorted(config.usage_dir.glob(f"*/{record.container}.jsonl"))
            for row in read_usage(path)
            if _text(row, "time")[:19] >= record.started[:19]
        ),
        delivery=delivery,
    )


def new_commits(mirror: Path, record: RunRecord, after: Mapping[str, str]) -> tuple[Commit, ...]:
    """Return the commits that the container has pushed, oldest first, at most 200 each of at most 100 branches.

    Each counts once, on the run's own branch if it is there. The gate's reflogs say which container moved a branch.
    What others have pushed before does not count, also where this one has built on it.
    """
    me, since = pusher(record.container), datetime.fromisoformat(record.started).timestamp()
    named = sorted(after, key=lambda branch: (branch != record.branch, branch.startswith(WIP), branch))
    moved = [branch for branch in named if record.heads.get(branch) != after[branch]][:MAX_BRANCHES]
    pushes = {branch: _pushes(mirror, branch) for branch in moved}
    others = [push for rows in pushes.values() for push in rows if push.who != me]
    commits: dict[str, Commit] = {}
    for branch, rows in pushes.items():
        last = next((push for push in rows if push.who == me and push.time >= since), None)
        if last is None:
            continue
        known = {*record.heads.values(), *(push.tip for push in others if push.time < last.time)}
        words = ("--reverse", f"--max-count={MAX_COMMITS}", "--format=%H %s", "--ignore-missing", "--stdin")
        tips = "".join(f"{tip}\n" for tip in (last.tip, *(f"^{tip}" for tip in sorted(known))))
        text = run_git("log", *words, git_dir=mirror, input=tips.encode()).text
        for line in text.splitlines():
            commit, _, subject = line.partition(" ")
            commits.setdefault(commit, Commit(commit, safe_text(branch, limit=200), safe_text(subject, limit=200)))
    return tuple(commits.values())


@dataclass(frozen=True, slots=True)
class _Push:
    """A move of a branch: its tip after it, when (seconds since the epoch), and who pushed."""

    tip: str
    time: int
    who: str


def _pushes(mirror: Path, branch: str) -> list[_Push]:
    """Return the last moves of a branch, newest first."""
    words = ("-g", f"--max-count={MAX_COMMITS}", "--date=unix", "--format=%H %gd %ge", f"refs/heads/{branch}", "--")
    rows = re.findall(r"^([0-9a-f]+) .*@\{(\d+)\} (.*)$", run_git("log", *words, git_dir=mirror).text, re.MULTILINE)
    return [_Push(tip, int(time), who) for tip, time, who in rows]


def blocked_destinations(rows: Iterable[Mapping[str, Any]]) -> tuple[BlockedDestination, ...]:
    """Fold the shield's `blocked` and `refused` rows by destination, in order of first sight."""
    firsts: dict[tuple[str, int | None, str, str], Mapping[str, Any]] = {}
    counts: Counter[tuple[str, int | None, str, str]] = Counter()
    for row in rows:
        if row.get("action") not in ("blocked", "refused"):
            continue
        port = row.get("port")
        key = (_text(row, "dest"), port if isinstance(port, int) else None, _text(row, "proto"), _text(row, "name"))
        if key not in firsts and len(firsts) >= MAX_BLOCKED:
            continue
        firsts.setdefault(key, row)
        counts[key] += 1
    return tuple(
        BlockedDestination(*key, reason=_text(row, "reason"), count=counts[key], first=_text(row, "time"))
        for key, row in firsts.items()
    )


def vault_use(rows: Iterable[Mapping[str, Any]]) -> VaultUse:
    """Count the vault's `request` and `response` rows."""
    requests = refused = 0
    responses: Counter[str] = Counter()
    unreached: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        if row.get("action") == "request":
            requests += 1
            refused += row.get("verdict") != "released"
        elif row.get("action") == "response":
            responses[str(row.get("status"))] += 1
            if (reason := _text(row, "outcome")).startswith("upstream_"):
                unreached[_text(row, "provider")][reason] += 1
    return VaultUse(requests, refused, dict(responses), {name: dict(counts) for name, counts in unreached.items()})


def token_use(rows: Iterable[Mapping[str, Any]]) -> TokenUse:
    """Add up the rows of a usage journal."""
    sums = dict.fromkeys(("requests", "input", "output", "cache_read", "cache_write", "cost_nano"), 0)
    estimated, known = False, True
    for row in rows:
        for key in sums:
            value = row.get(key, 1 if key == "requests" else 0)
            sums[key] += value if isinstance(value, int) else 0
        kept = row.get("cache_write_1h")
        sums["cache_write"] += kept if isinstance(kept, int) else 0
        estimated = estimated or bool(row.get("estimated"))
        known = known and not row.get("price_assumed") and row.get("billing") != "plan"
    cost = round(sums.pop("cost_nano") / 1e9, 6)
    return TokenUse(**sums, cost_usd=cost if known else None, estimated=estimated)


def _rows(path: Path) -> Iterable[Mapping[str, Any]]:
    with suppress(OSError, SandboxError):
        yield from read_audit(path)


def _text(row: Mapping[str, Any], key: str) -> str:
    value = row.get(key)
    return safe_text(str(value), limit=300) if value is not None else ""
