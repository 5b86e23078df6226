"""Everything terok uses of terok_executor, each name imported when it is first used."""

from __future__ import annotations

from terok_util import lazy_exports

TYPE_CHECKING = False
if TYPE_CHECKING:
    from terok_executor.agent_runner import AgentRunner
    from terok_executor.cli.auth_verbs import VAULT_COMMANDS
    from terok_executor.cli.tree import COMMANDS
    from terok_executor.credentials import store_api_key
    from terok_executor.image.reference import DEFAULT_BASE_IMAGE
    from terok_executor.launch.task_files import load_record
    from terok_executor.paths import task_dir
    from terok_executor.roster.roster import AgentRoster
    from terok_executor.roster.routes import write_routes
    from terok_executor.roster.types import Agent, Provider
    from terok_executor.stub import Pause, Recorder, Script, StubProvider, running_stub

    __all__ = [
        "COMMANDS",
        "DEFAULT_BASE_IMAGE",
        "VAULT_COMMANDS",
        "Agent",
        "AgentRoster",
        "AgentRunner",
        "Pause",
        "Provider",
        "Recorder",
        "Script",
        "StubProvider",
        "load_record",
        "running_stub",
        "store_api_key",
        "task_dir",
        "write_routes",
    ]
else:
    __getattr__, __dir__, __all__ = lazy_exports(
        __name__,
        {
            "COMMANDS": "terok_executor.cli.tree",
            "DEFAULT_BASE_IMAGE": "terok_executor.image.reference",
            "VAULT_COMMANDS": "terok_executor.cli.auth_verbs",
            "Agent": "terok_executor.roster.types",
            "AgentRoster": "terok_executor.roster.roster",
            "AgentRunner": "terok_executor.agent_runner",
            "Pause": "terok_executor.stub",
            "Provider": "terok_executor.roster.types",
            "Recorder": "terok_executor.stub",
            "Script": "terok_executor.stub",
            "StubProvider": "terok_executor.stub",
            "load_record": "terok_executor.launch.task_files",
            "running_stub": "terok_executor.stub",
            "store_api_key": "terok_executor.credentials",
            "task_dir": "terok_executor.paths",
            "write_routes": "terok_executor.roster.routes",
        },
    )
