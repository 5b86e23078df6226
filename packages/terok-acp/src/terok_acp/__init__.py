"""One Agent Client Protocol endpoint over the agents inside terok containers.

Names are loaded when first used, so importing this package costs next to nothing.
"""

from __future__ import annotations

from terok_util import lazy_imports

with lazy_imports(globals()):
    from terok_acp.adapters.process import AdapterProcess as AdapterProcess
    from terok_acp.adapters.process import end_adapters as end_adapters
    from terok_acp.adapters.spec import AdapterSpec as AdapterSpec
    from terok_acp.adapters.spec import Quirks as Quirks
    from terok_acp.cli.agents import show_probe as show_probe
    from terok_acp.cli.tree import COMMANDS as COMMANDS
    from terok_acp.connect.connect import connect as connect
    from terok_acp.connect.connect import connect_found as connect_found
    from terok_acp.daemon.container import serve_acp as serve_acp
    from terok_acp.endpoint import ACPEndpointStatus as ACPEndpointStatus
    from terok_acp.endpoint import acp_socket_is_live as acp_socket_is_live
    from terok_acp.errors import AcpError as AcpError
    from terok_acp.errors import AgentBindError as AgentBindError
    from terok_acp.errors import EndpointBusy as EndpointBusy
    from terok_acp.errors import EndpointError as EndpointError
    from terok_acp.errors import ProbeError as ProbeError
    from terok_acp.paths import socket_path as socket_path
    from terok_acp.proxy.proxy import ACPProxy as ACPProxy
    from terok_acp.roster.acp_roster import ACPRoster as ACPRoster
    from terok_acp.roster.cache import AgentRosterCache as AgentRosterCache
    from terok_acp.roster.cache import CacheKey as CacheKey
    from terok_acp.roster.offer import Offer as Offer
    from terok_acp.roster.probe import probe_agent_models as probe_agent_models
    from terok_acp.roster.signed_in import list_authenticated_agents as list_authenticated_agents
    from terok_acp.sessions.forgetting import forget_sessions as forget_sessions
