"""From the sandbox's activity feed to facts about a task. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from terok.model.facts import Calls, Clearance, Process, Silence, Spent

if TYPE_CHECKING:
    from terok.integrations.sandbox import Activity, Life
    from terok.model.facts import Fact

SOURCE: Final = "sandbox"
LEFT: Final = "client_left"
"""The outcome of a call whose answer nobody waited for."""
_SHOWN: Final = 3


def facts_of(activity: Activity, now: float) -> dict[str, Fact | None]:
    """Return the facts that a snapshot of a container's activity amounts to, None for those that no longer hold."""
    return {
        **_process(activity.life, now),
        "calls": _calls(activity),
        "clearance": _clearance(activity, now),
        "spent": _spent(activity),
    }


def _process(life: Life | None, now: float) -> dict[str, Fact | None]:
    if life is None:
        return {}
    if life.state == "running":
        return {"process": Process(now, SOURCE, "up", since=life.at), "silence": None}
    if life.state == "ended":
        return {"process": Process(now, SOURCE, "exited", life.exit_code, life.at), "silence": None}
    if life.state in ("missing", "created"):
        return {"process": Process(now, SOURCE, "gone"), "silence": None}
    texts = {"unsupervised": "it runs without its supervisor", "unknown": "podman does not answer"}
    return {"silence": Silence(now, SOURCE, texts[life.state])}


def _calls(activity: Activity) -> Calls | None:
    calls, last = activity.calls, activity.last_call
    # A provider's state outlives the call that it comes from, and may come from something else than a call.
    refusing = [one for one in activity.providers.values() if one.state in ("auth", "limit")]
    worst = max(refusing, key=lambda one: (one.state == "auth", one.at), default=None)
    if last is None and worst is None:
        return None
    begun = max((call.began for call in (*calls, *((last,) if last is not None else ()))), default=0.0)
    ended = max((one.at for one in activity.facts if one.kind == "model_call" and one.over), default=0.0)
    at = max(one.at for one in (last, worst) if one is not None)
    if worst is not None:
        status = 401 if worst.state == "auth" else 429
        return Calls(at, "vault", len(calls), begun, max(ended, worst.at), status, worst.provider, worst.reset_at)
    assert last is not None
    status = last.status if last.over else 200 if ended else 0
    left = last.over and last.outcome == LEFT
    return Calls(at, "vault", len(calls), begun, ended, status, last.provider, left=left)


def _clearance(activity: Activity, now: float) -> Clearance | None:
    asked = activity.questions
    if not asked:
        return None
    targets = tuple(str(one.target) for one in asked[:_SHOWN])
    return Clearance(now, "gateway", min(one.since for one in asked), tuple(one.id for one in asked), targets)


def _spent(activity: Activity) -> Spent | None:
    reached = [one for one in activity.budgets if one.state in ("holds", "refuses")]
    if not reached:
        return None
    first = min(reached, key=lambda one: one.at)
    kind = f"{first.limit} of the {first.whose}"
    return Spent(first.at, "vault", kind, first.used, first.most, activity.held)


def cost_of(activity: Activity) -> float | None:
    """Return what the task has to pay for in US dollars, None if that is not known or a plan pays for all of it."""
    usage = activity.usage
    if usage is None or not usage.cost_known or 0 < usage.cost_usd <= usage.plan_usd:
        return None
    return round(max(0.0, usage.cost_usd - usage.plan_usd), 9)


def landed(activity: Activity) -> frozenset[str]:
    """Return the commits that the last pushes have brought into the gate."""
    return frozenset(one.commit for one in activity.pushes if one.state == "landed" and one.commit)
