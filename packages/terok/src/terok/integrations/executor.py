"""Everything terok uses of terok_executor, each name imported when it is first used."""

from __future__ import annotations

from terok_util import lazy_imports

with lazy_imports(globals()):
    from terok_executor import AUTH as AUTH
    from terok_executor import COMMANDS as COMMANDS
    from terok_executor import DEFAULT_BASE_IMAGE as DEFAULT_BASE_IMAGE
    from terok_executor import REPORTS as REPORTS
    from terok_executor import VAULT_COMMANDS as VAULT_COMMANDS
    from terok_executor import Agent as Agent
    from terok_executor import AgentRequest as AgentRequest
    from terok_executor import AgentRoster as AgentRoster
    from terok_executor import AgentRunner as AgentRunner
    from terok_executor import Authenticator as Authenticator
    from terok_executor import AuthEvent as AuthEvent
    from terok_executor import AuthSession as AuthSession
    from terok_executor import Checked as Checked
    from terok_executor import CommandRequest as CommandRequest
    from terok_executor import Conversation as Conversation
    from terok_executor import CredentialStatus as CredentialStatus
    from terok_executor import Delivery as Delivery
    from terok_executor import Documented as Documented
    from terok_executor import ImageBuilder as ImageBuilder
    from terok_executor import ImageSettings as ImageSettings
    from terok_executor import Limits as Limits
    from terok_executor import OneOf as OneOf
    from terok_executor import Outcome as Outcome
    from terok_executor import Provider as Provider
    from terok_executor import ReportBatch as ReportBatch
    from terok_executor import ReportCursor as ReportCursor
    from terok_executor import RunRecord as RunRecord
    from terok_executor import RunResult as RunResult
    from terok_executor import StoredImage as StoredImage
    from terok_executor import Tool as Tool
    from terok_executor import TranscriptEvent as TranscriptEvent
    from terok_executor import TranscriptReader as TranscriptReader
    from terok_executor import agent_doctor_checks as agent_doctor_checks
    from terok_executor import agent_names as agent_names
    from terok_executor import agent_or_provider_names as agent_or_provider_names
    from terok_executor import allow_lines as allow_lines
    from terok_executor import build_project_image as build_project_image
    from terok_executor import credential_status as credential_status
    from terok_executor import default_agent as default_agent
    from terok_executor import host_identity as host_identity
    from terok_executor import load_record as load_record
    from terok_executor import read_reports as read_reports
    from terok_executor import read_subagent as read_subagent
    from terok_executor import remove_images as remove_images
    from terok_executor import render_event as render_event
    from terok_executor import render_project as render_project
    from terok_executor import reported_delivery as reported_delivery
    from terok_executor import revoke_phantoms as revoke_phantoms
    from terok_executor import store_api_key as store_api_key
    from terok_executor import stored_images as stored_images
    from terok_executor import task_dir as task_dir
