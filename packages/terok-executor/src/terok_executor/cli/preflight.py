"""``preflight``: whether a run would start."""

from __future__ import annotations

import json as json_module
from dataclasses import asdict

from terok_executor.image.reference import DEFAULT_BASE_IMAGE
from terok_executor.preflight import Preflight

NOT_READY = 3


def preflight(agent: str, provider: str | None, base: str | None, credential_set: str, json: bool) -> int:
    """Print the checks; exit code 3 if something a run needs is missing."""
    checks = Preflight(
        agent, bound_provider=provider, base_image=base or DEFAULT_BASE_IMAGE, credential_set=credential_set
    ).run()
    if json:
        print(json_module.dumps([asdict(check) for check in checks], indent=2))
    else:
        for check in checks:
            state = "ok" if check.ok else "missing" if check.needed else "later"
            print(f"{check.name:<11} {state:<8} {check.message}" + (f"; {check.fix}" if check.fix else ""))
    return NOT_READY if any(check.needed and not check.ok for check in checks) else 0
