"""What only a vendor knows is data: no vendor's name in Python of any wheel, apart from modules about one format."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from terok_executor import AgentRoster

WHEELS = ("terok_util", "terok_sandbox", "terok_executor", "terok_acp", "terok")
EXEMPT = ("stub", "resources")
"""The stub speaks the vendors' protocols, and resources are the data."""
FORMATS = {
    "terok_sandbox/clearance/lookalike.py": "domains whose sub-domains belong to different people",
    "terok_sandbox/shield/policy/names.py": "metadata services of clouds",
    "terok_sandbox/vault/usage/counts.py": "how answers count tokens",
}
"""Modules about formats and names that others have made, whoever's agents there are."""
GENERIC = {"demo", "pi"}
"""The demo is ours; two letters occur in other words and names of the standard library."""
PROMISED = "collect_opencode_provider_env"
"""A name that programs rely on."""


def names() -> set[str]:
    """Return what the roster calls agents and providers, and their programs."""
    roster = AgentRoster.load()
    return (set(roster.agents) | set(roster.providers) | {one.binary for one in roster.agents.values()}) - GENERIC


def sources() -> Iterator[tuple[str, Path]]:
    """Yield the name and place of every Python file of the wheels that is about no one vendor."""
    for wheel in WHEELS:
        root = Path(str(import_module(wheel).__file__)).parent
        for path in sorted(root.rglob("*.py")):
            name = f"{wheel}/{path.relative_to(root)}"
            if path.relative_to(root).parts[0] not in EXEMPT and name not in FORMATS:
                yield name, path


def test_no_vendor_s_name_in_python() -> None:
    pattern = re.compile(rf"(?<![a-z-])(?:{'|'.join(sorted(names()))})(?![a-z-])", re.IGNORECASE)
    found = [
        f"{name}:{number}: {match[0]}"
        for name, path in sources()
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if (match := pattern.search(line.replace(PROMISED, ""))) is not None
    ]
    assert not found, "\n".join(found)
