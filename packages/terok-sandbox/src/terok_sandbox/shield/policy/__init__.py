"""The policy engine: lines in, verdicts out, no I/O."""

from __future__ import annotations

from terok_sandbox.shield.policy.engine import Decision, Grant, Policy
from terok_sandbox.shield.policy.grammar import PolicyRule, Service, parse_policy_line, parse_tier

__all__ = ["Decision", "Grant", "Policy", "PolicyRule", "Service", "parse_policy_line", "parse_tier"]
