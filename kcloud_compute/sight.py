"""Keeps the host in view: rescans devices when due, keeps the guests' network up, says what is wrong."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from hypervisor_drivers.driver import DriverError
from hypervisor_drivers.spec import NetworkSpec
from kcloud_compute.devices import Inventory, log_refusals, take_inventory
from kcloud_compute.observe import Senses, observe
from kcloud_compute.observed import Observed
from vfio.device import Snapshot
from vfio.errors import SysfsError
from vfio.offer import OfferRule

log = logging.getLogger(__name__)

RETRY = 2.0
"""Seconds between looks at a host that can't be seen whole; the hypervisor's return also wakes the agent."""


@dataclass(frozen=True, slots=True)
class View:
    """What to look for."""

    network: NetworkSpec
    rules: tuple[OfferRule, ...] = ()
    rescan_interval: float = 60.0


class Sight:
    """One thread's. The clock is an argument."""

    def __init__(self, senses: Senses, view: View) -> None:
        self._senses, self._view = senses, view
        self.inventory = Inventory(Snapshot({}, {}))
        self.problems: tuple[str, ...] = ()
        """What keeps this host from taking new servers."""
        self._rescan_at = 0.0
        self._network_up = False

    def rescan(self) -> None:
        """Bindings have changed: scan at the next look."""
        self._rescan_at = 0.0

    def look(self, now: float, consoles: Mapping[UUID, int]) -> Observed | None:
        """None while the hypervisor or the kernel does not answer."""
        problems: list[str] = []
        self._scan(now, problems)
        observed = None
        try:
            observed = observe(self._senses, self.inventory, consoles)
            self._raise_network()
        except DriverError as error:
            self._network_up = False
            problems.append(f"hypervisor: {error}")
        except (SysfsError, OSError) as error:
            problems.append(f"host: {error}")
        self._tell(tuple(problems))
        return observed

    def _scan(self, now: float, problems: list[str]) -> None:
        if now < self._rescan_at:
            return
        try:
            fresh = take_inventory(self._senses.sysfs, self._view.rules)
        except SysfsError as error:
            problems.append(f"devices: {error}")
            return
        log_refusals(self.inventory.refusals, fresh.refusals)
        self.inventory = fresh
        self._rescan_at = now + self._view.rescan_interval

    def _raise_network(self) -> None:
        if not self._network_up:
            self._senses.driver.ensure_network(self._view.network)
            self._network_up = True

    def _tell(self, problems: tuple[str, ...]) -> None:
        if problems != self.problems:
            log.log(
                logging.WARNING if problems else logging.INFO,
                "host_troubled" if problems else "host_well",
                extra={"problems": "; ".join(problems)},
            )
        self.problems = problems
