"""The verbs about the wall of one container."""

from __future__ import annotations

import json
import sys
from collections import deque
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from terok_util.text import safe_text

from terok_sandbox.sandbox.shield import Shield
from terok_sandbox.shield.errors import NotInForce

if TYPE_CHECKING:
    from terok_sandbox.values.posture import Posture


def status(*, name: str, as_json: bool) -> int:
    """Print posture, enforcement and live verdicts; 69 when the container runs and its shield does not answer."""
    state = Shield(name).state()
    if as_json:
        print(json.dumps(asdict(state)))
        return NotInForce.exit_code if not state.attended else 0
    notes = "" if state.running else " (not running)"
    notes += "" if state.attended else f" (nobody attends to it: run `terok-sandbox supervisor redo {name}`)"
    notes += "" if state.kept else " (not written down: a restart may undo it; free some disk space)"
    print(f"{name}: {state.posture}, {state.enforcement}, {state.rules} rules{notes}")
    for verdict in state.verdicts:
        until = f" until {verdict['expires']}" if verdict["expires"] else ""
        print(safe_text(f"  {verdict['verdict']} {verdict['target']}{until} {verdict['reason']}".rstrip()))
    return NotInForce.exit_code if not state.attended else 0


def up(*, name: str, as_json: bool) -> None:
    """Enforce the policy."""
    _wall(name).up()
    _posture(name, "up", as_json)


def down(*, name: str, disengage: bool, as_json: bool) -> None:
    """Let through what no rule decides, or everything."""
    _wall(name).down(disengage=disengage)
    _posture(name, "disengaged" if disengage else "down", as_json)


def quarantine(*, name: str, as_json: bool) -> None:
    """End every connection and let nothing out."""
    _wall(name).quarantine()
    _posture(name, "quarantine", as_json)


def _posture(name: str, posture: Posture, as_json: bool) -> None:
    _done({"container": name, "posture": posture}, f"{name}: {posture}", as_json)


def reset(*, name: str, as_json: bool) -> None:
    """Drop live verdicts and raise the wall."""
    _wall(name).reset()
    _done({"container": name, "posture": "up"}, f"{name}: up, without live verdicts", as_json)


def allow(*, name: str, target: str, minutes: float | None, reason: str, as_json: bool) -> None:
    """Open a target."""
    verdict = _wall(name).allow(target, minutes=minutes, reason=reason)
    _done(verdict, f"{name}: allow {safe_text(target)}", as_json)


def deny(*, name: str, target: str, minutes: float | None, reason: str, as_json: bool) -> None:
    """Close a target."""
    verdict = _wall(name).deny(target, minutes=minutes, reason=reason)
    _done(verdict, f"{name}: deny {safe_text(target)}", as_json)


def revoke(*, name: str, target: str, as_json: bool) -> None:
    """Take a verdict back."""
    _wall(name).revoke(target)
    _done({"target": target}, f"{name}: no verdict about {safe_text(target)} any more", as_json)


def rules(*, name: str, as_json: bool) -> None:
    """Print the policy in force, tier by tier."""
    rows = [{"tier": rule.tier, "line": rule.line} for rule in Shield(name).policy.rules]
    if as_json:
        print(json.dumps(rows))
        return
    for row in rows:
        print(safe_text(f"{row['tier']:<15} {row['line']}"))


def preview(*, name: str, posture: Posture | None, as_json: bool = False) -> None:
    """Print the nft table of the next start."""
    from terok_sandbox.netns.host_addresses import host_addresses
    from terok_sandbox.shield.ruleset.render import render

    shield = Shield(name)
    shown = posture or shield.live.posture
    text = render(shield.policy, host_addresses=host_addresses(), posture=shown)
    if as_json:
        print(json.dumps({"posture": shown, "ruleset": text}))
    else:
        print(text, end="")


def resolve(*, name: str, host: str, as_json: bool) -> int:
    """Print a name's addresses with their verdicts; 1 when the name is closed."""
    answer = Shield(name).resolve(host)
    if as_json:
        print(json.dumps(answer))
    else:
        print(safe_text(f"{host}: {answer['verdict']}: {answer['reason']}"))
        for one in answer["addresses"]:
            print(safe_text(f"  {one['address']}: {one['verdict']}: {one['reason']}"))
    return 0 if answer["verdict"] == "allow" else 1


def logs(*, name: str, tail: int, as_json: bool) -> None:
    """Print the newest rows of the audit log."""
    from terok_sandbox.audit import read_audit

    for row in deque(read_audit(Shield(name).audit_path), maxlen=max(1, tail)):
        _show(row, as_json)


def watch(*, name: str, as_json: bool) -> None:
    """Print rows as they are written, until interrupted or the container is removed."""
    from terok_sandbox.audit import follow_audit

    for row in follow_audit(Shield(name).audit_path):
        _show(row, as_json)


def _show(row: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps(row), flush=True)
        return
    where = " ".join(str(row[key]) for key in ("name", "dest", "target", "posture") if row.get(key))
    port = f":{row['port']}" if row.get("port") else ""
    print(safe_text(f"{row.get('time', '')} {row.get('action')} {where}{port} {row.get('reason', '')}"), flush=True)


def _wall(name: str) -> Shield:
    return Shield(name, warn=lambda text: print(safe_text(f"warning: {text}"), file=sys.stderr))


def _done(answer: dict[str, Any], text: str, as_json: bool) -> None:
    print(json.dumps(answer) if as_json else text)
