"""Everything this wheel uses of terok_executor, loaded when first used; no other module imports that wheel."""

from __future__ import annotations

from terok_util import lazy_imports

with lazy_imports(globals()):
    from terok_executor import AcpSpec as AcpSpec
    from terok_executor import AgentRoster as AgentRoster
    from terok_executor import ExecutorError as ExecutorError
    from terok_executor import credential_set_of as credential_set_of
    from terok_executor import further_agent as further_agent
