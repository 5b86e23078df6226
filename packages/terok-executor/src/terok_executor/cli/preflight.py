"""`preflight`: whether a run would start, and what can be done about it."""

from __future__ import annotations

import json as json_module
import sys
from dataclasses import asdict

from terok_executor.cli.build import image_options
from terok_executor.runner.preflight import CheckResult, Preflight

NOT_READY = 3


def preflight(
    agent: str, provider: str | None, base_image: str | None, credential_set: str, fix: bool, yes: bool, json: bool
) -> int:
    """Print the checks; exit code 3 if something a run needs is missing, and stays so."""
    looked = Preflight(
        agent,
        bound_provider=provider,
        **image_options(base_image, None),
        credential_set=credential_set,
    )
    checks = looked.results()
    for check in checks if fix or yes else ():
        if not check.ok and check.command and (yes or _agreed(check)):
            _mend(check)
    if fix or yes:
        checks = looked.results()
    if json:
        print(json_module.dumps([asdict(check) for check in checks], indent=2))
    else:
        for check in checks:
            state = "ok" if check.ok else "missing" if check.needed else "later"
            print(f"{check.name:<11} {state:<8} {check.message}" + (f"; {check.fix}" if check.fix else ""))
    return NOT_READY if any(check.needed and not check.ok for check in checks) else 0


def _agreed(check: CheckResult) -> bool:
    if not sys.stdin.isatty():
        return False
    print(f"{check.name}: {check.message}\n   run `{check.fix}`? [Y/n] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("", "y", "yes")


def _mend(check: CheckResult) -> None:
    """Run the command that mends it; what it prints says how it went."""
    from terok_executor.cli import main

    main(list(check.command))
