"""Keeps the host in view: rescans devices when due, keeps the guests' network up, says what is wrong."""

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from uuid import UUID

from hypervisor_drivers.driver import DriverError
from hypervisor_drivers.spec import NetworkSpec
from kcloud_common.wire import LayoutWant
from kcloud_compute.card_health import ill
from kcloud_compute.cuts import card_layouts
from kcloud_compute.device_record import DeviceRecord
from kcloud_compute.devices import burn_ins
from kcloud_compute.inventory import Inventory, Known, Looking, keep_claimed, take_inventory
from kcloud_compute.inventory_log import Difference, log_differences, log_refusals
from kcloud_compute.observe import Senses, observe
from kcloud_compute.observed import Observed
from kcloud_compute.storage import Storage
from vfio.errors import SysfsError
from vfio.health import Errors, Reading
from vfio.scan import boot_id
from vfio.slices.model import Plan, Slice

log = logging.getLogger(__name__)

RETRY = 2.0
"""Seconds between looks at a host that can't be seen whole; the hypervisor's return also wakes the agent."""

PATIENCE = 300.0
"""Seconds: cutting takes some, and a host with many cards cuts several after each other."""

_TO_CUT = "layout: "


@dataclass(frozen=True, slots=True)
class View:
    """What to look for."""

    network: NetworkSpec
    looking: Looking
    rescan_interval: float = 60.0


class Sight:
    """One thread's. The clock is an argument."""

    def __init__(self, senses: Senses, view: View) -> None:
        self._senses, self._view = senses, view
        self.inventory = Inventory()
        self.problems: tuple[str, ...] = ()
        """What keeps this host from taking new servers."""
        self.layout_version = ""
        """Of the layout that `inventory` was judged by: a new one is not while cards are left alone."""
        self._storage = Storage(senses.paths.root)
        self._rescan_at = 0.0
        self._network_up = False
        self._layout: LayoutWant | None = None
        self._refused: dict[str, tuple[Plan, str]] = {}
        self._scanned = False
        self._held_since: float | None = None
        self._well: dict[str, tuple[int, Reading]] = {}
        """Of each card the burn-ins done, and its first reading since: who passed one begins anew."""
        self._ill: dict[str, str] = {}
        self._differing: Mapping[str, Difference] = {}
        """From their layout, as it was logged."""
        self._damage: set[str] = set()
        self._damaged_layouts: set[str] = set()
        self._errors: dict[str, tuple[int | None, int | None]] = {}
        """Of each card the errors that nobody could correct, as they were noted last."""

    def refused(self, card: str, plan: Plan, why: str) -> None:
        """The card's kernel will not have it so, until the layout or the card is another one."""
        self._refused[card] = plan, why
        self.rescan()

    def slices(self) -> Mapping[str, Slice] | None:
        """By name, as last seen; None before the devices could be read at all."""
        return self.inventory.slices if self._scanned else None

    def doubt_storage(self) -> None:
        """Something has failed, and it may be the agent's own disk."""
        self._storage.doubt()

    def hold(self, cutting: bool, now: float) -> bool:
        """While a card is being cut, what stood before counts: half of it is neither whole nor cut, and a
        device that is about to come would look gone. But one that hangs blinds the host to the others for
        `PATIENCE` only. Returns whether cards are left alone now."""
        if not cutting:
            self._held_since = None
        elif self._held_since is None:
            self._held_since = now
        return self._held(now)

    def _held(self, now: float) -> bool:
        return self._held_since is not None and now - self._held_since < PATIENCE

    def rescan(self) -> None:
        """Bindings have changed: scan at the next look."""
        self._rescan_at = 0.0

    def look(
        self,
        now: float,
        consoles: Mapping[UUID, int],
        layout: LayoutWant | None = None,
        claimed: Collection[str] = (),
    ) -> Observed | None:
        """None while the hypervisor or the kernel does not answer. `claimed`: names of slices that servers
        are to get."""
        problems: list[str] = []
        if layout != self._layout:
            self._layout, self._refused = layout, {}
            self.rescan()
        self._look_at_devices(now, problems)
        if self.inventory.to_cut:
            self.inventory = keep_claimed(self.inventory, claimed, self._view.looking.slicer.plan)
        self._differing = log_differences(self._differing, self.inventory)
        if cutting := [decision.card.name for decision in self.inventory.to_cut]:
            # New guests would come to cards that are not what placement thinks they are.
            problems.append(f"{_TO_CUT}{', '.join(cutting)} to be cut first")
        if trouble := self._storage.problem():
            problems.append(trouble)
        observed = None
        try:
            observed = observe(self._senses, self.inventory, consoles)
            observed = replace(observed, ill=self._ill, scanned=self._scanned)
            self._raise_network()
        except DriverError as error:
            self._network_up = False
            problems.append(f"hypervisor: {error}")
        except (SysfsError, OSError) as error:
            problems.append(f"host: {error}")
        self._tell_damage(observed)
        self._tell(tuple(problems))
        return observed

    def _look_at_devices(self, now: float, problems: list[str]) -> None:
        try:
            self._scan(now, problems)
        except OSError as error:
            # Of the agent's own files. What was seen last counts; the next look tries them again.
            self.doubt_storage()
            problems.append(f"devices: {error}")

    def _scan(self, now: float, problems: list[str]) -> None:
        if self._held(now) or now < self._rescan_at:
            return
        try:
            records = self._senses.devices.all()
            known = Known(card_layouts(self._layout), records, self._refused)
            fresh = take_inventory(self._view.looking, known)
        except SysfsError as error:
            problems.append(f"devices: {error}")
            return
        log_refusals(self.inventory.refusals, fresh.refusals)
        self._tell_layouts()
        # A card that is asleep or dead has not lost its number.
        serials = {name: number for name, number in self.inventory.serials.items() if name in fresh.health}
        serials |= fresh.serials
        done = burn_ins(fresh, records)
        for name, reading in fresh.health.items():
            if name not in self._well or self._well[name][0] != done[name]:
                self._well[name] = done[name], reading
        well = {name: reading for name, (_, reading) in self._well.items()}
        self.inventory = replace(fresh, well=well, serials=serials)
        self.layout_version = self._layout.version if self._layout else ""
        self._ill = ill(self.inventory)
        # After what was seen: workers ask for it, and whatever they do not find there counts as gone.
        self._scanned = True
        self._note_errors(fresh.health, records)
        self._rescan_at = now + self._view.rescan_interval

    def _note_errors(self, health: Mapping[str, Reading], records: Mapping[str, DeviceRecord]) -> None:
        """For the certificates of leases, which a reboot would make forget them. Only grave ones are worth a
        write to disk."""
        boot = boot_id(self._senses.sysfs) or ""
        for name, reading in health.items():
            grave = reading.nonfatal, reading.fatal
            if self._errors.get(name) == grave or not reading.present:
                continue
            counts = {reading.address: Errors(reading.correctable, *grave)}
            for device, record in records.items():
                if name in (device, record.card):
                    self._senses.devices.watch(device, boot, counts)
            self._errors[name] = grave  # not before: what a full disk did not take is written at a later look

    def _raise_network(self) -> None:
        if not self._network_up:
            self._senses.driver.ensure_network(self._view.network)
            self._network_up = True

    def _tell_layouts(self) -> None:
        damaged = dict(self._view.looking.slicer.damaged_layouts())
        for card in sorted(damaged.keys() - self._damaged_layouts):
            log.error("layout_record_damaged", extra={"card": card, "reason": damaged[card]})
        self._damaged_layouts = set(damaged)

    def _tell_damage(self, observed: Observed | None) -> None:
        """Once each: what cannot be read is replaced, and somebody may want to know why."""
        folders = observed.folders.values() if observed else ()
        found = {folder.damage for folder in folders if folder.damage}
        for damage in sorted(found - self._damage):
            log.warning("server_record_damaged", extra={"reason": damage})
        self._damage = found if observed else self._damage

    def _tell(self, problems: tuple[str, ...]) -> None:
        """Cards that are to be cut are nobody's trouble, although new servers must wait for them."""
        if problems != self.problems:
            waits = all(problem.startswith(_TO_CUT) for problem in problems)
            event = "host_waits" if problems and waits else "host_troubled" if problems else "host_well"
            facts = {"problems": "; ".join(problems)} if problems else {}
            log.log(logging.INFO if waits else logging.WARNING, event, extra=facts)
        self.problems = problems
