"""Everything terok uses of terok_sandbox, each name imported when it is first used."""

from __future__ import annotations

from terok_util import lazy_exports

TYPE_CHECKING = False
if TYPE_CHECKING:
    from terok_sandbox.audit import read_audit as read_audit
    from terok_sandbox.cli.tree import COMMANDS as COMMANDS
    from terok_sandbox.config.model import SandboxConfig as SandboxConfig
    from terok_sandbox.errors import GateError as GateError
    from terok_sandbox.gate.cli import VERBS
    from terok_sandbox.gate.git_gate import GitGate as GitGate
    from terok_sandbox.gate.invoke import find_git as find_git
    from terok_sandbox.gate.invoke import git_environment as git_environment
    from terok_sandbox.gate.layout import mirror_path as mirror_path
    from terok_sandbox.gate.source import scope_for as scope_for
    from terok_sandbox.sidecar import Sidecar as Sidecar
    from terok_sandbox.vault.unlock import open_vault as open_vault
    from terok_sandbox.vault.usage.journal import project_dir as project_dir

    GATE_VERBS = VERBS
else:
    __getattr__, __dir__, __all__ = lazy_exports(
        __name__,
        {
            "terok_sandbox.audit": "read_audit",
            "terok_sandbox.cli.tree": "COMMANDS",
            "terok_sandbox.config.model": "SandboxConfig",
            "terok_sandbox.errors": "GateError",
            "terok_sandbox.gate.invoke": "find_git git_environment",
            "terok_sandbox.gate.layout": "mirror_path",
            "terok_sandbox.gate.git_gate": "GitGate",
            "terok_sandbox.gate.source": "scope_for",
            "terok_sandbox.sidecar": "Sidecar",
            "terok_sandbox.vault.unlock": "open_vault",
            "terok_sandbox.vault.usage.journal": "project_dir",
            "GATE_VERBS": "terok_sandbox.gate.cli:VERBS",
        },
    )
