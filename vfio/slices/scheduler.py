"""The port to a vendor's own scheduler of time slices, for cards that have one for all their slices."""

from dataclasses import dataclass
from typing import Protocol

from vfio.slices.model import Policy, Sharing


@dataclass(frozen=True, slots=True)
class SchedulerAbility:
    """What can be set for one card. `refused` says why nothing can."""

    policies: tuple[Policy, ...] = ()
    shortest_us: int = 0
    longest_us: int = 0
    refused: str = ""


class Scheduler(Protocol):
    """Addresses are PCI functions. OSError where the driver refuses."""

    def ability(self, address: str) -> SchedulerAbility: ...

    def read(self, address: str) -> Sharing:
        """As it is now, policy and quantum."""

    def set(self, address: str, sharing: Sharing) -> None:
        """For all slices that start from now on. Not kept over a reboot."""


class NoScheduler:
    """A host on which nothing can be set; says why."""

    def __init__(self, reason: str) -> None:
        self._reason = reason

    def ability(self, address: str) -> SchedulerAbility:
        return SchedulerAbility(refused=self._reason)

    def read(self, address: str) -> Sharing:
        return Sharing()

    def set(self, address: str, sharing: Sharing) -> None:
        raise OSError(f"{address}: {self._reason}")
