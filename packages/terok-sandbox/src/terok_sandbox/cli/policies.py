"""Handlers of the verbs about policies: profiles, decisions without a packet, expectations, audit logs judged again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from terok_util.commands.output import show, show_row

from terok_sandbox.config import SandboxConfig
from terok_sandbox.shield.errors import PolicyError
from terok_sandbox.shield.explanation import explain
from terok_sandbox.shield.policy import Decision
from terok_sandbox.shield.wall import Destination, Wall

_VERDICTS = {"blocked": "deny", "refused": "deny", "allowed": "allow", "passed": "allow"}


def profiles(*, profile: str | None, as_json: bool) -> None:
    """List the profiles, or print the rules of one."""
    from terok_sandbox.shield.profiles import list_profiles, profile_lines

    config = SandboxConfig.load()
    if profile is not None:
        show((), False, profile_lines([profile], config.config_dir))
        return
    rows = list_profiles(config.config_dir)
    lines = (f"{row.name:<22} {row.summary} [{row.origin}{', ' + row.checked if row.checked else ''}]" for row in rows)
    show(rows, as_json, lines)


def check(*, target: str, container: str | None, policy: str | None, profiles: list[str] | None, as_json: bool) -> int:
    """Print the decision about a host."""
    destination = Destination.parse(target)
    decision = destination.judge(_wall(container, policy, profiles))
    show(_row(destination, decision), as_json, _text(destination, decision))
    return 0 if decision.allowed else 1


def _row(destination: Destination, decision: Decision) -> dict[str, Any]:
    fields = {"verdict": decision.verdict, "tier": decision.tier, "reason": decision.reason, "rule": decision.rule}
    return {"target": str(destination), **fields}


def _text(destination: Destination, decision: Decision) -> str:
    rule = f" ({decision.rule})" if decision.rule else ""
    return f"{destination}: {decision.verdict}: {decision.reason} [{decision.tier}]{rule}"


def why(*, target: str, container: str | None, as_json: bool = False, **by: Any) -> int:
    """Print the decision with every rule that is about the host, and the newest rows of the log."""
    destination, wall = Destination.parse(target), _wall(container, **by)
    found = explain(wall, destination, _audit_rows(container) if container is not None else ())
    lines = [_text(destination, found.decision)]
    for rule in found.rules:
        note = " (expired)" * rule.expired + " (another port)" * rule.other_port
        lines.append(f"  {rule.tier:<15} {rule.rule}{note}")
    lines += [f"  seen {row.get('time')} {row.get('action')} {row.get('reason', '')}" for row in found.seen]
    more = {"rules": [asdict(rule) for rule in found.rules], "seen": list(found.seen)}
    show({**_row(destination, found.decision), **more}, as_json, lines)
    return 0 if found.decision.allowed else 1


def test(*, file: str, as_json: bool = False) -> int:
    """Check a policy file's expectations; 1 when one does not come true."""
    from terok_sandbox.shield.policy_file import read_policy_file

    content = read_policy_file(file)
    total = len(content.expectations)
    if not total:
        raise PolicyError(f"{file}: holds no expectation", hint="write lines like: expect deny host.example.com:22")
    unmet = content.unmet()
    failed = [
        {"line": expected.line, "expected": expected.verdict, **_row(expected.destination, decision)}
        for expected, decision in unmet
    ]
    lines = [f"{file}:{expected.describe(decision)}" for expected, decision in unmet]
    lines.append(f"{total - len(unmet)} of {total} expectations hold")
    show({"expectations": total, "failed": failed}, as_json, lines)
    return 1 if unmet else 0


def replay(*, name: str, file: str, as_json: bool) -> None:
    """Print the destinations of an audit log that a changed policy decides otherwise."""
    from terok_sandbox.shield.policy_file import read_policy_file

    wall = Wall(read_policy_file(file).policy)
    for destination, (before, count) in _decided(_audit_rows(name)).items():
        after = destination.judge(wall)
        if after.verdict != before:
            row = {"target": str(destination), "was": before, "becomes": after.verdict, "count": count}
            text = f"{destination}: {before} → {after.verdict}: {after.reason} ({count} rows)"
            show_row(row | {"reason": after.reason}, as_json, text)


def _audit_rows(container: str) -> Iterator[dict[str, Any]]:
    from terok_sandbox.audit import read_audit
    from terok_sandbox.sandbox.shield import Shield

    return read_audit(Shield(container).audit_path)


def _decided(rows: Iterable[dict[str, Any]]) -> dict[Destination, tuple[str, int]]:
    decided: dict[Destination, tuple[str, int]] = {}
    for row in rows:
        verdict, port = _VERDICTS.get(str(row.get("action"))), row.get("port")
        host = row.get("name") or (row.get("dest") if port else None)
        if verdict and isinstance(host, str) and host and not _is_of_the_moment(row):
            protocol = row.get("proto") if row.get("proto") in ("tcp", "udp") else "tcp"
            destination = Destination(host, port, str(protocol))
            decided[destination] = (verdict, decided.get(destination, ("", 0))[1] + 1)
    return decided


def _is_of_the_moment(row: dict[str, Any]) -> bool:
    """Whether a row is a refusal by a rate, a TLS name or one address: the policy had allowed the name."""
    from terok_sandbox.shield.policy.grammar import TIERS

    by_rate = row.get("tier") == "egress" or (row.get("tier") in TIERS and str(row.get("rule")).startswith("+"))
    stripped = row.get("name") and row.get("dest") and not row.get("port")
    return row.get("action") == "refused" and bool(by_rate or stripped)


def _wall(container: str | None, policy: str | None, profiles: Sequence[str] | None) -> Wall:
    if sum(map(bool, (container, policy, profiles))) != 1:
        raise PolicyError("no policy to judge by", hint="give one of --container, --policy and --profile")
    if container:
        from terok_sandbox.sandbox.shield import Shield

        return Shield(container).wall
    from terok_sandbox.netns.host_addresses import host_addresses
    from terok_sandbox.shield.policy_file import parse_policy_file, read_policy_file
    from terok_sandbox.shield.profiles import profile_lines

    config = SandboxConfig.load()
    if policy:
        content = read_policy_file(policy)
    else:
        content = parse_policy_file("\n".join(profile_lines(profiles or (), config.config_dir)), "profile")
    return Wall(content.policy, enforcement=config.shield_mode, own=host_addresses())
