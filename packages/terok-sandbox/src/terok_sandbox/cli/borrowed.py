"""Verbs for a container that somebody starts with `podman run` of their own: prepare, cleanup."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from terok_util import UsageError, show

from terok_sandbox.cli.containers import allow_line, warn
from terok_sandbox.config import SandboxConfig
from terok_sandbox.launch.spec import RunSpec, Wiring
from terok_sandbox.sandbox.sandbox import Sandbox
from terok_sandbox.sidecar import GateWiring
from terok_sandbox.values.launch import OptOut
from terok_sandbox.vault_addr import LOOPBACK_VAULT_URL

_ANY_IMAGE = "localhost/any"


def prepare(
    *,
    name: str,
    allow: Sequence[str] | None,
    profiles: Sequence[str] | None,
    policy: str | None,
    airlock: bool,
    restricted: bool,
    opt_outs: Sequence[OptOut] | None,
    gate: str | None,
    credentials: Sequence[str] | None,
    as_json: bool,
) -> None:
    """Print the arguments and variables for a `podman run` of one's own."""
    from terok_sandbox.launch.registry_hosts import profile_tiers

    sandbox = Sandbox(warn=warn)
    if credentials:
        _check_credentials(sandbox.config, credentials)
    token = sandbox.mint_gate_token()
    spec = RunSpec(
        container_name=name,
        image=_ANY_IMAGE,
        unrestricted=not restricted,
        opt_outs=tuple(opt_outs or ()),
        wiring=Wiring(
            scope=gate or "",
            vault=bool(credentials),
            gate=_gate(sandbox.config, gate, token) if gate else None,
            enforcement="airlock" if airlock else None,
            tiers=profile_tiers(sandbox.config, None, profiles, [allow_line(target) for target in allow or ()], policy),
        ),
    )
    arguments = sandbox.pre_start_args(spec)
    env = {"TEROK_GATE_URL": sandbox.gate_url(gate, token)} if gate else {}
    if credentials:
        env |= _tokens(sandbox.config, name, credentials)
    lines = (shlex.join(arguments), *(f"{variable}={shlex.quote(value)}" for variable, value in env.items()))
    show({"name": name, "args": arguments, "env": env}, as_json, lines)


def cleanup(*, name: str) -> None:
    """Revoke the tokens and remove the files that prepare made."""
    Sandbox(warn=warn).cleanup(name)
    print(name)


def _gate(config: SandboxConfig, scope: str, token: str) -> GateWiring:
    from terok_sandbox.gate.layout import mirror_path

    mirror = mirror_path(config.gate_base_path, scope)
    if not mirror.is_dir():
        raise UsageError(f"no mirror {scope}", hint="see `terok-sandbox gate list`")
    return GateWiring.for_token(mirror, scope, token)


def _check_credentials(config: SandboxConfig, providers: Sequence[str]) -> None:
    from terok_sandbox.vault.store import DEFAULT_SET
    from terok_sandbox.vault.unlock import open_vault

    with open_vault(config) as vault:
        known = {row.provider for row in vault.list_credentials(DEFAULT_SET)}
    if missing := [provider for provider in providers if provider not in known]:
        raise UsageError(f"the vault has no credential of {missing[0]!r}", hint="see `terok-sandbox vault list`")


def _tokens(config: SandboxConfig, name: str, providers: Sequence[str]) -> dict[str, str]:
    from terok_sandbox.vault.unlock import open_vault

    env = {"TEROK_VAULT_URL": LOOPBACK_VAULT_URL}
    with open_vault(config) as vault:
        for provider in providers:
            variable = f"TEROK_TOKEN_{provider.upper().replace('-', '_')}"
            env[variable] = vault.create_token(name, provider)
    return env
