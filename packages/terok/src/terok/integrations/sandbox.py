"""Everything terok uses of terok_sandbox, each name imported when it is first used."""

from __future__ import annotations

from terok_util import lazy_imports

with lazy_imports(globals()):
    from terok_sandbox.audit import read_audit as read_audit
    from terok_sandbox.cli.tree import COMMANDS as COMMANDS
    from terok_sandbox.config.model import SandboxConfig as SandboxConfig
    from terok_sandbox.errors import GateError as GateError
    from terok_sandbox.gate.git_gate import GitGate as GitGate
    from terok_sandbox.gate.invoke import find_git as find_git
    from terok_sandbox.gate.invoke import git_environment as git_environment
    from terok_sandbox.gate.layout import mirror_path as mirror_path
    from terok_sandbox.gate.source import scope_for as scope_for
    from terok_sandbox.sidecar import Sidecar as Sidecar
    from terok_sandbox.vault.unlock import open_vault as open_vault
    from terok_sandbox.vault.usage.journal import project_dir as project_dir
