"""Everything terok uses of terok_acp, each name imported when it is first used."""

from __future__ import annotations

from terok_util import lazy_imports

with lazy_imports(globals()):
    from terok_acp import COMMANDS as COMMANDS
    from terok_acp import ACPEndpointStatus as ACPEndpointStatus
    from terok_acp import ACPRoster as ACPRoster
    from terok_acp import acp_socket_is_live as acp_socket_is_live
    from terok_acp import connect_found as connect_found
    from terok_acp import forget_sessions as forget_sessions
    from terok_acp import list_authenticated_agents as list_authenticated_agents
    from terok_acp import show_probe as show_probe
    from terok_acp import socket_path as socket_path
