"""The page on the proxy's rules and the proxy's code name the same refusals."""

from __future__ import annotations

import re
from pathlib import Path

import terok_sandbox.vault as vault

PAGE = Path(__file__).parents[5] / "docs/security/vault-proxy.md"


def test_every_code_is_documented_and_every_documented_code_exists() -> None:
    folder = Path(vault.__file__).parent
    source = "".join(path.read_text() for path in folder.rglob("*.py"))
    used = {(status, code) for status, code in re.findall(r'VaultRefusal\(\s*(\d{3}),\s*"([a-z_]+)"', source)}
    used |= {("502", code) for code in re.findall(r'"(upstream_[a-z_]+)"', source)}
    told = set(re.findall(r"^\| (\d{3}) \| `([a-z_]+)` \|", PAGE.read_text(), re.MULTILINE))
    assert used == told and len(told) > 30
