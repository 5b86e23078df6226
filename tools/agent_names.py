"""Write what the bundled agents read in a repository, for the gate's inspection.

    tools/run python tools/agent_names.py

The sandbox knows no roster, so the names are data of its own; a test of the executor compares them with the roster.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from terok_executor.roster.loader import load_agents
from terok_executor.roster.types import Agent

FILE = Path(__file__).parent.parent / "packages/terok-sandbox/src/terok_sandbox/gate/inspect/agents.toml"
OURS = "demo"
"""The demonstration's agent reads no settings."""


def rendered(agents: Iterable[Agent]) -> str:
    """Return the file: settings directories and names of instruction files, lower case."""
    directories, names = set(), set()
    for agent in agents:
        if agent.name != OURS:
            mounts = (PurePosixPath(mount.container_path).name for mount in agent.mounts)
            directories |= {f".{name.removeprefix('.')}" for name in (agent.name, *mounts)}
        if agent.instructions_file:
            names.add(PurePosixPath(agent.instructions_file).name.lower())
    return (
        "# Names that the bundled agents read in a repository. Written by tools/agent_names.py; do not edit.\n"
        f'directories = "{" ".join(sorted(directories))}"\n'
        f'names = "{" ".join(sorted(names))}"\n'
    )


if __name__ == "__main__":
    FILE.write_text(rendered(load_agents(Path("/nonexistent")).values()))
