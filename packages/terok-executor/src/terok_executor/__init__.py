"""Runs one AI coding agent on one repository in a hardened container.

Names are loaded when first used, so importing this package costs next to nothing.
"""

from __future__ import annotations

from terok_util import lazy_imports

with lazy_imports(globals()):
    from terok_executor.auth.authenticator import Authenticator as Authenticator
    from terok_executor.auth.authenticator import authenticate as authenticate
    from terok_executor.auth.container import extract_credential as extract_credential
    from terok_executor.auth.errors import ConfigPatchError as ConfigPatchError
    from terok_executor.auth.errors import CredentialShapeError as CredentialShapeError
    from terok_executor.auth.errors import LoginError as LoginError
    from terok_executor.auth.leaks import Leak as Leak
    from terok_executor.auth.leaks import scan_leaked_credentials as scan_leaked_credentials
    from terok_executor.auth.leaks import vault_secrets as vault_secrets
    from terok_executor.auth.output import AuthEvent as AuthEvent
    from terok_executor.auth.session import AuthSession as AuthSession
    from terok_executor.auth.status import CredentialStatus as CredentialStatus
    from terok_executor.auth.status import credential_status as credential_status
    from terok_executor.cli.auth_verbs import VAULT_COMMANDS as VAULT_COMMANDS
    from terok_executor.cli.tree import COMMANDS as COMMANDS
    from terok_executor.compat import AgentProvider as AgentProvider
    from terok_executor.compat import AuthProvider as AuthProvider
    from terok_executor.compat import MountDef as MountDef
    from terok_executor.compat import ProviderConfig as ProviderConfig
    from terok_executor.compat import RawAgentYaml as RawAgentYaml
    from terok_executor.compat import SidecarSpec as SidecarSpec
    from terok_executor.compat import VaultRoute as VaultRoute
    from terok_executor.credentials import CredentialMissingError as CredentialMissingError
    from terok_executor.credentials import store_api_key as store_api_key
    from terok_executor.errors import BuildError as BuildError
    from terok_executor.errors import ExecutorError as ExecutorError
    from terok_executor.errors import PrerequisiteError as PrerequisiteError
    from terok_executor.errors import RequestError as RequestError
    from terok_executor.errors import RosterError as RosterError
    from terok_executor.errors import UndeliveredError as UndeliveredError
    from terok_executor.image.builder import ImageBuilder as ImageBuilder
    from terok_executor.image.builder import ImageSet as ImageSet
    from terok_executor.image.config_view import ExecutorConfigView as ExecutorConfigView
    from terok_executor.image.config_view import RawImageSection as RawImageSection
    from terok_executor.image.context import AGENTS_LABEL as AGENTS_LABEL
    from terok_executor.image.reference import DEFAULT_BASE_IMAGE as DEFAULT_BASE_IMAGE
    from terok_executor.image.reference import detect_family as detect_family
    from terok_executor.launch.env import ContainerEnvResult as ContainerEnvResult
    from terok_executor.launch.env import ContainerEnvSpec as ContainerEnvSpec
    from terok_executor.launch.env import VaultLocation as VaultLocation
    from terok_executor.launch.env import assemble_container_env as assemble_container_env
    from terok_executor.launch.instructions import SubAgent as SubAgent
    from terok_executor.launch.instructions import bundled_default_instructions as bundled_default_instructions
    from terok_executor.launch.instructions import parse_md_agent as parse_md_agent
    from terok_executor.launch.instructions import resolve_instructions as resolve_instructions
    from terok_executor.launch.prepared import KrunHost as KrunHost
    from terok_executor.launch.prepared import KrunHostKeypair as KrunHostKeypair
    from terok_executor.launch.prepared import write_supervisor_sidecar as write_supervisor_sidecar
    from terok_executor.launch.request import AgentRequest as AgentRequest
    from terok_executor.launch.request import LaunchRequest as LaunchRequest
    from terok_executor.launch.request import RunOptions as RunOptions
    from terok_executor.launch.request import ToolRequest as ToolRequest
    from terok_executor.launch.resume import inject_prompt as inject_prompt
    from terok_executor.launch.task_files import AgentConfigSpec as AgentConfigSpec
    from terok_executor.launch.task_files import RunRecord as RunRecord
    from terok_executor.launch.task_files import load_record as load_record
    from terok_executor.launch.task_files import prepare_agent_config_dir as prepare_agent_config_dir
    from terok_executor.launch.task_start import seed_workspace_from_clone_cache as seed_workspace_from_clone_cache
    from terok_executor.paths import mounts_dir as mounts_dir
    from terok_executor.paths import task_dir as task_dir
    from terok_executor.roster.install import InstallSpec as InstallSpec
    from terok_executor.roster.provider import Provider as Provider
    from terok_executor.roster.roster import AGENT_PROVIDERS as AGENT_PROVIDERS
    from terok_executor.roster.roster import AgentRoster as AgentRoster
    from terok_executor.roster.routes import write_routes as write_routes
    from terok_executor.roster.run_config import AgentRunConfig as AgentRunConfig
    from terok_executor.roster.run_config import CLIOverrides as CLIOverrides
    from terok_executor.roster.run_config import resolve_provider_value as resolve_provider_value
    from terok_executor.roster.types import Agent as Agent
    from terok_executor.roster.types import HelpSpec as HelpSpec
    from terok_executor.roster.types import MountSpec as MountSpec
    from terok_executor.roster.types import Tool as Tool
    from terok_executor.runner.agent_runner import AgentRunner as AgentRunner
    from terok_executor.runner.container_care import Outcome as Outcome
    from terok_executor.runner.delivery import Delivery as Delivery
    from terok_executor.runner.doctor import agent_doctor_checks as agent_doctor_checks
    from terok_executor.runner.preflight import CheckResult as CheckResult
    from terok_executor.runner.preflight import Preflight as Preflight
    from terok_executor.runner.preflight import ensure_sandbox_ready as ensure_sandbox_ready
    from terok_executor.runner.result import RunResult as RunResult
    from terok_executor.runner.storage import SharedMountStorageInfo as SharedMountStorageInfo
    from terok_executor.runner.storage import TaskStorageInfo as TaskStorageInfo
