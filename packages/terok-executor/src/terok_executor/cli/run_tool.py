"""`run-tool`: a sidecar tool on a repository."""

from __future__ import annotations

import time
from typing import Any

from terok_executor.cli.build import image_options, progress
from terok_executor.cli.following import catch_termination, follow_to_end
from terok_executor.launch.request import ToolRequest
from terok_executor.runner.agent_runner import AgentRunner


def run_tool(
    tool_args: list[str],
    no_gate: bool,
    base_image: str | None,
    family: str | None,
    remove: bool,
    json: bool,
    **options: Any,
) -> int:
    """Run the tool, follow it to its end and return its exit code; `options` are fields of the request."""
    words = tuple(tool_args[1:] if tool_args[:1] == ["--"] else tool_args)
    request = ToolRequest(tool_args=words, gate=not no_gate, **image_options(base_image, family), **options)
    catch_termination()
    started = time.monotonic()
    runner = AgentRunner(on_line=progress)
    record = runner.start_tool(request)
    return follow_to_end(runner, record.container, started=started, json=json, remove=remove)
