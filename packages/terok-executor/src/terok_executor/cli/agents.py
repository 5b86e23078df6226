"""``agents list``: what the roster holds."""

from __future__ import annotations

import json as json_module
from pathlib import Path
from typing import TYPE_CHECKING

from terok_util import namespace_config_dir

from terok_executor.cli.table import print_table
from terok_executor.roster.roster import AgentRoster, about

if TYPE_CHECKING:
    from terok_executor.roster.types import Installed, Provider


def list_agents(everything: bool, json: bool) -> int:
    """Print the agents, and with ``everything`` the providers and tools."""
    rows = _rows(AgentRoster.load(), everything=everything)
    if json:
        print(json_module.dumps(rows, indent=2, ensure_ascii=False))
    else:
        print_table((key.upper() for key in rows[0]), (row.values() for row in rows))
    return 0


def update(agents: list[str], check: bool, into: str | None) -> int:
    """Move agents to the newest versions, by files in the configuration directory or another."""
    from terok_executor.cli.build import progress
    from terok_executor.image.builder import ImageBuilder
    from terok_executor.image.lock import LOCK_FILE, Lock, load_lock, parse_lock
    from terok_executor.image.update import find_moves, move_pip, npm_registry, pin, write_moves
    from terok_executor.image_settings import ImageSettings
    from terok_executor.roster.selection import parse_selection

    roster = AgentRoster.load()
    chosen = [roster.agents[name] for name in parse_selection(",".join(agents), roster.agents)]
    ask = npm_registry()
    moves = find_moves(chosen, ask)
    known, pins = load_lock(), Lock()
    for agent in chosen:
        if agent.install.pip is not None:
            image = ImageSettings.load()
            builder = ImageBuilder(image.base_image, image.family, on_line=progress)
            more, found = move_pip(agent, builder.pip_report(agent.install.pip), known)
            moves += more
            pins = pins if all(known.pip.get(key) == value for key, value in found.pip.items()) else found.over(pins)
    for move in moves:
        print(f"{move.agent}: {move.present} -> {move.newest}")
    if check or not (moves or pins.pip):
        print("every agent is at its newest version" if not moves else "nothing was written")
        return int(bool(moves))
    directory = Path(into) if into else namespace_config_dir()
    versions = {move.agent: move.newest for move in moves}
    pins = Lock(pin([roster.agents[name] for name in versions], versions, ask)).over(pins)
    path = directory / LOCK_FILE
    present = parse_lock(str(path), path.read_bytes()) if path.exists() else Lock()
    write_moves(directory, moves, pins, present)
    print(f"written to {directory}; `terok-executor build` makes images of it")
    return 0


def set_agents(selection: str) -> int:
    """Write the selection into the configuration."""
    from terok_executor.config_view import set_image_agents

    roster = AgentRoster.load()
    names = ", ".join(one.name for one in roster.select(selection))
    print(f"{set_image_agents(selection)}: {names}")
    return 0


def print_schema(kind: str) -> int:
    """Print the JSON Schema of roster files."""
    from terok_executor.roster.json_schema import shipped_schema

    print(shipped_schema(kind), end="")
    return 0


def _rows(roster: AgentRoster, *, everything: bool) -> list[dict[str, str]]:
    rows: list[tuple[Installed | Provider, str, str]] = []
    rows += [(agent, agent.kind, agent.provider.default) for agent in roster.agents.values()]
    if everything:
        rows += [(provider, "provider", provider.upstream or "-") for provider in roster.providers.values()]
        rows += [(tool, tool.kind, tool.provider or "-") for tool in roster.tools.values()]
    return [{"name": one.name, "type": kind, "provider": where, "description": about(one)} for one, kind, where in rows]
