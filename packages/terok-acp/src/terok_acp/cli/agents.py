"""`list` and `probe`: the agents of a container."""

from __future__ import annotations

from typing import Any

from terok_util import show, table

from terok_acp.roster.acp_roster import ACPRoster
from terok_acp.roster.offer import Offer


def list_agents(container: str, as_json: bool) -> int:
    """Print the agents that an editor can be offered, the default one first; none is started for that."""
    roster = ACPRoster(container)
    rows: list[dict[str, Any]] = []
    for spec in roster.agents():
        offer = roster.offer(spec.agent)
        models = None if offer is None else list(offer.models)
        rows.append({"agent": spec.agent, "label": spec.label, "models": models, "failure": roster.failure(spec.agent)})
    lines = [
        [row["agent"], row["label"], "?" if row["models"] is None else str(len(row["models"])), row["failure"] or ""]
        for row in rows
    ]
    show(rows, as_json, table(["AGENT", "LABEL", "MODELS", "FAILURE"], lines))
    return 0


def show_probe(container: str, agent: str, as_json: bool) -> int:
    """Start an agent's adapter for a moment and print what it offers."""
    offer = ACPRoster(container).probe(agent)
    show(_document(offer), as_json, _text(offer))
    return 0


def _document(offer: Offer) -> dict[str, Any]:
    return {
        "agent": offer.agent,
        "label": offer.label,
        "models": list(offer.models),
        "initialize": offer.initialize,
        "session": offer.session,
    }


def _text(offer: Offer) -> str:
    listed = "\n".join(f"  {offer.agent}:{model}" for model in offer.models) or "  it lists none"
    return f"{offer.label} answers; its models:\n{listed}"
