"""`auth`: shows, stores and removes credentials; `sign_in` has the ways to get one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from terok_util import safe_text, show, table

from terok_executor.auth.status import CredentialStatus, credential_status
from terok_executor.errors import RequestError
from terok_executor.integrations.sandbox import SandboxConfig
from terok_executor.roster.loader import load_providers

if TYPE_CHECKING:
    from terok_executor.roster.roster import AgentRoster

NOT_READY = 3


def auth(
    action: str,
    name: str | None,
    credential_set: str,
    method: str | None,
    device_auth: bool,
    from_file: str | None,
    from_command: str | None,
    base: str | None,
    as_json: bool,
) -> int:
    """Do what the first word says; any other word names what to sign in to."""
    if action == "list":
        return _show(credential_status(SandboxConfig.load(), load_providers()), as_json=as_json)
    if action == "status":
        return _status(name, credential_set, as_json=as_json)
    if action == "remove":
        return _remove(name, credential_set)
    if name is not None:
        raise RequestError(f"one name is enough: {name!r} is one too many", hint="see `terok-executor auth --help`")
    from terok_executor.cli.sign_in import sign_in  # a list of what is stored needs no images and containers

    way = "device" if device_auth else method
    sources = {"from_file": from_file, "from_command": from_command}
    return sign_in(action, credential_set=credential_set, method=way, base=base, **sources)


def _status(name: str | None, credential_set: str, *, as_json: bool) -> int:
    """Show what one provider, or every agent's own, has in the set."""
    providers = load_providers()
    if name is None:
        wanted = sorted({agent.provider.default for agent in _roster().agents.values()})
    else:
        wanted = [name if name in providers else _roster().credential_provider(name).name]
    rows = [CredentialStatus(provider, credential_set, "", "missing") for provider in wanted]
    stored = {(row.provider, row.credential_set): row for row in credential_status(SandboxConfig.load(), providers)}
    rows = [stored.get((row.provider, row.credential_set), row) for row in rows]
    _show(rows, as_json=as_json)
    bad = {"expired"} if name is None else {"expired", "missing", "unroutable"}
    return NOT_READY if any(row.state in bad for row in rows) else 0


def _roster() -> AgentRoster:
    from terok_executor.roster.roster import AgentRoster  # the agents cost what listing credentials must not

    return AgentRoster.load()


def _show(rows: list[CredentialStatus], *, as_json: bool) -> int:
    shown = ("provider", "credential_set", "type", "state", "expires_at", "account")
    cells = ([getattr(row, name) or "-" for name in shown] for row in rows)
    show(rows, as_json, table(("PROVIDER", "SET", "TYPE", "STATE", "EXPIRES", "ACCOUNT"), cells))
    return 0


def _remove(name: str | None, credential_set: str) -> int:
    from terok_executor.credentials import CredentialMissingError, remove_credential

    hint = "`terok-executor auth list` shows what is stored"
    if name is None:
        raise RequestError("what is to be removed?", hint=hint)
    roster = _roster()
    known = name in roster.providers or name in roster.agents
    provider = roster.credential_provider(name).name if known else name
    shown = safe_text(provider)
    if not remove_credential(SandboxConfig.load(), provider, credential_set):
        raise CredentialMissingError(f"there is no credential of {shown} in the set {credential_set}", hint=hint)
    print(f"removed the credential of {shown} from the set {credential_set}")
    return 0
