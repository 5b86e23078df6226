"""The launch of a tool: an image of its own without agents, one repository, and the tool's real key.

The tool talks to its vendor itself, so only the vendor's host is open to it, and it has no vault.
"""

from __future__ import annotations

import shlex
from dataclasses import replace
from urllib.parse import urlsplit

from terok_executor.credentials import require_credential
from terok_executor.errors import RequestError
from terok_executor.image.builder import ImageBuilder
from terok_executor.image.podman import OnLine
from terok_executor.integrations.sandbox import (
    GateWiring,
    LifecycleHooks,
    PolicyTiers,
    Sandbox,
    SandboxConfig,
    Wiring,
    open_vault,
)
from terok_executor.launch.check import check_task
from terok_executor.launch.env import host_timezone, task_volumes, tool_parts
from terok_executor.launch.request import WORKSPACE, Task, ToolRequest
from terok_executor.launch.task_files import RunRecord, write_config_files
from terok_executor.launch.task_start import Mirrored, claimed_task, make_record, mirror, name_refusals
from terok_executor.paths import task_dir
from terok_executor.roster.egress import allow_lines
from terok_executor.roster.provider import Provider
from terok_executor.roster.roster import AgentRoster
from terok_executor.roster.run_config import INIT, time_limit


def start_tool(
    sandbox: Sandbox,
    roster: AgentRoster,
    request: ToolRequest,
    *,
    image: str | None = None,
    hooks: LifecycleHooks | None = None,
    on_line: OnLine,
) -> RunRecord:
    """Launch a tool and return its record; raises as `start_agent` does."""
    tool = roster.tool(request.tool, kind="sidecar")
    provider = roster.provider(tool.provider) if tool.provider else None
    task, config = check_task(request), sandbox.config
    if task.repo is None:
        raise RequestError("there is nothing to work on", hint="name a repository")
    words = (tool.binary, *(request.tool_args or tool.args))
    spec = request.spec(task.name, (INIT, *time_limit(request.timeout), *words), wiring=Wiring(scope=task.scope))
    with name_refusals(task.name):
        sandbox.check(spec, new_name=request.name is not None)
    if provider is not None:
        require_credential(config, provider, request.credential_set)
    image = image or ImageBuilder(request.base_image, request.family, on_line=on_line).build_sidecar(tool)
    source = (
        mirror(config, task.repo, task.scope, request.branch, on_line, request.default_branch, request.start)
        if request.gate
        else None
    )
    record = make_record(
        task,
        request,
        image,
        source,
        agent=tool.name,
        provider=provider.name if provider else "",
        repo=task.repo.address,
        branch=request.branch or "",
    )
    on_line(f"starting {task.name}: {shlex.join(words)}")
    directory = task_dir(task.name)
    with claimed_task(sandbox, record, state_dirs=(mount.host_dir for mount in tool.mounts)) as claim:
        secret = _real_secret(config, provider, request.credential_set) if provider else ""
        env, files = tool_parts(tool, roster, secret, directory)
        write_config_files(files)
        token = sandbox.mint_gate_token()
        address = sandbox.gate_url(task.scope, token) if source is not None else task.repo.address
        # Without the gate the tool reaches the repository's host itself.
        urls = (provider.upstream if provider else None, address if source is None else None)
        tiers = PolicyTiers(provider_allow=allow_lines(urlsplit(url).netloc for url in urls if url))
        gate = GateWiring.for_token(source.gate.path, task.scope, token) if source is not None else None
        spec = replace(
            spec,
            image=image,
            env=env | _environment(task, request, address, source),
            volumes=task_volumes(directory, tool),
            wiring=Wiring(scope=task.scope, vault=False, gate=gate, tiers=tiers),
        )
        claim.run(spec, hooks)
    return record


def _environment(task: Task, request: ToolRequest, repo_url: str, source: Mirrored | None) -> dict[str, str]:
    given = {
        "GIT_BRANCH": request.branch,
        "TEROK_START": source.start if source is not None else None,
        "TZ": request.timezone or host_timezone(),
    }
    return {
        "TASK_ID": task.id,
        "REPO_ROOT": WORKSPACE,
        "CODE_REPO": repo_url,
        "TEROK_WORK_BRANCH": task.work_branch,
        "TEROK_DELIVER": "0",
        **{name: value for name, value in given.items() if value},
    }


def _real_secret(config: SandboxConfig, provider: Provider, credential_set: str) -> str:
    with open_vault(config) as database:
        credential = database.load_credential(credential_set, provider.name) or {}
    return str(next((credential[key] for key in ("key", "token", "access_token") if credential.get(key)), ""))
