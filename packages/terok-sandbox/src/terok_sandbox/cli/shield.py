"""Handlers of the verbs about the wall of one container."""

from __future__ import annotations

import sys
from collections import deque
from typing import Any

from terok_util.commands.output import show, show_row
from terok_util.text import safe_text

from terok_sandbox.sandbox.shield import Shield
from terok_sandbox.shield.errors import NotInForce
from terok_sandbox.values.posture import Posture


def status(*, name: str, as_json: bool) -> int:
    """Print posture, enforcement and live verdicts; 69 when the container runs and its shield does not reply."""
    state = Shield(name).state()
    notes = "" if state.running else " (not running)"
    notes += "" if state.attended else f" (nobody attends to it: run `terok-sandbox supervisor redo {name}`)"
    notes += "" if state.kept else " (not written down: a restart may undo it; free some disk space)"
    lines = [f"{name}: {state.posture}, {state.enforcement}, {state.rules} rules{notes}"]
    for verdict in state.verdicts:
        until = f" until {verdict['expires']}" if verdict["expires"] else ""
        lines.append(f"  {verdict['verdict']} {verdict['target']}{until} {verdict['reason']}".rstrip())
    show(state, as_json, lines)
    return 0 if state.attended else NotInForce.exit_code


def up(*, name: str, as_json: bool) -> None:
    """Enforce the policy."""
    _shield(name).up()
    _show_posture(name, "up", as_json)


def down(*, name: str, disengage: bool, as_json: bool) -> None:
    """Let through what no rule decides, or everything."""
    _shield(name).down(disengage=disengage)
    _show_posture(name, "disengaged" if disengage else "down", as_json)


def quarantine(*, name: str, as_json: bool) -> None:
    """End every connection and let nothing out."""
    _shield(name).quarantine()
    _show_posture(name, "quarantine", as_json)


def reset(*, name: str, as_json: bool) -> None:
    """Drop live verdicts and raise the wall."""
    _shield(name).reset()
    _show_posture(name, "up", as_json, ", without live verdicts")


def _show_posture(name: str, posture: Posture, as_json: bool, note: str = "") -> None:
    show({"container": name, "posture": posture}, as_json, f"{name}: {posture}{note}")


def allow(*, name: str, target: str, as_json: bool, **terms: Any) -> None:
    """Open a target."""
    show(_shield(name).allow(target, **terms), as_json, f"{name}: allow {target}")


def deny(*, name: str, target: str, as_json: bool, **terms: Any) -> None:
    """Close a target; `terms` are minutes and reason."""
    show(_shield(name).deny(target, **terms), as_json, f"{name}: deny {target}")


def revoke(*, name: str, target: str, as_json: bool) -> None:
    """Take a verdict back."""
    _shield(name).revoke(target)
    show({"target": target}, as_json, f"{name}: no verdict about {target} any more")


def rules(*, name: str, as_json: bool) -> None:
    """Print the policy in force, tier by tier."""
    rows = [{"tier": rule.tier, "line": rule.line} for rule in Shield(name).policy.rules]
    show(rows, as_json, (f"{row['tier']:<15} {row['line']}" for row in rows))


def preview(*, name: str, posture: Posture | None, as_json: bool = False) -> None:
    """Print the nft table of the next start."""
    from terok_sandbox.netns.host_addresses import host_addresses
    from terok_sandbox.shield.ruleset.render import render

    shield = Shield(name)
    posture = posture or shield.live.posture
    ruleset = render(shield.policy, host_addresses=host_addresses(), posture=posture)
    show({"posture": posture, "ruleset": ruleset}, as_json, ruleset.expandtabs(4).splitlines())


def resolve(*, name: str, host: str, as_json: bool) -> int:
    """Print a name's addresses with a decision each; 1 when the name is closed."""
    answer = Shield(name).resolve(host)
    lines = [f"{host}: {answer['verdict']}: {answer['reason']}"]
    lines += [f"  {row['address']}: {row['verdict']}: {row['reason']}" for row in answer["addresses"]]
    show(answer, as_json, lines)
    return 0 if answer["verdict"] == "allow" else 1


def logs(*, name: str, tail: int, as_json: bool) -> None:
    """Print the newest rows of the audit log."""
    from terok_sandbox.audit import read_audit

    for row in deque(read_audit(Shield(name).audit_path), maxlen=max(1, tail)):
        _show_audit_row(row, as_json)


def watch(*, name: str, as_json: bool) -> None:
    """Print rows as they are written, until interrupted or the container is removed."""
    from terok_sandbox.audit import follow_audit

    for row in follow_audit(Shield(name).audit_path):
        _show_audit_row(row, as_json)


def _show_audit_row(row: dict[str, Any], as_json: bool) -> None:
    where = " ".join(str(row[key]) for key in ("name", "dest", "target", "posture") if row.get(key))
    port = f":{row['port']}" if row.get("port") else ""
    show_row(row, as_json, f"{row.get('time', '')} {row.get('action')} {where}{port} {row.get('reason', '')}")


def _shield(name: str) -> Shield:
    return Shield(name, warn=lambda text: print(safe_text(f"warning: {text}"), file=sys.stderr))
