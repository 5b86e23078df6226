"""The launch of an agent: checks, image, mirror, tokens, files, container."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from terok_util import ensure_dir, remove_tree

from terok_executor.auth.leaks import secrets_in, vault_secrets
from terok_executor.credentials import issue_phantom, require_credential
from terok_executor.errors import RequestError
from terok_executor.image.builder import ImageBuilder
from terok_executor.image.context import AGENTS_LABEL, CONTAINER_PROTOCOL, PROTOCOL_LABEL
from terok_executor.image.podman import OnLine
from terok_executor.integrations.sandbox import (
    LIMIT_NAMES,
    Budget,
    GateWiring,
    LifecycleHooks,
    RepoSource,
    RunSpec,
    Sandbox,
    SandboxConfig,
    SandboxError,
    SSHManager,
    VolumeSpec,
    Wiring,
    open_vault,
    policy_tiers,
    profile_path,
    profile_tiers,
)
from terok_executor.launch.check import check_request
from terok_executor.launch.env import ContainerEnvSpec, assemble_container_env, host_timezone
from terok_executor.launch.request import WORKSPACE, AgentRequest, AgentRun
from terok_executor.launch.task_files import RunRecord, apply_patches, write_config_files
from terok_executor.launch.task_start import (
    Mirrored,
    claimed_task,
    copy_references,
    make_record,
    mirror,
    name_refusals,
    seed_workspace_from_clone_cache,
)
from terok_executor.paths import clone_cache_dir, task_dir
from terok_executor.roster.egress import upstream_lines, without_providers
from terok_executor.roster.provider import Provider
from terok_executor.roster.roster import AgentRoster
from terok_executor.roster.types import Installed


def start_agent(
    sandbox: Sandbox,
    roster: AgentRoster,
    request: AgentRequest,
    *,
    image: str | None = None,
    hooks: LifecycleHooks | None = None,
    on_line: OnLine,
) -> RunRecord:
    """Launch an agent's container and return its record; `image` skips the image build.

    The request is judged before anything is built. On any error the container, its tokens and its files are removed
    again. Raises as `AgentRunner.run_headless` does.
    """
    run = check_request(request, roster)
    task, config = run.task, sandbox.config
    chosen = _image(sandbox, roster, run, image, on_line)
    spec = _check_launch(sandbox, roster, run)
    for warning in (*run.warnings, *_missing_keys(config, request.ssh_scope)):
        on_line(f"note: {warning}")
    roster.ensure_vault_routes(config)
    source: Mirrored | None = None
    seed: Path | None = None
    if task.repo is not None and request.gate:
        wanted = (request.branch, on_line, request.default_branch, request.start)
        source = mirror(config, task.repo, task.scope, *wanted)
        seed = source.gate.seed(clone_cache_dir()) if not request.sealed else None
    references = copy_references(config, task.scope, request.references, on_line)
    image = chosen()
    record = make_record(
        task,
        request,
        image,
        source,
        agent=run.agent.name,
        provider=run.provider.name,
        repo=task.repo.address if task.repo is not None else str(request.workspace),
        branch=task.work_branch if task.repo is not None else "",
        sealed=request.sealed,
        continue_command=run.continue_command,
        resume_command=run.resume_command,
        unrestricted=request.unrestricted,
        holds_work=task.repo is not None and request.workspace is None,
    )
    on_line(f"starting {task.name}")
    state_dirs = (mount.host_dir for installed in run.installed for mount in installed.mounts)
    with claimed_task(sandbox, record, prompt=run.prompt, state_dirs=state_dirs, kept=request.kept) as claim:
        claim.run(_complete(sandbox, roster, run, replace(spec, image=image), source, seed, references), hooks)
    if request.sealed:  # what the workspace was made from is in the container now
        remove_tree(task_dir(task.name) / "workspace")
    return record


def _image(
    sandbox: Sandbox, roster: AgentRoster, run: AgentRun, given: str | None, on_line: OnLine
) -> Callable[[], str]:
    """Judge the given image, or begin to look for one; the function returned tells which it is, and builds it first."""
    if given is not None:
        check_image(given, sandbox.runtime.image(given).labels(), run.installed)
        return lambda: given
    request = run.request
    builder = ImageBuilder(request.base_image, request.family, on_line=on_line)
    return builder.looking(run.installed, roster.installs)


def check_image(image: str, labels: Mapping[str, str], installed: Iterable[Installed]) -> None:
    """Raise RequestError for an image that lacks an agent or tool, or was built by another version of terok.

    An image without labels of terok is the caller's own and not judged.
    """
    if AGENTS_LABEL not in labels:
        return
    names = [item.name for item in installed]
    rebuild = f"build one with `terok-executor build {' '.join(names)}`"
    if missing := sorted(set(names) - set(labels[AGENTS_LABEL].split(","))):
        raise RequestError(f"image {image} does not hold {', '.join(missing)}", hint=rebuild)
    if labels.get(PROTOCOL_LABEL) != CONTAINER_PROTOCOL:
        raise RequestError(f"image {image} was built by another version of terok", hint=rebuild)


def _check_launch(sandbox: Sandbox, roster: AgentRoster, run: AgentRun) -> RunSpec:
    """Judge the run on this host, before anything is built; return the launch as far as the request determines it."""
    request, config, name = run.request, sandbox.config, run.task.name
    mounted = ((request.workspace, WORKSPACE), (request.shared_dir, request.shared_mount))
    volumes = tuple(VolumeSpec(source, target) for source, target in mounted if source is not None)
    wiring = Wiring(scope=run.task.scope, ssh_scope=request.ssh_scope, unasked=run.agent.unasked)
    spec = request.spec(name, run.command, volumes=volumes, wiring=wiring)
    # Asking Podman for the name costs a process; a name of our own making is not taken.
    with name_refusals(name):
        sandbox.check(spec, new_name=request.name is not None)
    run_budget(config.budget, request.budget)
    for profile in config.shield_profiles if request.profiles is None else request.profiles:
        profile_path(profile, config.config_dir)
    if request.policy is not None:
        policy_tiers(request.policy)
    for provider in (run.provider, *_tool_providers(roster, run).values()):
        require_credential(config, provider, request.credential_set)
    _check_values(config, request.env)
    return spec


def _check_values(config: SandboxConfig, env: Mapping[str, str]) -> None:
    """Raise RequestError for a variable with a secret of the vault in it: the container gets phantom tokens only."""
    secrets = vault_secrets(config) if env else []
    for name, value in env.items():
        for secret in secrets_in([value.encode("utf-8", "replace")], secrets):
            raise RequestError(
                f"the variable {name} contains a secret of the vault: {secret.provider}, set {secret.credential_set}",
                hint="leave it out of --env: the agent reaches the provider through the vault",
            )


def _tool_providers(roster: AgentRoster, run: AgentRun) -> dict[str, Provider]:
    return {tool.name: roster.provider(tool.provider) for tool in run.tools if tool.provider is not None}


def _missing_keys(config: SandboxConfig, scope: str | None) -> tuple[str, ...]:
    """Return a warning if a scope has no SSH key; one may still be added while the container runs."""
    if scope is None:
        return ()
    with open_vault(config) as vault:
        present = SSHManager(vault).of_scope(scope)
    command = f"terok-executor sandbox ssh add {shlex.quote(scope)}"
    return () if present else (f"there is no SSH key in the scope {scope}; `{command}` makes one",)


def _complete(
    sandbox: Sandbox,
    roster: AgentRoster,
    run: AgentRun,
    spec: RunSpec,
    source: Mirrored | None,
    seed: Path | None,
    references: Mapping[str, Path],
) -> RunSpec:
    """Make the container's tokens, write its files, and return the launch with environment, volumes and services."""
    request, task, config = run.request, run.task, sandbox.config
    directory = task_dir(task.name)
    phantom = issue_phantom(config, run.provider, task.name, request.credential_set)
    tool_tokens = {
        name: issue_phantom(config, provider, task.name, request.credential_set).token
        for name, provider in _tool_providers(roster, run).items()
    }
    token = sandbox.mint_gate_token()
    gate_url = sandbox.gate_url(task.scope, token) if source is not None else None
    workspace = None
    if request.sealed and gate_url is not None:
        copied = ensure_dir(directory / "workspace")
        workspace = copied if seed_workspace_from_clone_cache(copied, task.scope, gate_url, config) else None
    direct = _direct_upstream(run, config)
    upstream = direct.address if direct is not None else None
    parts = ContainerEnvSpec(
        run=run,
        task_dir=directory,
        phantom=phantom,
        tool_tokens=tool_tokens,
        gate_url=gate_url,
        upstream=upstream,
        seed=seed,
        references=references,
        start=source.start if source is not None else None,
        workspace=workspace,
        timezone=host_timezone(),
    )
    assembled = assemble_container_env(parts, roster)
    write_config_files(assembled.files)
    apply_patches(assembled.patches)
    lines = run.allow + (upstream_lines(direct) if direct is not None else ())
    opened = profile_tiers(config, spec.image, request.profiles, lines, request.policy)
    wiring = replace(
        spec.wiring,
        budget=run_budget(config.budget, request.budget),
        dossier={"task": task.id, "agent": run.agent.name},
        gate=GateWiring.for_token(source.gate.path, task.scope, token, upstream) if source is not None else None,
        tiers=without_providers(opened, roster.providers),
    )
    return replace(spec, env=assembled.env, volumes=assembled.volumes, wiring=wiring)


def _direct_upstream(run: AgentRun, config: SandboxConfig) -> RepoSource | None:
    """Return the repository whose upstream the container sees: that of an online project, or one without a gate."""
    repo, request = run.task.repo, run.request
    if repo is None or repo.kind == "path":
        return None
    online = (request.security_class or config.security_class) == "online"
    return repo if online or not request.gate else None


def run_budget(configured: Budget, limits: Iterable[str]) -> Budget | None:
    """Return the budget of a run with limits of its own; None, which means the configured budget, without any.

    Each limit is `NAME=NUMBER`: cost (USD), tokens, requests, bytes or seconds. It replaces the configured limit of the
    task; the project's limits stay. RequestError for anything else.
    """
    wanted = dict(_limit(text) for text in limits)
    if not wanted:
        return None
    try:
        checked = type(configured.task).parse(wanted, "--budget")
    except SandboxError as error:
        raise RequestError(error.message, hint="use cost, tokens, requests, bytes or seconds") from None
    return replace(configured, task=replace(configured.task, **{name: getattr(checked, name) for name in wanted}))


def _limit(text: str) -> tuple[str, Any]:
    name, _, value = text.partition("=")
    try:
        return LIMIT_NAMES.get(name, name), float(value) if name in LIMIT_NAMES else int(value)
    except ValueError:
        hint = "use NAME=NUMBER, such as cost=2.50 or tokens=200000"
        raise RequestError(f"invalid limit {text[:60]!r}", hint=hint) from None
