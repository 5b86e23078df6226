"""Runs one AI coding agent on one repository in a hardened container.

Names are loaded when first used, so importing this package costs next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from terok_util import lazy_exports

if TYPE_CHECKING:
    from terok_executor.agent_runner import AgentRunner
    from terok_executor.cli.tree import COMMANDS
    from terok_executor.credentials import CredentialMissingError, store_api_key
    from terok_executor.errors import BuildError, ExecutorError, PrerequisiteError, RequestError, RosterError
    from terok_executor.follow import Outcome
    from terok_executor.image.builder import ImageBuilder, ImageSet
    from terok_executor.image.context import AGENTS_LABEL
    from terok_executor.image.reference import DEFAULT_BASE_IMAGE
    from terok_executor.launch.env import ContainerEnvResult, ContainerEnvSpec, assemble_container_env
    from terok_executor.launch.instructions import bundled_default_instructions, resolve_instructions
    from terok_executor.launch.request import HeadlessRequest
    from terok_executor.launch.task_files import RunRecord
    from terok_executor.preflight import CheckResult, Preflight
    from terok_executor.result import RunResult
    from terok_executor.roster.roster import AgentRoster
    from terok_executor.roster.types import Agent, Provider

    from terok_executor.doctor import agent_doctor_checks
    from terok_executor.storage import TaskStorageInfo
    from terok_executor.krun import KrunHost
    from terok_executor.krun import KrunHostKeypair
    from terok_executor.roster.run_config import CLIOverrides
    from terok_executor.roster.run_config import AgentRunConfig
    from terok_executor.roster.run_config import resolve_provider_value
    from terok_executor.launch.subagents import SubAgent
    from terok_executor.launch.subagents import parse_md_agent
    from terok_executor.launch.resume import inject_prompt
    from terok_executor.launch.tool_task import ToolRequest
    from terok_executor.launch.options import RunOptions
    from terok_executor.image.reference import detect_family
    from terok_executor.roster.types import Tool

    __all__ = [
        "Tool",
        "detect_family",
        "RunOptions",
        "ToolRequest",
        "inject_prompt",
        "parse_md_agent",
        "SubAgent",
        "resolve_provider_value",
        "AgentRunConfig",
        "CLIOverrides",
        "KrunHostKeypair",
        "KrunHost",
        "TaskStorageInfo",
        "agent_doctor_checks",
        "AGENTS_LABEL",
        "COMMANDS",
        "DEFAULT_BASE_IMAGE",
        "Agent",
        "AgentRoster",
        "AgentRunner",
        "BuildError",
        "CheckResult",
        "ContainerEnvResult",
        "ContainerEnvSpec",
        "CredentialMissingError",
        "ExecutorError",
        "HeadlessRequest",
        "ImageBuilder",
        "ImageSet",
        "Outcome",
        "Preflight",
        "PrerequisiteError",
        "Provider",
        "RequestError",
        "RosterError",
        "RunRecord",
        "RunResult",
        "assemble_container_env",
        "bundled_default_instructions",
        "resolve_instructions",
        "store_api_key",
    ]
else:
    _EXPORTS = {
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
