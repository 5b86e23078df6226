# ruff: noqa: T201 - what these print is their output
"""The verbs about the wall of one container."""

from __future__ import annotations

import json
from collections import deque
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from terok_util.text import safe_text

from terok_sandbox.audit import follow_audit, read_audit
from terok_sandbox.config import SandboxConfig
from terok_sandbox.errors import ShieldError
from terok_sandbox.netns.host_addresses import host_addresses
from terok_sandbox.shield.control_client import ShieldNotRunning, ask
from terok_sandbox.shield.errors import PolicyError
from terok_sandbox.shield.live_store import LIVE_FILE, LiveState, load_live, save_live, settle_live
from terok_sandbox.shield.policy import Policy
from terok_sandbox.shield.ruleset import Posture, render
from terok_sandbox.sidecar import Sidecar

_MAX_MINUTES: Final = 60 * 24 * 366


def policy_of(name: str) -> tuple[Sidecar, Policy, LiveState]:
    """Return sidecar, policy in force and live state of a container, running or not."""
    config = SandboxConfig.load()
    path = config.sidecar_path(name)
    if not path.exists():
        raise ShieldError(f"there is no sandboxed container {name}", hint="see `terok-sandbox list`")
    sidecar = Sidecar.load(path)
    live, now = load_live(sidecar.gateway_dir / LIVE_FILE), datetime.now(UTC)
    rules = [one.rule() for one in live.verdicts if one.live(now)]
    return sidecar, Policy.from_tiers(sidecar.shield.tiers).with_live(rules), live


def status(*, name: str, as_json: bool) -> None:
    """Print posture, enforcement and live verdicts."""
    sidecar, policy, live = policy_of(name)
    try:
        answer = ask(sidecar.runtime_dir, "status") | {"running": True}
    except ShieldNotRunning:
        answer = {
            "container": name,
            "enforcement": sidecar.shield.enforcement,
            "posture": live.posture,
            "rules": len(policy.rules),
            "verdicts": [one.as_json() for one in live.verdicts],
            "running": False,
        }
    if as_json:
        print(json.dumps(answer))
        return
    running = "" if answer["running"] else " (not running)"
    print(f"{name}: {answer['posture']}, {answer['enforcement']}, {answer['rules']} rules{running}")
    for verdict in answer["verdicts"]:
        until = f" until {verdict['expires']}" if verdict["expires"] else ""
        print(safe_text(f"  {verdict['verdict']} {verdict['target']}{until} {verdict['reason']}".rstrip()))


def up(*, name: str, as_json: bool) -> None:
    """Enforce the policy."""
    _posture(name, "up", as_json)


def down(*, name: str, disengage: bool, as_json: bool) -> None:
    """Let through what no rule decides, or everything."""
    _posture(name, "disengaged" if disengage else "down", as_json)


def quarantine(*, name: str, as_json: bool) -> None:
    """End every connection and let nothing out."""
    _posture(name, "quarantine", as_json)


def _posture(name: str, posture: Posture, as_json: bool) -> None:
    """Change the posture; of a container that does not run, what its next start restores."""
    sidecar, _, live = policy_of(name)
    _settle(sidecar, replace(live, posture=posture), "posture", posture=posture)
    _done({"container": name, "posture": posture}, f"{name}: {posture}", as_json)


def reset(*, name: str, as_json: bool) -> None:
    """Drop live verdicts and raise the wall."""
    _settle(policy_of(name)[0], LiveState(), "reset")
    _done({"container": name, "posture": "up"}, f"{name}: up, without live verdicts", as_json)


def _settle(sidecar: Sidecar, state: LiveState, verb: str, **fields: Any) -> None:
    """Ask a running shield, else write *state* for the next start, and ask again: it may have started meanwhile."""
    try:
        ask(sidecar.runtime_dir, verb, **fields)
    except ShieldNotRunning:
        save_live(sidecar.gateway_dir / LIVE_FILE, state)
        settle_live(sidecar.gateway_dir / LIVE_FILE)
        with suppress(ShieldNotRunning):
            ask(sidecar.runtime_dir, verb, **fields)


def allow(*, name: str, target: str, minutes: float | None, reason: str, as_json: bool) -> None:
    """Open a target."""
    _verdict("allow", name, target, minutes, reason, as_json)


def deny(*, name: str, target: str, minutes: float | None, reason: str, as_json: bool) -> None:
    """Close a target."""
    _verdict("deny", name, target, minutes, reason, as_json)


def _verdict(verb: str, name: str, target: str, minutes: float | None, reason: str, as_json: bool) -> None:
    fields: dict[str, Any] = {"target": target, "reason": reason}
    if minutes is not None:
        if not 0 < minutes <= _MAX_MINUTES:
            raise PolicyError(f"--for {minutes:g}: a time of more than 0 minutes and at most a year is expected")
        fields["expires"] = (datetime.now(UTC) + timedelta(minutes=minutes)).isoformat()
        fields["scope"] = "minutes"
    answer = ask(policy_of(name)[0].runtime_dir, verb, **fields)
    _done(answer["verdict"], f"{name}: {verb} {safe_text(target)}", as_json)


def revoke(*, name: str, target: str, as_json: bool) -> None:
    """Take a verdict back."""
    ask(policy_of(name)[0].runtime_dir, "revoke", target=target)
    _done({"target": target}, f"{name}: no verdict about {safe_text(target)} any more", as_json)


def rules(*, name: str, as_json: bool) -> None:
    """Print the policy in force, tier by tier."""
    _, policy, _ = policy_of(name)
    rows = [{"tier": rule.tier, "line": rule.line} for rule in policy.rules]
    if as_json:
        print(json.dumps(rows))
        return
    for row in rows:
        print(safe_text(f"{row['tier']:<15} {row['line']}"))


def preview(*, name: str, posture: Posture | None) -> None:
    """Print the nft table of the next start."""
    _, policy, live = policy_of(name)
    print(render(policy, host_addresses=host_addresses(), posture=posture or live.posture), end="")


def resolve(*, name: str, host: str, as_json: bool) -> int:
    """Print a name's addresses with their verdicts; 1 when the name is closed."""
    answer = ask(policy_of(name)[0].runtime_dir, "resolve", name=host)
    if as_json:
        print(json.dumps(answer))
    else:
        print(safe_text(f"{host}: {answer['verdict']}: {answer['reason']}"))
        for one in answer["addresses"]:
            print(safe_text(f"  {one['address']}: {one['verdict']}: {one['reason']}"))
    return 0 if answer["verdict"] == "allow" else 1


def logs(*, name: str, lines: int, as_json: bool) -> None:
    """Print the newest rows of the audit log."""
    for row in deque(read_audit(policy_of(name)[0].shield.audit_path), maxlen=max(1, lines)):
        _show(row, as_json)


def watch(*, name: str, as_json: bool) -> None:
    """Print rows as they are written, until interrupted or the container is removed."""
    for row in follow_audit(policy_of(name)[0].shield.audit_path):
        _show(row, as_json)


def _show(row: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps(row), flush=True)
        return
    where = " ".join(str(row[key]) for key in ("name", "dest", "target", "posture") if row.get(key))
    port = f":{row['port']}" if row.get("port") else ""
    print(safe_text(f"{row.get('time', '')} {row.get('action')} {where}{port} {row.get('reason', '')}"), flush=True)


def _done(answer: dict[str, Any], text: str, as_json: bool) -> None:
    print(json.dumps(answer) if as_json else text)
