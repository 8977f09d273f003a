"""Time slicing of a card whose driver has one scheduler for all its slices: of mdev and of vendor-VFIO."""

from contextlib import suppress
from dataclasses import replace

from vfio.errors import LayoutRefused, NotRestored
from vfio.slices import sharing
from vfio.slices.model import Ability, Card, Plan, Sharing
from vfio.slices.records import Before
from vfio.slices.scheduler import Scheduler, SchedulerAbility

_NVIDIA = 0x10DE


class DriverScheduler:
    """NVIDIA's alone, so far: other vendors' mediated devices have nothing to set."""

    def __init__(self, port: Scheduler) -> None:
        self._port = port

    def ability(self, card: Card) -> SchedulerAbility:
        if card.device.vendor != _NVIDIA:
            return SchedulerAbility(refused=f"driver {card.device.driver} has no time slicing to set")
        return self._port.ability(card.address)

    def refusal(self, card: Card, plan: Plan, known: dict[str, Ability] | None = None) -> str:
        """Why the plan's sharing cannot be had; `known` are the card's types, where they are known yet."""
        if not sharing.wanted(plan):
            return ""
        can = self.ability(card)
        if can.refused:
            return can.refused
        if reason := sharing.refused_by_scheduler(plan, known or {}):
            return reason
        asked = sharing.of_card(plan)
        if asked is None or asked.policy not in can.policies:
            words = ", ".join(can.policies) or "none"
            return f"policy {asked and asked.policy} is not to be had here (to be had: {words})"
        if asked.quantum_us and not can.shortest_us <= asked.quantum_us <= can.longest_us:
            return (
                f"a quantum of {asked.quantum_us} us is not to be had: its driver takes "
                f"{can.shortest_us} to {can.longest_us} us"
            )
        return ""

    def noted(self, card: Card, plan: Plan, before: Before) -> Before:
        """With the state that `set` would change."""
        if not sharing.wanted(plan):
            return before
        try:
            return replace(before, sharing=self._port.read(card.address))
        except OSError as error:
            raise LayoutRefused(
                f"reading the scheduler of {card.address}: {error}", (card.address,)
            ) from error

    def set(self, card: Card, plan: Plan) -> None:
        asked = sharing.of_card(plan)
        if asked is None:
            return
        try:
            if not self._stands(card, asked):
                self._port.set(card.address, asked)
        except OSError as error:
            raise LayoutRefused(
                f"setting the scheduler of {card.address}: {error}", (card.address,)
            ) from error

    def restore(self, card: Card, before: Before) -> None:
        if before.sharing is None:
            return
        try:
            if not self._stands(card, before.sharing):
                self._port.set(card.address, before.sharing)
        except OSError as error:
            raise NotRestored(f"the scheduler of {card.address}: {error}", (card.address,)) from error

    def now(self, card: Card, plan: Plan) -> Sharing | None:
        """As the driver says it; None where the plan does not touch it, or the driver does not say."""
        with suppress(OSError):
            return self._port.read(card.address) if sharing.wanted(plan) else None
        return None

    def _stands(self, card: Card, asked: Sharing) -> bool:
        now = self._port.read(card.address)
        return now.policy == asked.policy and asked.quantum_us in (None, now.quantum_us)
