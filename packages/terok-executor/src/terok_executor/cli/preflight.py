"""`preflight`: checks whether a run would start, and fixes what can be fixed."""

from __future__ import annotations

import shlex
import sys

from terok_util import TerokError, may_ask, safe_text, show

from terok_executor.cli.build import build, image_options
from terok_executor.cli.setup import setup
from terok_executor.cli.sign_in import sign_in
from terok_executor.runner.preflight import CheckResult, Preflight

NOT_READY = 3


def preflight(
    agent: str, provider: str | None, base_image: str | None, credential_set: str, fix: bool, yes: bool, as_json: bool
) -> int:
    """Print the checks; exit code 3 if something that a run needs is still missing."""
    images = image_options(base_image, None)
    checker = Preflight(agent, bound_provider=provider, **images, credential_set=credential_set)
    checks = checker.results()
    for check in checks if fix or yes else ():
        if not check.ok and check.command and (yes or _agreed(check)):
            _fix(check, credential_set, base_image)
    if fix or yes:
        checks = checker.results()
    show(checks, as_json, map(_line, checks))
    return NOT_READY if any(check.needed and not check.ok for check in checks) else 0


def _line(check: CheckResult) -> str:
    state = "ok" if check.ok else "missing" if check.needed else "later"
    return f"{check.name:<11} {state:<8} {check.message}" + (f"; {check.fix}" if check.fix else "")


def _agreed(check: CheckResult) -> bool:
    if not may_ask():
        return False
    print(f"{check.name}: {check.message}\n   run `{check.fix}`? [Y/n] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("", "y", "yes")


def _fix(check: CheckResult, credential_set: str, base_image: str | None) -> None:
    """Do what the check's command does; its output tells the outcome."""
    print(f"terok-executor {shlex.join(check.command)}", file=sys.stderr)
    verb, *words = check.command
    try:
        if verb == "setup":
            setup()
        elif verb == "auth":
            sign_in(words[0], credential_set=credential_set, base=base_image)
        else:
            build([words[0]], None, base_image, None, rebuild=False, full_rebuild=False, as_json=False)
    except TerokError as error:
        print(f"error: {safe_text(error.message)}" + (f"; {error.hint}" if error.hint else ""), file=sys.stderr)
