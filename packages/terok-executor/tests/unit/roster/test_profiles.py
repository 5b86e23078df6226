from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from terok_executor.roster.loader import load_providers
from terok_sandbox.shield.policy_file import parse_policy_file
from terok_sandbox.shield.profiles import profile_lines


def test_every_bundled_provider_has_an_allowlist_profile(tmp_path: Path) -> None:
    for name, provider in load_providers(tmp_path).items():
        if provider.upstream:
            lines = profile_lines([f"provider-{name}"], tmp_path)
            policy = parse_policy_file("\n".join(lines), name).policy
            assert policy.decide_name(str(urlsplit(provider.upstream).hostname), 443).allowed, name
