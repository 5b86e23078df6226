"""Everything this wheel uses of terok_sandbox, loaded when first used; no other module imports that wheel."""

from __future__ import annotations

from terok_util import lazy_imports

with lazy_imports(globals()):
    from terok_sandbox import BudgetFact as BudgetFact
    from terok_sandbox import ClearanceClient as ClearanceClient
    from terok_sandbox import ClearanceEvent as ClearanceEvent
    from terok_sandbox import ContainerRuntime as ContainerRuntime
    from terok_sandbox import EngineError as EngineError
    from terok_sandbox import Sandbox as Sandbox
    from terok_sandbox import SandboxConfig as SandboxConfig
    from terok_sandbox import Shield as Shield
    from terok_sandbox import Verdict as Verdict
    from terok_sandbox import open_vault as open_vault
