"""What only a vendor knows is data: no vendor's name in Python, apart from the modules that are about one format."""

from __future__ import annotations

import re
from pathlib import Path

import terok_executor
from terok_executor.roster.loader import load_agents, load_providers

SOURCE = Path(terok_executor.__file__).parent
EXEMPT = ("stub", "resources", "extractors")
"""The stub speaks the vendors' protocols, extractors read the vendors' credential files, and resources are the data."""
GENERIC = {"demo", "pi"}
"""The demo is ours; two letters occur in other words and names of the standard library."""

PROMISED = "collect_opencode_provider_env"
"""A name that programs rely on."""


def test_no_vendor_s_name_in_python() -> None:
    none = Path("/nonexistent")
    agents, providers = load_agents(none), load_providers(none)
    names = (set(agents) | set(providers) | {agent.binary for agent in agents.values()}) - GENERIC
    pattern = re.compile(rf"(?<![a-z-])(?:{'|'.join(sorted(names))})(?![a-z-])", re.IGNORECASE)
    found = []
    for path in sorted(SOURCE.rglob("*.py")):
        relative = path.relative_to(SOURCE)
        if relative.parts[0] in EXEMPT:
            continue
        for number, line in enumerate(path.read_text().splitlines(), start=1):
            if (match := pattern.search(line.replace(PROMISED, ""))) is not None:
                found.append(f"{relative}:{number}: {match[0]}")
    assert not found, "\n".join(found)
