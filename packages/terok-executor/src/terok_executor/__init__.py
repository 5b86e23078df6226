"""Runs one AI coding agent on one repository in a hardened container.

Names are loaded when first used, so importing this package costs next to nothing.
"""

from __future__ import annotations

from terok_util import lazy_exports

TYPE_CHECKING = False
if TYPE_CHECKING:
    from terok_executor.agent_runner import AgentRunner
    from terok_executor.auth.authenticator import Authenticator, authenticate
    from terok_executor.auth.container import extract_credential
    from terok_executor.auth.errors import ConfigPatchError, CredentialShapeError, LoginError
    from terok_executor.auth.leaks import Leak, scan_leaked_credentials, vault_secrets
    from terok_executor.auth.output import AuthEvent
    from terok_executor.auth.session import AuthSession
    from terok_executor.auth.status import CredentialStatus, credential_status
    from terok_executor.cli.auth_verbs import VAULT_COMMANDS
    from terok_executor.cli.tree import COMMANDS
    from terok_executor.config_view import ExecutorConfigView, RawImageSection
    from terok_executor.credentials import CredentialMissingError, store_api_key
    from terok_executor.doctor import agent_doctor_checks
    from terok_executor.errors import BuildError, ExecutorError, PrerequisiteError, RequestError, RosterError
    from terok_executor.follow import Outcome
    from terok_executor.host_setup import ensure_sandbox_ready
    from terok_executor.image.builder import ImageBuilder, ImageSet
    from terok_executor.image.context import AGENTS_LABEL
    from terok_executor.image.reference import DEFAULT_BASE_IMAGE, detect_family
    from terok_executor.krun import KrunHost, KrunHostKeypair
    from terok_executor.launch.env import ContainerEnvResult, ContainerEnvSpec, assemble_container_env
    from terok_executor.launch.instructions import bundled_default_instructions, resolve_instructions
    from terok_executor.launch.options import RunOptions
    from terok_executor.launch.request import HeadlessRequest
    from terok_executor.launch.resume import inject_prompt
    from terok_executor.launch.subagents import SubAgent, parse_md_agent
    from terok_executor.launch.task_files import RunRecord
    from terok_executor.launch.tool_task import ToolRequest
    from terok_executor.preflight import CheckResult, Preflight
    from terok_executor.result import RunResult
    from terok_executor.roster.roster import AgentRoster
    from terok_executor.roster.run_config import AgentRunConfig, CLIOverrides, resolve_provider_value
    from terok_executor.roster.types import Agent, Provider, Tool
    from terok_executor.storage import TaskStorageInfo

    __all__ = [
        "AGENTS_LABEL",
        "COMMANDS",
        "DEFAULT_BASE_IMAGE",
        "VAULT_COMMANDS",
        "Agent",
        "AgentRoster",
        "AgentRunConfig",
        "AgentRunner",
        "AuthEvent",
        "AuthSession",
        "Authenticator",
        "BuildError",
        "CLIOverrides",
        "CheckResult",
        "ConfigPatchError",
        "ContainerEnvResult",
        "ContainerEnvSpec",
        "CredentialMissingError",
        "CredentialShapeError",
        "CredentialStatus",
        "ExecutorConfigView",
        "ExecutorError",
        "HeadlessRequest",
        "ImageBuilder",
        "ImageSet",
        "KrunHost",
        "KrunHostKeypair",
        "Leak",
        "LoginError",
        "Outcome",
        "Preflight",
        "PrerequisiteError",
        "Provider",
        "RawImageSection",
        "RequestError",
        "RosterError",
        "RunOptions",
        "RunRecord",
        "RunResult",
        "SubAgent",
        "TaskStorageInfo",
        "Tool",
        "ToolRequest",
        "agent_doctor_checks",
        "assemble_container_env",
        "authenticate",
        "bundled_default_instructions",
        "credential_status",
        "detect_family",
        "ensure_sandbox_ready",
        "extract_credential",
        "inject_prompt",
        "parse_md_agent",
        "resolve_instructions",
        "resolve_provider_value",
        "scan_leaked_credentials",
        "store_api_key",
        "vault_secrets",
    ]
else:
    _EXPORTS = {
        "ensure_sandbox_ready": ".host_setup",
        "RawImageSection": ".config_view",
        "ExecutorConfigView": ".config_view",
        "Tool": ".roster.types",
        "detect_family": ".image.reference",
        "RunOptions": ".launch.options",
        "ToolRequest": ".launch.tool_task",
        "inject_prompt": ".launch.resume",
        "parse_md_agent": ".launch.subagents",
        "SubAgent": ".launch.subagents",
        "resolve_provider_value": ".roster.run_config",
        "AgentRunConfig": ".roster.run_config",
        "CLIOverrides": ".roster.run_config",
        "KrunHostKeypair": ".krun",
        "KrunHost": ".krun",
        "TaskStorageInfo": ".storage",
        "agent_doctor_checks": ".doctor",
        "AuthEvent": ".auth.output",
        "AuthSession": ".auth.session",
        "Authenticator": ".auth.authenticator",
        "ConfigPatchError": ".auth.errors",
        "CredentialShapeError": ".auth.errors",
        "CredentialStatus": ".auth.status",
        "Leak": ".auth.leaks",
        "LoginError": ".auth.errors",
        "VAULT_COMMANDS": ".cli.auth_verbs",
        "authenticate": ".auth.authenticator",
        "credential_status": ".auth.status",
        "extract_credential": ".auth.container",
        "scan_leaked_credentials": ".auth.leaks",
        "vault_secrets": ".auth.leaks",
        "AGENTS_LABEL": ".image.context",
        "Agent": ".roster.types",
        "AgentRoster": ".roster.roster",
        "AgentRunner": ".agent_runner",
        "BuildError": ".errors",
        "CheckResult": ".preflight",
        "COMMANDS": ".cli.tree",
        "ContainerEnvResult": ".launch.env",
        "ContainerEnvSpec": ".launch.env",
        "CredentialMissingError": ".credentials",
        "DEFAULT_BASE_IMAGE": ".image.reference",
        "ExecutorError": ".errors",
        "HeadlessRequest": ".launch.request",
        "ImageBuilder": ".image.builder",
        "ImageSet": ".image.builder",
        "Outcome": ".follow",
        "Preflight": ".preflight",
        "PrerequisiteError": ".errors",
        "Provider": ".roster.types",
        "RequestError": ".errors",
        "RosterError": ".errors",
        "RunRecord": ".launch.task_files",
        "RunResult": ".result",
        "assemble_container_env": ".launch.env",
        "bundled_default_instructions": ".launch.instructions",
        "resolve_instructions": ".launch.instructions",
        "store_api_key": ".credentials",
    }
    __getattr__, __dir__, __all__ = lazy_exports(__name__, _EXPORTS)
