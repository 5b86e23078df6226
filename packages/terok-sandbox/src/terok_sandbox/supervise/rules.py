"""The ruleset of one container, from its sidecar and the host's addresses, together with its check."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from terok_sandbox.netns.host_addresses import host_addresses
from terok_sandbox.shield.live_store import load_live
from terok_sandbox.shield.policy import Policy
from terok_sandbox.shield.ruleset.render import render
from terok_sandbox.shield.ruleset.verify import verify
from terok_sandbox.sidecar import Sidecar
from terok_sandbox.values.posture import LIVE_FILE


@dataclass(frozen=True, slots=True)
class Rules:
    """`text` is loaded in one transaction; `verify` raises when the kernel's JSON listing is not what was meant."""

    text: str
    verify: Callable[[str], object]


def rules_for(sidecar: Sidecar) -> Rules:
    """Return the rules of `sidecar`; raises ShieldError for a policy that cannot be read."""
    addresses = host_addresses()
    live = load_live(sidecar.gateway_dir / LIVE_FILE)
    now = datetime.now(UTC)
    policy = Policy.from_tiers(sidecar.shield.tiers).with_live(
        [verdict.rule() for verdict in live.verdicts if verdict.live(now)]
    )
    return Rules(
        text=render(policy, host_addresses=addresses, posture=live.posture),
        verify=partial(verify, host_addresses=addresses, posture=live.posture),
    )
