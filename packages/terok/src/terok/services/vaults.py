"""The vault as a person sees it: state, tiers, credentials, tokens and budgets, never a secret; and their changes."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from terok_util import TerokError, UsageError, register_secret, safe_text

from terok.integrations.executor import AgentRoster, credential_status
from terok.integrations.sandbox import (
    PassphraseKept,
    Sandbox,
    SandboxConfig,
    VaultStatus,
    lock_vault,
    open_vault,
    unlock_by_itself,
    unlock_with,
)
from terok.model.timeline_rows import moment
from terok.services.at_once import at_once
from terok.services.tasks_base import TaskBase

if TYPE_CHECKING:
    from terok.model.task import Task

Billing = Literal["metered", "plan"]
Whose = Literal["task", "project", "day"]
BUDGET_SECONDS: Final = 3.0
"""Seconds in which all vaults of containers have to tell how their budgets stand."""
_TEXT: Final = 300


class Credential(NamedTuple):
    """A stored credential without its secret; times are in seconds since the epoch, None where they are not known.

    `state` is `valid`, `refreshes`, `expired` or `unroutable`.
    """

    provider: str
    credential_set: str
    kind: str
    state: str
    billing: str
    stored: float | None
    expires: float | None
    account: str


class Token(NamedTuple):
    """A phantom token by its public name; `task` is the id of the task whose container has it, "" for another's."""

    id: str
    container: str
    task: str
    provider: str
    credential_set: str
    made: float | None


class Limit(NamedTuple):
    """How one limit of a task that runs stands; `most` is where it ends, `held` counts calls that wait."""

    task: str
    container: str
    whose: Whose
    limit: str
    used: float
    most: float
    state: str
    held: int


class Safe(NamedTuple):
    """Everything about the vault. `state` is `unprovisioned`, `locked`, `unlocked` or `error`.

    `tier` gave the passphrase this time, `kept` is the durable one, and `tiers` says which of them this machine has.
    `silent` are containers whose vault did not tell how their limits stand.
    """

    state: str
    tier: str
    path: str
    kept: str
    acknowledged: bool
    tiers: tuple[tuple[str, bool], ...]
    warnings: tuple[str, ...]
    problem: str
    hint: str
    credentials: tuple[Credential, ...]
    tokens: tuple[Token, ...]
    limits: tuple[Limit, ...]
    silent: tuple[str, ...]


def look() -> Safe:
    """Return how the vault stands; nobody is asked for a passphrase."""
    config = SandboxConfig.load()
    status = VaultStatus.load(config)
    with TaskBase(create=False) as tasks:
        known = tasks.store.tasks()
    tiers: tuple[tuple[str, bool], ...] = ()
    problem, hint = status.problem or "", status.hint or ""
    try:
        tiers = tuple(PassphraseKept.look(config).available.items())
    except TerokError as error:
        problem, hint = problem or error.message, hint or error.hint or ""
    limits, silent = _limits(known)
    return Safe(
        state=status.state,
        tier=status.tier or "",
        path=status.db_path,
        kept=status.durable_tier,
        acknowledged=status.recovery_acknowledged,
        tiers=tiers,
        warnings=status.warnings,
        problem=safe_text(problem, limit=_TEXT),
        hint=safe_text(hint, limit=_TEXT),
        credentials=_credentials(config, status) if status.state == "unlocked" else (),
        tokens=_tokens(config, known) if status.state == "unlocked" else (),
        limits=limits,
        silent=silent,
    )


def unlock(passphrase: str | None = None) -> str:
    """Unlock the vault and return what was done; "" if a person has to give the passphrase first."""
    config = SandboxConfig.load()
    if passphrase is None:
        return "the vault is unlocked" if unlock_by_itself(config) else ""
    register_secret(passphrase)
    unlock_with(config, passphrase)
    return "the vault is unlocked for this session"


def lock() -> str:
    """Lock the vault; VaultError if that would lose the passphrase."""
    return "the vault is locked" if lock_vault(SandboxConfig.load()) else "the vault was locked already"


def remove(provider: str, credential_set: str) -> str:
    """Remove a credential; UsageError if there is none."""
    with open_vault(SandboxConfig.load()) as database:
        if not database.delete_credential(credential_set, provider):
            raise _missing(provider, credential_set)
    return f"the credential of {safe_text(provider)} is removed"


def set_billing(provider: str, credential_set: str, billing: Billing) -> str:
    """Note how the use of a credential is paid for; UsageError if there is none."""
    with open_vault(SandboxConfig.load()) as database:
        if not database.set_billing(credential_set, provider, billing):
            raise _missing(provider, credential_set)
    paid = {"metered": "paid for by what is used", "plan": "part of a plan"}[billing]
    return f"the use of {safe_text(provider)} is {paid}"


def revoke(container: str) -> str:
    """Revoke a container's tokens."""
    with open_vault(SandboxConfig.load()) as database:
        count = database.revoke_tokens(container)
    return f"revoked {count} token{'' if count == 1 else 's'} of {safe_text(container)}"


def decide(container: str, answer: Literal["raise", "finish", "stop"], limit: Limit, most: float = 0.0) -> str:
    """Carry out a decision about a limit that is reached; BudgetError for one that cannot be."""
    if answer == "raise":
        Sandbox().decide_budget(container, "raise", limit=limit.limit, most=most, whose=limit.whose)
        return f"{limit.limit} of the {limit.whose} may be {most:g} now"
    Sandbox().decide_budget(container, answer)
    return "its turn may be finished" if answer == "finish" else "what waits is refused"


def _missing(provider: str, credential_set: str) -> UsageError:
    problem = f"there is no credential of {safe_text(provider)} in the set {safe_text(credential_set)}"
    return UsageError(problem, hint="`terok vault list` shows what is stored")


def _credentials(config: SandboxConfig, status: VaultStatus) -> tuple[Credential, ...]:
    billing = {(row.credential_set, row.provider): row.billing for row in status.credentials}
    return tuple(
        Credential(
            provider=safe_text(one.provider, limit=64),
            credential_set=safe_text(one.credential_set, limit=64),
            kind=safe_text(one.type, limit=32),
            state=one.state,
            billing=billing.get((one.credential_set, one.provider), "metered"),
            stored=moment(one.stored_at),
            expires=moment(one.expires_at),
            account=safe_text(one.account or "", limit=100),
        )
        for one in credential_status(config, AgentRoster.shared().providers)
    )


def _tokens(config: SandboxConfig, known: list[Task]) -> tuple[Token, ...]:
    owners = {task.container: task.id for task in known if task.container}
    with open_vault(config) as database:
        rows = database.list_tokens()
    return tuple(
        Token(
            id=safe_text(row.token_id, limit=64),
            container=safe_text(row.container, limit=63),
            task=owners.get(row.container, ""),
            provider=safe_text(row.provider, limit=64),
            credential_set=safe_text(row.credential_set, limit=64),
            made=moment(row.created_at),
        )
        for row in rows
    )


def _limits(known: list[Task]) -> tuple[tuple[Limit, ...], tuple[str, ...]]:
    running = [task for task in known if task.process == "up" and task.container]
    if not running:
        return (), ()
    sandbox = Sandbox()
    answers = at_once([partial(sandbox.budget, task.container) for task in running], seconds=BUDGET_SECONDS)
    limits: list[Limit] = []
    silent: list[str] = []
    for task, answer in zip(running, answers, strict=True):
        if answer.value is None:
            silent.append(task.name)
        else:
            limits += (_limit(task, row) for row in answer.value["limits"])
    return tuple(limits), tuple(silent)


def _limit(task: Task, row: dict[str, Any]) -> Limit:
    return Limit(
        task.id,
        task.container,
        row["whose"],
        safe_text(str(row["limit"]), limit=32),
        float(row["used"]),
        float(row["most"]),
        safe_text(str(row["state"]), limit=16),
        int(row["held"]),
    )
