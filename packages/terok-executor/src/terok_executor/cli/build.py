"""`build`: makes images ahead of a run."""

from __future__ import annotations

import sys
from typing import Any

from terok_util import Progress, show

from terok_executor.cli.following import catch_termination
from terok_executor.image.builder import ImageBuilder
from terok_executor.image.settings import ImageSettings
from terok_executor.roster.roster import AgentRoster


def progress(line: str) -> None:
    """Print one line of progress."""
    print(f"   {line}", file=sys.stderr, flush=True)


def image_options(base_image: str | None, family: str | None) -> dict[str, Any]:
    """Return the base image of a request and its family, which are those of config.yml if the command line has none."""
    image = ImageSettings.load()
    return {"base_image": base_image or image.base_image, "family": family or image.family}


def build(
    agents: list[str],
    selection: str | None,
    base_image: str | None,
    family: str | None,
    rebuild: bool,
    full_rebuild: bool,
    as_json: bool,
) -> int:
    """Build the images of the selected agents, or of all."""
    catch_termination()
    roster = AgentRoster.load()
    wished = ",".join([*agents, *([selection] if selection else [])]) or ImageSettings.load().agents
    chosen = roster.select(wished)
    with Progress(plain=True) as on_line:
        builder = ImageBuilder(**image_options(base_image, family), on_line=on_line)
        images = builder.build(chosen, rebuild=rebuild, full_rebuild=full_rebuild)
    made = {"l0": images.l0, "l1": images.l1, "built": images.built}
    show(made, as_json, f"{images.l1}: {'built' if images.built else 'up to date'}")
    return 0
