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
    from terok_executor.roster.provider import Provider as Provider
    from terok_executor.roster.roster import AgentRoster as AgentRoster
    from terok_executor.roster.routes import write_routes as write_routes
    from terok_executor.roster.types import Agent as Agent
    from terok_executor.runner.agent_runner import AgentRunner as AgentRunner
else:
    __getattr__, __dir__, __all__ = lazy_exports(__name__)
