"""Logs what is news to an operator when a host's cards were looked at again: once each, not at every look."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from kcloud_compute.inventory import Inventory
from vfio.offer import Refusal
from vfio.slices.model import Plan

log = logging.getLogger(__name__)


def log_refusals(before: Sequence[Refusal], now: Sequence[Refusal]) -> None:
    """Once each: an operator wants to know why a card is not offered."""
    for refusal in now:
        if refusal not in before:
            facts = {"code": refusal.code, "device": ",".join(refusal.addresses), "reason": refusal.reason}
            log.warning("device_not_offered", extra=facts)


@dataclass(frozen=True, slots=True)
class Difference:
    """How a card differs from its layout. It stays the same one while other leases keep the card from being
    cut: they come to an end one by one, and nobody has to do anything."""

    plan: Plan
    act: bool
    hindrance: str
    """What somebody may have to see to; empty while the card waits for leases alone."""
    said: str = field(compare=False)


def log_differences(told: Mapping[str, Difference], now: Inventory) -> Mapping[str, Difference]:
    """Once each, and once when a card is as it shall be. `told`: what this has returned last."""
    differing: dict[str, Difference] = {}
    for decision in now.decisions:
        card, why = decision.card.name, decision.drift
        if why:
            hindrance = "" if card in now.waiting else why
            differing[card] = Difference(decision.plan, decision.act, hindrance, why)
            if told.get(card) != differing[card]:
                log.warning("card_differs", extra={"card": card, "reason": why})
        elif decision.act and card in told:
            differing[card] = told[card]  # its turn has come, but it is not cut yet
    for card in told.keys() - differing.keys():
        log.info("card_settled", extra={"card": card})
    return differing
