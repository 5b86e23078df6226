"""`terok demo`: the handler."""

from __future__ import annotations

import json as json_format
import os
import sys

from terok.demo.checks import judge
from terok.demo.report import as_json, transcript
from terok.demo.run import run_demo
from terok.demo.stage import DemoOptions


def demo(agent: str, live: bool, base: str | None, keep: bool, json: bool) -> int:
    """Run a demonstration, print what was measured, and return 0 if everything held, else 1."""
    run = run_demo(DemoOptions(agent=agent, live=live, base=base, keep=keep), _progress)
    checks = judge(run.observed)
    if json:
        facts = as_json(checks, agent=agent, live=live, container=run.container)
        print(json_format.dumps(facts, indent=2, ensure_ascii=False))
    else:
        print()
        for line in transcript(checks, color=_color()):
            print(line)
        if keep:
            for thing, where in (("container", run.container), ("repository", run.repository), ("mirror", run.mirror)):
                print(f"kept: {thing} {where}")
    return 0 if all(check.held for check in checks) else 1


def _progress(line: str) -> None:
    print(f"   {line}", file=sys.stderr, flush=True)


def _color() -> bool:
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
