"""Inspect commits: every path, link, submodule, attribute file and text that they bring."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from terok_sandbox.gate.errors import GitFailed
from terok_sandbox.gate.inspect.contents import InspectionStopped, PushedChanges, check_contents
from terok_sandbox.gate.inspect.objects import Objects, PushTooLarge
from terok_sandbox.gate.inspect.policy import Finding, InspectionPolicy
from terok_sandbox.gate.inspect.report import Findings, Report

_NO_MEMORY: Final = "ut of memory"  # git's last words begin with a letter of either case


def inspect_push(objects: Objects, tips: Iterable[str], policy: InspectionPolicy, tags: Iterable[str] = ()) -> Report:
    """Inspect all commits that `tips`, some of them named by `tags`, bring into a mirror; bounded by the policy."""
    wanted, tagged = sorted(set(tips)), sorted(set(tags))
    findings = Findings(policy)
    if not wanted:
        return findings.report(0)
    notes: list[str] = []
    if tagged:
        kinds = objects.kinds([*tagged, *(f"{tip}^{{commit}}" for tip in tagged)])
        for tip, kind in zip(tagged, kinds[len(tagged) :], strict=True):
            if kind != "commit":
                findings.refuse(Finding("ref-target", "", f"{tip[:12]} is not a commit"))
                return findings.report(0)
        notes = [tip for tip, kind in zip(tagged, kinds, strict=False) if kind == "tag"]
    return _inspect(objects, wanted, None, findings, notes)


def inspect_range(objects: Objects, tip: str, base: str | None, policy: InspectionPolicy) -> Report:
    """Inspect the commits that are in `tip` and not in `base` (None: all)."""
    return _inspect(objects, [tip], [base] if base else [], Findings(policy), [])


def _inspect(objects: Objects, tips: list[str], known: list[str] | None, findings: Findings, tags: list[str]) -> Report:
    limits = findings.policy.limits
    pushed = PushedChanges(findings, limits, objects.limits.memory)
    try:
        objects.new_commits(tips, known, pushed.add)
        if pushed.merges:
            objects.merges(pushed.merges, pushed.add_name)
        plain = not findings.refuses("path-name")
        check_contents(objects, pushed, tips if plain else [], tags, findings)
    except InspectionStopped:
        pass  # a finding refuses the push already, and the rest could cost any amount of work
    except PushTooLarge as error:
        findings.refuse(Finding("push-size", "", f"too many {error.message} for one push; push them in parts"))
    except GitFailed as error:
        if _NO_MEMORY not in error.message:
            raise
        most = objects.limits.memory // 1024 // 1024
        findings.refuse(Finding("push-size", "", f"git needs more than {most} MiB of memory to describe a commit"))
    return findings.report(len(pushed.commits))
