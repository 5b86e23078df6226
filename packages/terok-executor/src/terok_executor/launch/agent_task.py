"""Starts an agent's container: images, mirror, tokens, files, launch."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from terok_util import ensure_dir, remove_tree

from terok_executor.credentials import issue_phantom, require_credential
from terok_executor.errors import RequestError
from terok_executor.image.builder import ImageBuilder
from terok_executor.image.context import AGENTS_LABEL, CONTAINER_PROTOCOL, PROTOCOL_LABEL
from terok_executor.integrations.sandbox import (
    GateWiring,
    RunSpec,
    SSHManager,
    VolumeSpec,
    Wiring,
    check_mount_sources,
    check_spec,
    gpu_args,
    installed_cdi_devices,
    open_vault,
    policy_tiers,
    profile_path,
    profile_tiers,
)
from terok_executor.launch.config_patch import apply_patches
from terok_executor.launch.env import WORKSPACE, ContainerEnvSpec, assemble_container_env
from terok_executor.launch.limits import run_budget
from terok_executor.launch.policy import deny_lines, upstream_lines
from terok_executor.launch.seeding import seed_workspace_from_clone_cache
from terok_executor.launch.task_files import RunRecord, write_config_files
from terok_executor.launch.task_start import Mirrored, claim_name, launch_task, mirror
from terok_executor.launch.timezone import host_timezone
from terok_executor.paths import clone_cache_dir, task_dir

if TYPE_CHECKING:
    from pathlib import Path

    from terok_executor.image.podman import OnLine
    from terok_executor.integrations.sandbox import LifecycleHooks, Sandbox, SandboxConfig
    from terok_executor.launch.request import CheckedRequest
    from terok_executor.roster.roster import AgentRoster
    from terok_executor.roster.types import Installed, Provider

NOT_BUILT = "localhost/not-built"
"""What stands for the image in a launch that is only judged."""


def start_agent(
    sandbox: Sandbox,
    roster: AgentRoster,
    checked: CheckedRequest,
    *,
    image: str | None = None,
    hooks: LifecycleHooks | None = None,
    on_line: OnLine,
) -> RunRecord:
    """Bring images, mirror, token and files up and launch the container; returns what was started.

    `image` skips the image build. On any error the container, its token and its files are removed again.
    """
    config, request = sandbox.config, checked.request
    asked = _asked(checked, config)
    run_budget(config.budget, request.budget)
    for profile in config.shield_profiles if request.profiles is None else request.profiles:
        profile_path(profile, config.config_dir)
    if request.policy is not None:
        policy_tiers(request.policy)
    sandbox.supervision.check_setup(config)
    for provider in (checked.provider, *_tool_providers(roster, checked).values()):
        require_credential(config, provider, request.credential_set)
    claim_name(sandbox, checked.name, certain=request.name is not None)
    for warning in (*checked.warnings, *_without_keys(config, request.ssh_scope)):
        on_line(f"note: {warning}")
    roster.ensure_vault_routes(config)
    installed = _installed(checked)
    if image is not None:
        check_image(image, sandbox.runtime.image(image).labels(), installed)
    else:
        builder = ImageBuilder(request.base_image, request.family, on_line=on_line)
        image = builder.ensure_default_l1(installed, roster.installs)
    mirrored = (
        mirror(config, checked.repo, checked.scope, request.branch, on_line)
        if checked.repo is not None and request.gate
        else None
    )
    seed = mirrored.gate.seed(clone_cache_dir()) if mirrored is not None and not request.sealed else None
    record = RunRecord(
        container=checked.name,
        agent=checked.agent.name,
        provider=checked.provider.name,
        repo=checked.repo.address if checked.repo is not None else str(request.workspace),
        scope=checked.scope if mirrored is not None else "",
        branch=checked.work_branch if checked.repo is not None else "",
        image=image,
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        timeout=checked.timeout,
        heads=dict(mirrored.heads) if mirrored is not None else {},
        sealed=request.sealed,
        continue_command=checked.continue_command,
        holds_work=checked.repo is not None and request.workspace is None,
    )
    on_line(f"starting {checked.name}")
    launch_task(
        sandbox,
        record,
        lambda: replace(asked, image=image, **_wired(sandbox, roster, checked, mirrored, seed, image)),
        prompt=checked.prompt,
        state_dirs=(mount.host_dir for one in installed for mount in one.mounts),
        hooks=hooks,
    )
    if request.sealed:  # what the workspace was made from is in the container now
        remove_tree(task_dir(checked.name) / "workspace")
    return record


def check_image(image: str, labels: Mapping[str, str], installed: Iterable[Installed]) -> None:
    """Raise RequestError for an image of ours that lacks something or was built by another version.

    An image without our labels is the caller's own business.
    """
    if AGENTS_LABEL not in labels:
        return
    names = [one.name for one in installed]
    rebuild = f"build one with `terok-executor build {' '.join(names)}`"
    if missing := sorted(set(names) - set(labels[AGENTS_LABEL].split(","))):
        raise RequestError(f"image {image} does not hold {', '.join(missing)}", hint=rebuild)
    if labels.get(PROTOCOL_LABEL) != CONTAINER_PROTOCOL:
        raise RequestError(f"image {image} was built by another version of terok", hint=rebuild)


def _installed(checked: CheckedRequest) -> list[Installed]:
    """Return what the image has to hold."""
    return [checked.agent, *checked.tools, *([checked.frontend] if checked.frontend is not None else [])]


def _tool_providers(roster: AgentRoster, checked: CheckedRequest) -> dict[str, Provider]:
    return {tool.name: roster.provider(tool.provider) for tool in checked.tools if tool.provider is not None}


def _without_keys(config: SandboxConfig, scope: str | None) -> tuple[str, ...]:
    """Return a warning if a scope has no SSH key, which may still come while the container runs."""
    if scope is None:
        return ()
    with open_vault(config) as vault:
        if SSHManager(vault).of_scope(scope):
            return ()
    return (
        f"there is no SSH key in the scope {scope}; `terok-executor sandbox ssh add {shlex.quote(scope)}` makes one",
    )


def _asked(checked: CheckedRequest, config: SandboxConfig) -> RunSpec:
    """Return the launch as far as the request says it; SpecError for what the sandbox would refuse in the end."""
    request = checked.request
    mounted = [(request.workspace, WORKSPACE), (request.shared_dir, request.shared_mount)]
    spec = RunSpec(
        container_name=checked.name,
        image=NOT_BUILT,
        volumes=tuple(VolumeSpec(source, target) for source, target in mounted if source is not None),
        command=checked.command,
        task_dir=task_dir(checked.name),
        memory=request.memory,
        cpus=request.cpus,
        gpus=request.gpus,
        unrestricted=request.unrestricted,
        sealed=request.sealed,
        ephemeral=request.ephemeral,
        annotations={"dossier.meta_path": str(request.dossier_path)} if request.dossier_path else {},
    )
    check_spec(spec)
    check_mount_sources(spec.volumes, config)
    gpu_args(spec.gpus, installed_cdi_devices() if spec.gpus else (), runtime="")
    return spec


def _wired(
    sandbox: Sandbox,
    roster: AgentRoster,
    checked: CheckedRequest,
    mirrored: Mirrored | None,
    seed: Path | None,
    image: str,
) -> dict[str, Any]:
    """Write the task's files and return what of the launch depends on them: environment, volumes, services."""
    request, config, directory = checked.request, sandbox.config, task_dir(checked.name)
    phantom = issue_phantom(config, checked.provider, checked.name, request.credential_set)
    tokens = {
        name: issue_phantom(config, provider, checked.name, request.credential_set).token
        for name, provider in _tool_providers(roster, checked).items()
    }
    gate = mirrored.gate if mirrored is not None else None
    token = sandbox.mint_gate_token()
    gate_url = sandbox.gate_url(checked.scope, token) if gate is not None else None
    workspace = request.workspace
    if request.sealed and gate_url is not None:
        copied = ensure_dir(directory / "workspace")
        workspace = copied if seed_workspace_from_clone_cache(copied, checked.scope, gate_url, config) else None
    online = (request.security_class or config.security_class) == "online"
    repo = checked.repo if checked.repo is not None and checked.repo.kind != "path" else None
    direct = repo if gate is None or online else None
    upstream = direct.address if direct is not None else None
    lines = checked.project_allow + (upstream_lines(direct) if direct is not None else ())
    opened = profile_tiers(config, image, request.profiles, lines, request.policy)
    assembled = assemble_container_env(
        ContainerEnvSpec(
            task_id=checked.task_id,
            agent_name=checked.agent.name,
            provider=checked.provider.name,
            phantom_token=phantom.token,
            credential_type=phantom.credential_type,
            credential=phantom.known,
            model=checked.model,
            task_dir=directory,
            gate_url=gate_url,
            upstream=upstream,
            seed=seed,
            start=mirrored.start if mirrored is not None else None,
            work_branch=checked.work_branch,
            branch=request.branch,
            unrestricted=request.unrestricted,
            authorship=checked.authorship,
            instructions=checked.instructions,
            subagents=checked.subagents,
            workspace=workspace,
            shared_dir=request.shared_dir,
            shared_mount=request.shared_mount,
            timezone=request.timezone or host_timezone(),
            tool_tokens={tool.name: tokens.get(tool.name, "") for tool in checked.tools},
            frontend=checked.frontend.name if checked.frontend is not None else None,
        ),
        roster,
    )
    write_config_files(assembled.files)
    apply_patches(assembled.patches)
    return {
        "env": assembled.env,
        "volumes": assembled.volumes,
        "wiring": Wiring(
            scope=checked.scope,
            vault=True,
            ssh_scope=request.ssh_scope,
            budget=run_budget(config.budget, request.budget),
            dossier={"task": checked.task_id or checked.name, "agent": checked.agent.name},
            gate=GateWiring.for_token(gate.path, checked.scope, token, upstream) if gate is not None else None,
            tiers=replace(opened, security_deny=(*opened.security_deny, *deny_lines(roster.providers))),
        ),
    }
