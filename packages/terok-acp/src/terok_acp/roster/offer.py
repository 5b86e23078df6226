"""Offers: an agent's abilities, models and modes, as its adapter said them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from terok_acp.protocol.frames import Frame
from terok_acp.router.options import models_of


@dataclass(frozen=True, slots=True)
class Offer:
    """The results of `initialize` and `session/new` of an agent's adapter, as they came."""

    agent: str
    label: str
    initialize: Frame
    session: Frame

    @property
    def models(self) -> tuple[str, ...]:
        """The ids of its models, without the agent's name; empty if it lists none."""
        return tuple(model.id for model in models_of(self.session).models)


def read_offer(document: Any) -> Offer | None:
    """Return the offer that a JSON document of `offer_document` stands for; None for any other."""
    try:
        agent, label, initialize, session = (document[name] for name in ("agent", "label", "initialize", "session"))
    except (KeyError, TypeError):
        return None
    if type(agent) is str and type(label) is str and type(initialize) is dict and type(session) is dict:
        return Offer(agent, label, initialize, session)
    return None


def offer_document(offer: Offer) -> dict[str, Any]:
    """Return the offer as a JSON document."""
    return {"agent": offer.agent, "label": offer.label, "initialize": offer.initialize, "session": offer.session}
