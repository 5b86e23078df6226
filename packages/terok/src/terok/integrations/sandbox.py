"""Everything terok uses of terok_sandbox, each name imported when it is first used."""

from __future__ import annotations

from terok_util import lazy_imports

with lazy_imports(globals()):
    from terok_sandbox import COMMANDS as COMMANDS
    from terok_sandbox import GATE_VERBS as GATE_VERBS
    from terok_sandbox import SANDBOX_LABEL as SANDBOX_LABEL
    from terok_sandbox import Activity as Activity
    from terok_sandbox import AuditLog as AuditLog
    from terok_sandbox import Budget as Budget
    from terok_sandbox import BudgetFact as BudgetFact
    from terok_sandbox import ClearanceRequest as ClearanceRequest
    from terok_sandbox import ContainerState as ContainerState
    from terok_sandbox import ContainerSummary as ContainerSummary
    from terok_sandbox import Desktop as Desktop
    from terok_sandbox import DesktopUnavailable as DesktopUnavailable
    from terok_sandbox import DoctorCheck as DoctorCheck
    from terok_sandbox import GateError as GateError
    from terok_sandbox import GateSyncResult as GateSyncResult
    from terok_sandbox import GitGate as GitGate
    from terok_sandbox import Life as Life
    from terok_sandbox import Limits as Limits
    from terok_sandbox import NewWork as NewWork
    from terok_sandbox import PodmanRuntime as PodmanRuntime
    from terok_sandbox import ReviewedBranch as ReviewedBranch
    from terok_sandbox import Sandbox as Sandbox
    from terok_sandbox import SandboxConfig as SandboxConfig
    from terok_sandbox import SandboxConfigView as SandboxConfigView
    from terok_sandbox import SandboxRow as SandboxRow
    from terok_sandbox import Sidecar as Sidecar
    from terok_sandbox import SSHManager as SSHManager
    from terok_sandbox import Verdict as Verdict
    from terok_sandbox import answer_request as answer_request
    from terok_sandbox import at_most as at_most
    from terok_sandbox import audit_logs as audit_logs
    from terok_sandbox import close_off as close_off
    from terok_sandbox import container_checks as container_checks
    from terok_sandbox import dated_output as dated_output
    from terok_sandbox import end_services as end_services
    from terok_sandbox import examine as examine
    from terok_sandbox import find_git as find_git
    from terok_sandbox import findings_sarif as findings_sarif
    from terok_sandbox import git_environment as git_environment
    from terok_sandbox import host_checks as host_checks
    from terok_sandbox import install_autostart as install_autostart
    from terok_sandbox import is_branch as is_branch
    from terok_sandbox import is_locked_down as is_locked_down
    from terok_sandbox import is_plain as is_plain
    from terok_sandbox import is_time_zone as is_time_zone
    from terok_sandbox import lift_lockdown as lift_lockdown
    from terok_sandbox import list_profiles as list_profiles
    from terok_sandbox import list_sandboxes as list_sandboxes
    from terok_sandbox import lock_down as lock_down
    from terok_sandbox import mirror_path as mirror_path
    from terok_sandbox import open_vault as open_vault
    from terok_sandbox import page_lines as page_lines
    from terok_sandbox import policy_tiers as policy_tiers
    from terok_sandbox import profile_path as profile_path
    from terok_sandbox import project_dir as project_dir
    from terok_sandbox import pusher as pusher
    from terok_sandbox import read_audit as read_audit
    from terok_sandbox import read_audit_end as read_audit_end
    from terok_sandbox import read_further as read_further
    from terok_sandbox import read_lockdown as read_lockdown
    from terok_sandbox import read_usage as read_usage
    from terok_sandbox import refuse_lockdown as refuse_lockdown
    from terok_sandbox import remove_autostart as remove_autostart
    from terok_sandbox import resolve_repo as resolve_repo
    from terok_sandbox import review_document as review_document
    from terok_sandbox import run_git as run_git
    from terok_sandbox import scope_for as scope_for
    from terok_sandbox import state_checks as state_checks
    from terok_sandbox import verify_audit as verify_audit
    from terok_sandbox import waiting_requests as waiting_requests
    from terok_sandbox import write_sarif as write_sarif
