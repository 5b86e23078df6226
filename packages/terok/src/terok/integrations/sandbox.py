"""Everything terok uses of terok_sandbox, each name imported when it is first used."""

from __future__ import annotations

from terok_util import lazy_exports

TYPE_CHECKING = False
if TYPE_CHECKING:
    from terok_sandbox import COMMANDS as COMMANDS
    from terok_sandbox import GATE_COMMANDS as GATE_COMMANDS
    from terok_sandbox import GateError as GateError
    from terok_sandbox import GitGate as GitGate
    from terok_sandbox import Review as Review
    from terok_sandbox import SandboxConfig as SandboxConfig
    from terok_sandbox import Sidecar as Sidecar
    from terok_sandbox import find_git as find_git
    from terok_sandbox import git_environment as git_environment
    from terok_sandbox import mirror_path as mirror_path
    from terok_sandbox import open_vault as open_vault
    from terok_sandbox import project_dir as project_dir
    from terok_sandbox import read_audit as read_audit
    from terok_sandbox import review_branch as review_branch
    from terok_sandbox import scope_for as scope_for
else:
    __getattr__, __dir__, __all__ = lazy_exports(__name__)
