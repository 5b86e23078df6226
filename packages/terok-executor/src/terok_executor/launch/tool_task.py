"""Runs a sidecar tool: an image of its own without agents, one repository, and the tool's real key.

The tool talks to its vendor itself, so nothing but that host is open to it, and no vault is wired up.
"""

from __future__ import annotations

import secrets
import shlex
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypedDict
from urllib.parse import urlsplit

from terok_executor.credentials import DEFAULT_SET, require_credential
from terok_executor.errors import RequestError
from terok_executor.image.builder import ImageBuilder
from terok_executor.image.reference import DEFAULT_BASE_IMAGE, parse_base
from terok_executor.integrations.sandbox import GateWiring, PolicyTiers, RunSpec, Wiring, open_vault
from terok_executor.launch.env import WORKSPACE, task_volumes, tool_parts
from terok_executor.launch.policy import allow_lines
from terok_executor.launch.request import MAX_TIMEOUT, NAME_PREFIX, HeadlessRequest, check_branch, check_repo
from terok_executor.launch.task_files import RunRecord, write_config_files
from terok_executor.launch.task_start import claim_name, launch_task, mirror
from terok_executor.launch.timezone import check_timezone, host_timezone
from terok_executor.paths import checked_container_name, task_dir
from terok_executor.roster.types import INIT, KILL_AFTER_SECONDS

if TYPE_CHECKING:
    from pathlib import Path

    from terok_executor.image.podman import OnLine
    from terok_executor.integrations.sandbox import LifecycleHooks, Sandbox, SandboxConfig
    from terok_executor.roster.roster import AgentRoster
    from terok_executor.roster.types import Provider, Tool


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolRequest:
    """Which tool to run on what; `timeout` is in seconds."""

    tool: str
    repo: str
    tool_args: tuple[str, ...] = ()
    branch: str | None = None
    gate: bool = True
    name: str | None = None
    timeout: int = 600
    timezone: str | None = None
    credential_set: str = DEFAULT_SET
    base_image: str = DEFAULT_BASE_IMAGE
    family: str | None = None
    project_id: str = ""
    task_id: str = ""
    dossier_path: Path | None = None
    ephemeral: bool = False


class ToolOptions(TypedDict, total=False):
    """Options of a sidecar tool's run, explained at `ToolRequest`."""

    branch: str | None
    gate: bool
    name: str | None
    timeout: int
    timezone: str | None
    credential_set: str
    project_id: str
    task_id: str
    dossier_path: Path | None


def start_tool(
    sandbox: Sandbox,
    roster: AgentRoster,
    request: ToolRequest,
    *,
    image: str | None = None,
    hooks: LifecycleHooks | None = None,
    on_line: OnLine,
) -> RunRecord:
    """Launch a sidecar tool and return what was started; errors as for an agent's run."""
    tool = roster.tool(request.tool, kind="sidecar")
    provider = roster.provider(tool.provider) if tool.provider else None
    parse_base(request.base_image)
    wanted = HeadlessRequest(agent="", repo=request.repo, prompt=None, gate=request.gate, project_id=request.project_id)
    repo, scope = check_repo(wanted)
    assert repo is not None
    scope = request.project_id or scope
    check_branch(request.branch)
    if not 1 <= request.timeout <= MAX_TIMEOUT:
        raise RequestError(f"the time-out has to be between 1 and {MAX_TIMEOUT} seconds")
    zone = check_timezone(request.timezone) or host_timezone()
    task_id = request.task_id or secrets.token_hex(6)
    name = checked_container_name(request.name if request.name is not None else NAME_PREFIX + task_id)
    config = sandbox.config
    sandbox.supervision.check_setup(config)
    if provider is not None:
        require_credential(config, provider, request.credential_set)
    claim_name(sandbox, name, certain=request.name is not None)
    image = image or ImageBuilder(request.base_image, request.family, on_line=on_line).build_sidecar(tool)
    mirrored = mirror(config, repo, scope, request.branch, on_line) if request.gate else None
    gate = mirrored.gate if mirrored is not None else None
    record = RunRecord(
        container=name,
        agent=tool.name,
        provider=provider.name if provider else "",
        repo=repo.address,
        scope=scope if gate is not None else "",
        branch=request.branch or "",
        image=image,
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        timeout=request.timeout,
        heads=dict(mirrored.heads) if mirrored is not None else {},
    )
    token = sandbox.mint_gate_token()

    def spec() -> RunSpec:
        directory = task_dir(name)
        secret = _real_secret(config, provider, request.credential_set) if provider else ""
        env, files = tool_parts(tool, roster, secret, directory)
        write_config_files(files)
        env |= {
            "TASK_ID": task_id,
            "REPO_ROOT": WORKSPACE,
            "CODE_REPO": sandbox.gate_url(scope, token) if gate is not None else repo.address,
            "TEROK_WORK_BRANCH": f"terok/{task_id[:8]}",
            "TEROK_DELIVER": "0",
            **({"GIT_BRANCH": request.branch} if request.branch else {}),
            **({"TEROK_START": mirrored.start} if mirrored is not None and mirrored.start else {}),
            **({"TZ": zone} if zone else {}),
        }
        hosts = [urlsplit(url).netloc for url in (provider.upstream if provider else None,) if url]
        hosts += [] if request.gate else [urlsplit(repo.address).netloc]
        return RunSpec(
            container_name=name,
            image=image,
            env=env,
            volumes=task_volumes(directory, tool),
            command=_command(tool, request),
            task_dir=directory,
            ephemeral=request.ephemeral,
            annotations={"dossier.meta_path": str(request.dossier_path)} if request.dossier_path else {},
            wiring=Wiring(
                scope=scope,
                vault=False,
                gate=GateWiring.for_token(gate.path, scope, token) if gate is not None else None,
                tiers=PolicyTiers(provider_allow=allow_lines(hosts)),
            ),
        )

    on_line(f"starting {name}: {shlex.join((tool.binary, *(request.tool_args or tool.args)))}")
    launch_task(sandbox, record, spec, state_dirs=(mount.host_dir for mount in tool.mounts), hooks=hooks)
    return record


def _command(tool: Tool, request: ToolRequest) -> tuple[str, ...]:
    limit = ("timeout", f"--kill-after={KILL_AFTER_SECONDS}", str(request.timeout))
    return (INIT, *limit, tool.binary, *(request.tool_args or tool.args))


def _real_secret(config: SandboxConfig, provider: Provider, credential_set: str) -> str:
    with open_vault(config) as database:
        credential = database.load_credential(credential_set, provider.name) or {}
    return str(next((credential[key] for key in ("key", "token", "access_token") if credential.get(key)), ""))
