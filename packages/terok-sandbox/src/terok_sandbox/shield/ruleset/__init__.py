"""The nft table `inet terok`: rendered from policy, verified by reading it back, fed with learned addresses."""

from __future__ import annotations

from terok_sandbox.shield.ruleset.learned import Learned, host_command, learn_command, lifetime
from terok_sandbox.shield.ruleset.live import cut_command, forget_command, live_command, posture_command
from terok_sandbox.shield.ruleset.render import render
from terok_sandbox.shield.ruleset.verify import verify
from terok_sandbox.values.posture import POSTURES, Posture

__all__ = [
    "POSTURES",
    "Learned",
    "Posture",
    "cut_command",
    "forget_command",
    "host_command",
    "learn_command",
    "lifetime",
    "live_command",
    "posture_command",
    "render",
    "verify",
]
