"""Handlers of the `vault` verbs."""

from __future__ import annotations

from contextlib import suppress
from itertools import chain

from terok_util import register_secret, safe_text
from terok_util.commands.output import show, table

from terok_sandbox.config import SandboxConfig
from terok_sandbox.vault import unlock as unlocking
from terok_sandbox.vault.errors import VaultError, VaultLocked
from terok_sandbox.vault.locking import lock_vault, unlock_by_itself, unlock_with
from terok_sandbox.vault.passphrase.record import update_record
from terok_sandbox.vault.passphrase.tiers import tier_named
from terok_sandbox.vault.store import Billing
from terok_sandbox.vault.unlock import note, say


def status(*, as_json: bool = False) -> int:
    """Show the vault's state; exit code 0 when unlocked or not there yet, 2 when locked, 1 on an error."""
    from terok_sandbox.vault.status import VaultStatus

    now = VaultStatus.load(SandboxConfig.load())
    lines = [
        f"vault        {now.state}{f' ({now.tier})' if now.tier else ''}",
        f"database     {now.db_path}",
        f"passphrase   kept in: {now.durable_tier}",
    ]
    if now.state == "unlocked":
        lines += [f"credentials  {len(now.credentials)}", f"tokens       {now.token_count}"]
    lines += [f"warning      {warning}" for warning in now.warnings]
    lines += [f"{label:13}{text}" for label, text in (("problem", now.problem), ("hint", now.hint)) if text]
    show(now, as_json, lines)
    return {"locked": VaultLocked.exit_code, "error": 1}.get(now.state, 0)


def list_entries(*, as_json: bool = False, include_tokens: bool = False) -> None:
    """List credentials and, if asked for, tokens; never a secret."""
    with unlocking.open_vault(SandboxConfig.load(), interactive=True) as database:
        credentials, tokens = database.list_credentials(), database.list_tokens() if include_tokens else []
    lines = table(
        ("PROVIDER", "SET", "TYPE", "BILLING", "STORED"),
        [(row.provider, row.credential_set, row.kind, row.billing, row.updated_at) for row in credentials],
    )
    if include_tokens:
        rows = [(row.token_id, row.container, row.provider, row.created_at) for row in tokens]
        lines = chain(lines, ("",), table(("TOKEN", "CONTAINER", "PROVIDER", "CREATED"), rows))
    show({"credentials": credentials, **({"tokens": tokens} if include_tokens else {})}, as_json, lines)


def store(*, provider: str, credential_set: str = "default", yes: bool = False) -> None:
    """Store an API key from standard input or, on a terminal, asked for without echo."""
    from terok_sandbox.vault.api_key import check_key
    from terok_sandbox.vault.routes import load_routes

    cfg = SandboxConfig.load()
    session = unlocking.provision_session(cfg, interactive=True)
    key = unlocking.read_secret(f"API key for {safe_text(provider)}: ", "key")
    with unlocking.open_vault(cfg) as database:
        check_key(key, cfg, database)
        register_secret(key)
        old, new = database.load_credential(credential_set, provider), {"type": "api_key", "key": key}
        place = f"{safe_text(provider)} in the set {safe_text(credential_set)}"
        if old not in (None, new) and not yes and not unlocking.confirmed(f"replace the credential of {place}?"):
            raise VaultError(
                f"there is another credential of {place}; it is kept",
                hint="replace it with --yes, or store this one in a set of its own with --credential-set NAME",
            )
        database.store_credential(credential_set, provider, new)
    say(f"stored the key of {provider} in the set {credential_set}")
    with suppress(VaultError):
        if provider not in (known := load_routes(cfg.routes_path)):
            note(f"no route leads to {provider}, so no container can use it; there are {', '.join(sorted(known))}")
    if not unlocking.passphrase_is_kept(cfg):
        note(f"the vault's passphrase is kept in {session} only; a reboot loses it")


def remove(*, provider: str, credential_set: str = "default") -> None:
    """Remove a credential; exit code 1 if there was none."""
    with unlocking.open_vault(SandboxConfig.load(), interactive=True) as database:
        removed = database.delete_credential(credential_set, provider)
    if not removed:
        raise _missing(provider, credential_set)
    say(f"removed the credential of {provider} from the set {credential_set}")


def set_billing(*, provider: str, billing: Billing, credential_set: str = "default") -> None:
    """Note how the use of a credential is paid for."""
    with unlocking.open_vault(SandboxConfig.load(), interactive=True) as database:
        known = database.set_billing(credential_set, provider, billing)
    if not known:
        raise _missing(provider, credential_set)
    paid = {"metered": "paid for by what is used", "plan": "part of a plan"}[billing]
    say(f"the use of {provider} in the set {credential_set} is {paid}")


def revoke(*, container: str) -> None:
    """Revoke a container's tokens."""
    with unlocking.open_vault(SandboxConfig.load(), interactive=True) as database:
        count = database.revoke_tokens(container)
    say(f"revoked {count} token{'' if count == 1 else 's'} of {safe_text(container)}")
    if not count:
        note("`terok-sandbox vault list --include-tokens` shows which containers have tokens")


def unlock(*, recover: bool = False) -> None:
    """Put the passphrase into the session file; without a vault, create one."""
    cfg = SandboxConfig.load()
    there = cfg.db_path.exists()
    if (not recover or not there) and unlock_by_itself(cfg):
        say("the vault is unlocked" if there else f"created the vault {cfg.db_path}")
        return
    passphrase = unlocking.read_secret("Vault passphrase: ", "passphrase")
    unlock_with(cfg, passphrase)
    if recover:
        record = update_record(cfg, rekeying=False, locked=False)
        if (tier := tier_named(cfg, record.tier)) is not None:
            tier.write(passphrase)
            tier.clear(coming=True)
    say("the vault is unlocked" if recover else "the vault is unlocked for this session")


def lock(*, force: bool = False) -> None:
    """Forget the session's passphrase, and leave the durable tier alone until `vault unlock`."""
    dropped = lock_vault(SandboxConfig.load(), force=force)
    say("the vault is locked" if dropped else "the vault was locked already")


def _missing(provider: str, credential_set: str) -> VaultError:
    problem = f"there is no credential of {provider} in the set {credential_set}"
    return VaultError(problem, hint="`terok-sandbox vault list` shows what is stored")
