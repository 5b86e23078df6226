"""Handlers of the verbs that take a branch from review to upstream."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from terok_util import TerokError, show
from terok_util.text import safe_text

from terok_sandbox.gate.errors import GateError
from terok_sandbox.gate.layout import base_directory, list_mirrors, mirror_path

if TYPE_CHECKING:
    from terok_sandbox.gate.inspect.report import Report
    from terok_sandbox.gate.new_work import NewWork
    from terok_sandbox.gate.review import ReviewedBranch

_PAGED: Final = 21
"""Lines from which on a pager is used."""
_AT_ONCE: Final = 500


def review(
    *, scope: str | None = None, branch: str | None = None, as_json: bool = False, sarif: str | None = None
) -> int:
    """List the branches with new work of one mirror or all, or show one branch completely and record that."""
    base = base_directory()
    if scope is None or branch is None:
        if sarif is not None:
            hint = f"terok-sandbox gate review {scope or 'SCOPE'} BRANCH"
            raise GateError("a SARIF report is about one branch", hint=hint)
        return _list_work(scope, base, as_json=as_json)
    from terok_sandbox.gate.review import record_review, review_branch

    mirror = mirror_path(base, scope)
    seen = review_branch(mirror, branch)
    if sarif is not None:
        write_sarif(Path(sarif), seen.report)
    if as_json:
        show(review_document(seen), as_json, "")
    else:
        page_lines(_text(scope, seen).split("\n"))
    record_review(mirror, branch, seen)
    return 0


def promote(
    *,
    scope: str,
    branch: str,
    to: str | None = None,
    accept_flags: bool = False,
    pull_request: bool = False,
    base: str | None = None,
    title: str | None = None,
    as_json: bool = False,
) -> int:
    """Send a reviewed branch upstream, and open a pull request for it if asked to."""
    from terok_sandbox.config import SandboxConfig
    from terok_sandbox.gate import promotion
    from terok_sandbox.gate.mirror import Mirror
    from terok_sandbox.gate.pull_request import prepare
    from terok_sandbox.gate.secret_search import vault_patterns

    gate = Mirror.open(scope, base=base_directory())
    target = to or branch
    # The branch is not sent twice: a pull request that failed then can be asked for again.
    again = pull_request and promotion.is_promoted(gate, branch, target)
    if not again:
        promotion.check_reviewed(gate, branch, accept_flags=accept_flags)
    request = prepare(gate, branch, head=target, base=base, title=title) if pull_request else None
    if not again:
        secrets = vault_patterns(SandboxConfig.load(), interactive=True)
        target = promotion.promote(gate, branch, to=to, accept_flags=accept_flags, secrets=secrets)
    address = gate.source.address if gate.source else ""
    if not as_json:
        show("", as_json, f"{branch} is now {target} of {address}")
        sys.stdout.flush()  # a pull request may take a while
    opened = request.open() if request is not None else None
    document = {"branch": safe_text(branch), "target": safe_text(target), "upstream": safe_text(address)}
    show(document | {"sent": not again, "pull_request": opened}, as_json, [f"pull request {opened}"] if opened else [])
    return 0


def reject(*, scope: str, branch: str, note: str, as_json: bool = False) -> int:
    """Turn a branch down with a note that the agent sees."""
    from terok_sandbox.gate import promotion
    from terok_sandbox.gate.mirror import Mirror

    tip = promotion.reject(Mirror.open(scope, base=base_directory()), branch, note)
    text = f"{branch} is rejected at {tip[:12]}; the agent reads why with its next push"
    show({"branch": safe_text(branch), "tip": tip}, as_json, text)
    return 0


def report_unreadable(error: TerokError) -> None:
    """Tell the user, on standard error, about a mirror that cannot be read."""
    sys.stderr.write(safe_text(f"note: {error.message}{f'; {error.hint}' if error.hint else ''}") + "\n")


def _list_work(scope: str | None, base: Path, *, as_json: bool) -> int:
    from terok_sandbox.gate.new_work import new_work

    failed: list[GateError] = []
    work = []
    for name in [scope] if scope else [record.scope for record in list_mirrors(base, failed.append)]:
        try:
            work += [(name, item) for item in new_work(mirror_path(base, name))]
        except GateError as error:
            if scope:
                raise
            failed.append(error)
    for reason in failed:
        report_unreadable(reason)
    rows = [{"scope": name} | asdict(item) for name, item in work]
    show(rows, as_json, [_work_line(name, item) for name, item in work] or "no branch has new work")
    return 1 if failed else 0


def _work_line(scope: str, item: NewWork) -> str:
    flags = f"  {item.flags} findings" if item.flags else ""
    note = f"  ({safe_text(item.note, limit=80)})" if item.note else ""
    return f"{item.tip[:12]}  {item.state:8}  {item.commits:4} commits  {scope} {item.branch}{flags}{note}"


def _text(scope: str, seen: ReviewedBranch) -> str:
    from terok_sandbox.gate.inspect.report import describe
    from terok_sandbox.gate.review import MAX_COMMITS

    shown = seen.review
    lines = [f"branch {shown.branch} of {scope} at {shown.tip}", ""]
    for commit in shown.commits:
        lines.append(f"{commit.oid[:12]}  {commit.date}  {commit.author}  {commit.subject}")
        lines += [f"{'':12}  ! {remark}" for remark in commit.remarks]
    if len(shown.commits) == MAX_COMMITS:
        lines.append(f"(the newest {MAX_COMMITS} are listed)")
    if not shown.commits:
        lines.append("no commits of its own")
    for title, findings in (("refused by policy", seen.report.refused), ("to look at", seen.report.flagged)):
        if findings:
            lines += ["", f"{title}:", *(f"  {finding.rule}: {describe(finding)}" for finding in findings)]
    return "\n".join([*lines, "", shown.diffstat, shown.patch])


def review_document(seen: ReviewedBranch) -> dict[str, Any]:
    """Return a review as it is printed with `--json`; all of its text is safe."""
    from terok_sandbox.gate.inspect.policy import RULES

    def findings(found: tuple[Any, ...]) -> list[dict[str, Any]]:
        rows = [asdict(finding) | {"title": RULES[finding.rule].title} for finding in found]
        return [row | {name: safe_text(row[name]) for name in ("path", "detail")} for row in rows]

    return asdict(seen.review) | {"refused": findings(seen.report.refused), "flagged": findings(seen.report.flagged)}


def write_sarif(path: Path, report: Report) -> None:
    """Write the findings of a review to a file."""
    from terok_util import atomic_write

    from terok_sandbox.gate.inspect.report import to_sarif
    from terok_sandbox.version import VERSION

    atomic_write(path.absolute(), json.dumps(to_sarif(report, version=VERSION), indent=1) + "\n")


def page_lines(lines: Iterable[str]) -> None:
    """Print lines as they come, through the person's pager if they are many and this is a terminal.

    They are safe to print as they are.
    """
    from terok_util import process

    rest = iter(lines)
    first = list(islice(rest, _PAGED))
    pager = shlex.split(os.environ.get("PAGER") or "less")
    if sys.stdout.isatty() and len(first) == _PAGED and pager:
        try:
            child = process.spawn(pager, stdin=process.PIPE, env={"LESS": "-FRX", **os.environ, "LESSSECURE": "1"})
        except process.ProcessError:
            pass
        else:
            assert child.stdin is not None
            with suppress(BrokenPipeError), child.stdin as stream:  # the person has seen enough
                stream.writelines(text.encode() for text in _pages(first, rest))
            child.wait()
            return
    sys.stdout.writelines(_pages(first, rest))


def _pages(first: list[str], rest: Iterator[str]) -> Iterator[str]:
    """Yield lines many at a time, so that an unbuffered stream is not written to for each."""
    lines = first
    while lines:
        yield "\n".join([*lines, ""])
        lines = list(islice(rest, _AT_ONCE))
