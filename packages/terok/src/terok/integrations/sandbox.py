"""Everything terok uses of terok_sandbox, each name imported when it is first used."""

from __future__ import annotations

from terok_util import lazy_exports

TYPE_CHECKING = False
if TYPE_CHECKING:
    from terok_sandbox.audit import read_audit
    from terok_sandbox.cli.tree import COMMANDS
    from terok_sandbox.config.model import SandboxConfig
    from terok_sandbox.errors import GateError
    from terok_sandbox.gate.cli import VERBS as GATE_VERBS
    from terok_sandbox.gate.invoke import find_git, git_environment
    from terok_sandbox.gate.layout import mirror_path
    from terok_sandbox.gate.mirror import GitGate
    from terok_sandbox.gate.review import Review, review_branch
    from terok_sandbox.gate.source import scope_for
    from terok_sandbox.sidecar import Sidecar
    from terok_sandbox.vault.unlock import open_vault
    from terok_sandbox.vault.usage.journal import project_dir

    __all__ = [
        "COMMANDS",
        "GATE_VERBS",
        "GateError",
        "GitGate",
        "Review",
        "SandboxConfig",
        "Sidecar",
        "find_git",
        "git_environment",
        "mirror_path",
        "open_vault",
        "project_dir",
        "read_audit",
        "review_branch",
        "scope_for",
    ]
else:
    __getattr__, __dir__, __all__ = lazy_exports(
        __name__,
        {
            "COMMANDS": "terok_sandbox.cli.tree",
            "GATE_VERBS": "terok_sandbox.gate.cli:VERBS",
            "GateError": "terok_sandbox.errors",
            "GitGate": "terok_sandbox.gate.mirror",
            "Review": "terok_sandbox.gate.review",
            "SandboxConfig": "terok_sandbox.config.model",
            "Sidecar": "terok_sandbox.sidecar",
            "find_git": "terok_sandbox.gate.invoke",
            "git_environment": "terok_sandbox.gate.invoke",
            "mirror_path": "terok_sandbox.gate.layout",
            "open_vault": "terok_sandbox.vault.unlock",
            "project_dir": "terok_sandbox.vault.usage.journal",
            "read_audit": "terok_sandbox.audit",
            "review_branch": "terok_sandbox.gate.review",
            "scope_for": "terok_sandbox.gate.source",
        },
    )
