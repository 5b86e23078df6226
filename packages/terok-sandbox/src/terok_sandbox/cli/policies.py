"""The verbs about policies: profiles, verdicts without a packet, expectations, and audit logs judged again."""

from __future__ import annotations

import json
from collections import deque
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from terok_util.text import safe_text

from terok_sandbox.config import SandboxConfig
from terok_sandbox.shield.errors import PolicyError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from terok_sandbox.shield.policy import Decision
    from terok_sandbox.shield.wall import Destination, Wall

_RECENT = 5
_VERDICTS = {"blocked": "deny", "refused": "deny", "allowed": "allow", "passed": "allow"}


def profiles(*, profile: str | None, as_json: bool) -> None:
    """List the profiles, or print the rules of one."""
    from terok_sandbox.shield.profiles import list_profiles, profile_lines

    config = SandboxConfig.load()
    if profile is not None:
        for line in profile_lines([profile], config.config_dir):
            print(safe_text(line))
        return
    found = list_profiles(config.config_dir)
    if as_json:
        print(json.dumps([one.as_json() for one in found]))
        return
    for one in found:
        print(safe_text(f"{one.name:<22} {one.summary} [{one.origin}{', ' + one.checked if one.checked else ''}]"))


def check(*, target: str, container: str | None, policy: str | None, profiles: list[str] | None, as_json: bool) -> int:
    """Print the verdict on a host."""
    from terok_sandbox.shield.wall import Destination

    destination = Destination.parse(target)
    return _tell(destination, destination.judge(_wall(container, policy, profiles)), as_json)


def _tell(destination: Destination, decision: Decision, as_json: bool) -> int:
    if as_json:
        print(json.dumps(_as_json(destination, decision)))
    else:
        rule = f" ({decision.rule})" if decision.rule else ""
        print(safe_text(f"{destination}: {decision.verdict}: {decision.reason} [{decision.tier}]{rule}"))
    return 0 if decision.allowed else 1


def _as_json(destination: Destination, decision: Decision) -> dict[str, Any]:
    fields = {"verdict": decision.verdict, "tier": decision.tier, "reason": decision.reason, "rule": decision.rule}
    return {"target": str(destination), **fields}


def why(
    *, target: str, container: str | None, policy: str | None, profiles: list[str] | None, as_json: bool = False
) -> int:
    """Print the verdict with every rule that is about the host, and the newest rows of the log."""
    from terok_sandbox.shield.wall import Destination

    destination, now, wall = Destination.parse(target), datetime.now(UTC), _wall(container, policy, profiles)
    matching = []
    for rule in wall.policy.matching(destination.host):
        covers = any(service.covers(destination.protocol, destination.port or 0) for service in rule.services)
        matching.append({"tier": rule.tier, "rule": rule.line, "expired": not rule.live(now), "other_port": not covers})
    rows = _log(container) if container is not None else ()
    seen = list(deque((row for row in rows if destination.host in (row.get("name"), row.get("dest"))), maxlen=_RECENT))
    if as_json:
        decision = destination.judge(wall)
        print(json.dumps({**_as_json(destination, decision), "rules": matching, "seen": seen}))
        return 0 if decision.allowed else 1
    code = _tell(destination, destination.judge(wall), as_json=False)
    for one in matching:
        note = " (expired)" * bool(one["expired"]) + " (another port)" * bool(one["other_port"])
        print(safe_text(f"  {one['tier']:<15} {one['rule']}{note}"))
    for row in seen:
        print(safe_text(f"  seen {row.get('time')} {row.get('action')} {row.get('reason', '')}"))
    return code


def test(*, file: str, as_json: bool = False) -> int:
    """Check a policy file's expectations; 1 when one does not come true."""
    from terok_sandbox.shield.policy_file import read_policy_file

    found = read_policy_file(file)
    if not found.expectations:
        raise PolicyError(f"{file}: holds no expectation", hint="write lines like: expect deny host.example.com:22")
    unmet = found.unmet()
    if as_json:
        lines = [{"line": one.line, "expected": one.verdict, **_as_json(one.destination, is_)} for one, is_ in unmet]
        print(json.dumps({"expectations": len(found.expectations), "failed": lines}))
        return 1 if unmet else 0
    for one, decision in unmet:
        text = f"{file}:{one.line}: {one.destination} is {decision.verdict}, not {one.verdict}: {decision.reason}"
        print(safe_text(text))
    print(f"{len(found.expectations) - len(unmet)} of {len(found.expectations)} expectations hold")
    return 1 if unmet else 0


def replay(*, name: str, file: str, as_json: bool) -> None:
    """Print the destinations of an audit log whose verdict a changed policy turns round."""
    from terok_sandbox.shield.policy_file import read_policy_file
    from terok_sandbox.shield.wall import Wall

    wall = Wall(read_policy_file(file).policy)
    for destination, (before, count) in _decided(_log(name)).items():
        after = destination.judge(wall)
        if after.verdict == before:
            continue
        if as_json:
            row = {"target": str(destination), "was": before, "becomes": after.verdict, "count": count}
            print(json.dumps(row | {"reason": after.reason}))
        else:
            print(safe_text(f"{destination}: {before} → {after.verdict}: {after.reason} ({count} rows)"))


def _log(container: str) -> Iterator[dict[str, Any]]:
    from terok_sandbox.audit import read_audit
    from terok_sandbox.sandbox.shield import Shield

    return read_audit(Shield(container).audit_path)


def _decided(rows: Any) -> dict[Destination, tuple[str, int]]:
    from terok_sandbox.shield.wall import Destination

    found: dict[Destination, tuple[str, int]] = {}
    for row in rows:
        verdict, port = _VERDICTS.get(row.get("action")), row.get("port")
        host = row.get("name") or (row.get("dest") if port else None)
        if verdict and isinstance(host, str) and host and not _of_the_moment(row):
            proto = row.get("proto") if row.get("proto") in ("tcp", "udp") else "tcp"
            one = Destination(host, port, str(proto))
            found[one] = (verdict, found.get(one, ("", 0))[1] + 1)
    return found


def _of_the_moment(row: dict[str, Any]) -> bool:
    """Whether a row is a refusal by a rate, a TLS name or one address: the policy had allowed the name."""
    from terok_sandbox.shield.policy.grammar import TIERS

    by_rate = row.get("tier") == "egress" or (row.get("tier") in TIERS and str(row.get("rule")).startswith("+"))
    stripped = row.get("name") and row.get("dest") and not row.get("port")
    return row.get("action") == "refused" and bool(by_rate or stripped)


def _wall(container: str | None, file: str | None, names: Sequence[str] | None) -> Wall:
    if sum(map(bool, (container, file, names))) != 1:
        raise PolicyError("nothing to judge by", hint="give one of --container, --policy and --profile")
    if container:
        from terok_sandbox.sandbox.shield import Shield

        return Shield(container).wall
    from terok_sandbox.netns.host_addresses import host_addresses
    from terok_sandbox.shield.policy_file import parse_policy_file, read_policy_file
    from terok_sandbox.shield.profiles import profile_lines
    from terok_sandbox.shield.wall import Wall

    config = SandboxConfig.load()
    if file:
        policy = read_policy_file(file).policy
    else:
        policy = parse_policy_file("\n".join(profile_lines(names or (), config.config_dir)), "profile").policy
    return Wall(policy, enforcement=config.shield_mode, own=host_addresses())
