"""`run-tool`: a sidecar tool on a repository."""

from __future__ import annotations

import time
from typing import Any

from terok_executor.agent_runner import AgentRunner
from terok_executor.cli.build import progress
from terok_executor.cli.following import catch_termination, follow_to_end
from terok_executor.image_settings import ImageSettings
from terok_executor.launch.tool_task import ToolRequest


def run_tool(
    tool_args: list[str], base: str | None, family: str | None, no_gate: bool, remove: bool, json: bool, **plain: Any
) -> int:
    """Run the tool, follow it to its end and return its exit code; `plain` is what a request has under its name."""
    image = ImageSettings.load()
    request = ToolRequest(
        tool_args=tuple(tool_args[1:] if tool_args[:1] == ["--"] else tool_args),
        gate=not no_gate,
        base_image=base or image.base_image,
        family=family or image.family,
        **plain,
    )
    catch_termination()
    started = time.monotonic()
    runner = AgentRunner(base_image=request.base_image, family=request.family, on_line=progress)
    record = runner.start_tool(request)
    return follow_to_end(runner, record.container, started=started, json=json, remove=remove)
