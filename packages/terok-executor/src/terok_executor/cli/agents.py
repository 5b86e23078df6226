"""`agents`: the roster's entries, their versions, and the selection for images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from terok_util import namespace_config_dir, read_file, show, table

from terok_executor.roster.roster import AgentRoster, about

if TYPE_CHECKING:
    from terok_executor.image.lock import Lock
    from terok_executor.image.update import Move
    from terok_executor.roster.provider import Provider
    from terok_executor.roster.types import Installed

MAX_BYTES = 4 * 1024 * 1024
"""Of a lock file."""


def list_agents(everything: bool, as_json: bool) -> int:
    """Print the agents, and with `everything` the providers and tools."""
    rows = _rows(AgentRoster.load(), everything=everything)
    show(rows, as_json, table([key.upper() for key in rows[0]], (list(row.values()) for row in rows)))
    return 0


def update(agents: list[str], check: bool, into: str | None, as_json: bool) -> int:
    """Move agents, or tools by name, to the newest versions, with files in the configuration directory or another."""
    from terok_executor.image.lock import LOCK_FILE, Lock, load_lock, parse_lock
    from terok_executor.image.update import write_moves
    from terok_executor.roster.roster import parse_selection

    roster = AgentRoster.load()
    known: dict[str, Installed] = {**roster.agents, **roster.tools}
    names = parse_selection(",".join(agents), roster.agents, roster.tools)
    moves, pins = _newest([known[name] for name in names], load_lock())
    report: dict[str, Any] = {"moves": moves, "written": None}
    for move in () if as_json else moves:
        print(f"{move.agent}: {move.present} -> {move.newest}")
    if check or pins == Lock():
        show(report, as_json, "nothing was written" if moves else "every agent is at its newest version")
        return int(bool(moves))
    directory = Path(into) if into else namespace_config_dir()
    path = directory / LOCK_FILE
    present = parse_lock(str(path), read_file(path, MAX_BYTES)) if path.exists() else Lock()
    write_moves(directory, moves, pins, present)
    done = f"written to {directory}; `terok-executor build` makes images of it"
    show({**report, "written": directory}, as_json, done)
    return 0


def _newest(chosen: list[Installed], known: Lock) -> tuple[list[Move], Lock]:
    """Return the moves, and the checksums of the newest versions that are not known yet."""
    from terok_executor.cli.build import image_options, progress
    from terok_executor.image import update
    from terok_executor.image.builder import ImageBuilder
    from terok_executor.image.lock import Lock

    moves, pins = [], Lock()
    from_npm = [agent for agent in chosen if agent.install.npm is not None]
    if from_npm:
        ask = update.npm_registry()
        moves += update.find_moves(from_npm, ask)
        versions = {move.agent: move.newest for move in moves}
        pins = Lock(update.pin([agent for agent in from_npm if agent.name in versions], versions, ask))
    for entry in chosen:
        more: list[Move] = []
        lock = Lock()
        if entry.install.pip is not None:
            builder = ImageBuilder(**image_options(None, None), on_line=progress)
            more, lock = update.move_pip(entry, builder.pip_report(entry.install.pip), known)
        elif entry.install.download is not None:
            track = entry.install.download.track
            newest = b"".join(update.fetch(track)).decode("utf-8", "replace") if track else ""
            more, lock = update.move_download(entry, newest, update.digest_of)
        moves += more
        if not (lock.pip.items() <= known.pip.items() and lock.files.items() <= known.files.items()):
            pins = lock.over(pins)
    return moves, pins


def set_agents(selection: str) -> int:
    """Write the selection into the configuration."""
    from terok_executor.image.settings import set_image_agents

    names = ", ".join(agent.name for agent in AgentRoster.load().select(selection))
    print(f"{set_image_agents(selection)}: {names}")
    return 0


def print_schema(kind: str) -> int:
    """Print the JSON Schema of roster files."""
    from terok_executor.roster.loader import shipped_schema

    print(shipped_schema(kind), end="")
    return 0


def _rows(roster: AgentRoster, *, everything: bool) -> list[dict[str, str]]:
    rows: list[tuple[Installed | Provider, str, str]] = []
    rows += [(agent, agent.kind, agent.provider.default) for agent in roster.agents.values()]
    if everything:
        rows += [(provider, "provider", provider.upstream or "-") for provider in roster.providers.values()]
        rows += [(tool, tool.kind, tool.provider or "-") for tool in roster.tools.values()]
    return [{"name": one.name, "type": kind, "provider": where, "description": about(one)} for one, kind, where in rows]
