"""Starts one headless run; whatever fails on the way is taken back."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from terok_util import FileLock, TerokError, ensure_dir, remove_tree

from terok_executor.credentials import issue_phantom, require_credential, revoke_phantoms
from terok_executor.errors import RequestError
from terok_executor.image.builder import ImageBuilder
from terok_executor.integrations.sandbox import (
    ContainerState,
    GateWiring,
    GitGate,
    PolicyTiers,
    RunSpec,
    Wiring,
)
from terok_executor.launch.config_patch import apply_patches
from terok_executor.launch.env import ContainerEnvSpec, assemble_container_env
from terok_executor.launch.limits import run_budget
from terok_executor.launch.policy import deny_lines
from terok_executor.launch.task_files import RunRecord, prepare_task_dir, save_record, write_config_files
from terok_executor.launch.timezone import host_timezone
from terok_executor.paths import state_dir, task_dir
from terok_executor.roster.routes import write_routes

if TYPE_CHECKING:
    from terok_executor.image.podman import OnLine
    from terok_executor.integrations.sandbox import LifecycleHooks, Sandbox
    from terok_executor.launch.request import CheckedRequest
    from terok_executor.roster.roster import AgentRoster

LAUNCH_LOCK_SECONDS = 300.0


def start_headless(
    sandbox: Sandbox,
    roster: AgentRoster,
    checked: CheckedRequest,
    *,
    image: str | None = None,
    hooks: LifecycleHooks | None = None,
    on_line: OnLine,
) -> RunRecord:
    """Bring images, mirror, token and files up and launch the container; returns what was started.

    ``image`` skips the image build. On any error the container, its token and its files are removed again.
    """
    config = sandbox.config
    run_budget(config.budget, checked.request.budget)
    sandbox.supervision.check_setup(config)
    require_credential(config, checked.provider, checked.request.credential_set)
    _claim_name(sandbox, checked.name)
    write_routes(config.routes_path, roster.providers)
    if image is None:
        builder = ImageBuilder(checked.request.base_image, on_line=on_line)
        image = builder.present([checked.agent], roster.agents) or builder.build([checked.agent]).l1
    gate = GitGate(checked.scope, base=config.gate_base_path, upstream=checked.repo.address)
    on_line(f"mirroring {checked.repo.address}")
    gate.sync()
    record = RunRecord(
        container=checked.name,
        agent=checked.agent.name,
        provider=checked.provider.name,
        repo=checked.repo.address,
        scope=checked.scope,
        branch=checked.work_branch,
        image=image,
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        timeout=checked.request.timeout,
        heads=gate.branch_heads(),
    )
    on_line(f"starting {checked.name}")
    ensure_dir(state_dir())
    # Two runs asked for under one name: the second must not take the first one's token and files away.
    with FileLock(state_dir() / "launch.lock", timeout=LAUNCH_LOCK_SECONDS):
        _claim_name(sandbox, checked.name)
        with ExitStack() as undo:
            undo.callback(_discard_files, sandbox, checked.name)
            directory = task_dir(checked.name)
            prepare_task_dir(
                directory, prompt=checked.prompt, state_dirs=(mount.host_dir for mount in checked.agent.mounts)
            )
            save_record(directory, record)
            sandbox.run(_run_spec(sandbox, roster, checked, gate, image), hooks)
            undo.pop_all()
    return record


def _discard_files(sandbox: Sandbox, name: str) -> None:
    """Take back what this module made for a container; what cannot be taken back is left."""
    with suppress(TerokError):
        revoke_phantoms(sandbox.config, name)
    with suppress(TerokError):
        remove_tree(task_dir(name))


def _run_spec(sandbox: Sandbox, roster: AgentRoster, checked: CheckedRequest, gate: GitGate, image: str) -> RunSpec:
    request = checked.request
    phantom = issue_phantom(sandbox.config, checked.provider, checked.name, request.credential_set)
    token = sandbox.mint_gate_token()
    directory = task_dir(checked.name)
    assembled = assemble_container_env(
        ContainerEnvSpec(
            task_id=checked.task_id,
            agent_name=checked.agent.name,
            provider=checked.provider.name,
            phantom_token=phantom.token,
            credential_type=phantom.credential_type,
            credential=phantom.known,
            model=request.model,
            task_dir=directory,
            code_repo=sandbox.gate_url(checked.scope, token),
            work_branch=checked.work_branch,
            branch=request.branch,
            unrestricted=request.unrestricted,
            authorship=checked.authorship,
            instructions=checked.instructions,
            shared_dir=request.shared_dir,
            shared_mount=request.shared_mount,
            timezone=request.timezone or host_timezone(),
        ),
        roster,
    )
    write_config_files(assembled.files)
    apply_patches(assembled.patches)
    return RunSpec(
        container_name=checked.name,
        image=image,
        env=assembled.env,
        volumes=assembled.volumes,
        command=checked.command,
        task_dir=directory,
        memory=request.memory,
        cpus=request.cpus,
        unrestricted=request.unrestricted,
        wiring=Wiring(
            scope=checked.scope,
            vault=True,
            ssh_scope=request.ssh_scope,
            budget=run_budget(sandbox.config.budget, request.budget),
            gate=GateWiring.for_token(gate.path, checked.scope, token),
            tiers=PolicyTiers(
                security_deny=deny_lines(roster.providers),
                project_allow=checked.project_allow,
            ),
        ),
    )


def _claim_name(sandbox: Sandbox, name: str) -> None:
    """Refuse a name in use; clear away what a container removed by other means has left, its tokens above all."""
    if sandbox.runtime.container(name).state != ContainerState.MISSING:
        raise RequestError(
            f"a container named {name} exists already", hint=f"choose another --name, or `terok-executor rm {name}`"
        )
    if sandbox.config.sidecar_path(name).exists():
        sandbox.rm(name)
    if task_dir(name).exists():
        _discard_files(sandbox, name)
