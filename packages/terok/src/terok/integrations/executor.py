"""Everything terok uses of terok_executor, each name imported when it is first used."""

from __future__ import annotations

from terok_util import lazy_exports

TYPE_CHECKING = False
if TYPE_CHECKING:
    from terok_executor.cli.auth_verbs import VAULT_COMMANDS as VAULT_COMMANDS
    from terok_executor.cli.tree import COMMANDS as COMMANDS
    from terok_executor.credentials import store_api_key as store_api_key
    from terok_executor.image.reference import DEFAULT_BASE_IMAGE as DEFAULT_BASE_IMAGE
    from terok_executor.launch.task_files import load_record as load_record
    from terok_executor.paths import task_dir as task_dir
    from terok_executor.roster.roster import AgentRoster as AgentRoster
    from terok_executor.roster.routes import write_routes as write_routes
    from terok_executor.roster.types import Agent as Agent
    from terok_executor.roster.types import Provider as Provider
    from terok_executor.runner.agent_runner import AgentRunner as AgentRunner
    from terok_executor.stub import Pause as Pause
    from terok_executor.stub import Recorder as Recorder
    from terok_executor.stub import Script as Script
    from terok_executor.stub import StubProvider as StubProvider
    from terok_executor.stub import running_stub as running_stub
else:
    __getattr__, __dir__, __all__ = lazy_exports(
        __name__,
        {
            "terok_executor.runner.agent_runner": "AgentRunner",
            "terok_executor.cli.auth_verbs": "VAULT_COMMANDS",
            "terok_executor.cli.tree": "COMMANDS",
            "terok_executor.credentials": "store_api_key",
            "terok_executor.image.reference": "DEFAULT_BASE_IMAGE",
            "terok_executor.launch.task_files": "load_record",
            "terok_executor.paths": "task_dir",
            "terok_executor.roster.roster": "AgentRoster",
            "terok_executor.roster.routes": "write_routes",
            "terok_executor.roster.types": "Agent Provider",
            "terok_executor.stub": "Pause Recorder Script StubProvider running_stub",
        },
    )
