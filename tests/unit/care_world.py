"""One host with a card, and processes of an agent that take care of it and may die."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hypervisor_drivers.fake import FakeDriver
from hypervisor_drivers.spec import NetworkSpec
from kcloud_common.wire import CardReport, DeviceReport, Health
from kcloud_compute.actions import CleanDevice, PrepareDevice, ReleaseDevice
from kcloud_compute.care import Care
from kcloud_compute.cared_host import Host, Tools
from kcloud_compute.device_ledger import DeviceLedger
from kcloud_compute.device_record import DeviceRecord
from kcloud_compute.devices import card_reports, device_reports
from kcloud_compute.durable import Checkpoint, no_checkpoint
from kcloud_compute.images import ImageCache
from kcloud_compute.inventory import Inventory, Known, Looking, take_inventory
from kcloud_compute.observe import Senses
from kcloud_compute.paths import StatePaths
from kcloud_compute.sight import Sight, View
from tests.unit.cleaning_world import CLAIM, DEVICE, signatory
from vfio.catalogue import builtin
from vfio.device import Link
from vfio.journal import Journal
from vfio.slices.model import Slice
from vfio.slices.records import LayoutJournal
from vfio.slices.slicer import Slicer
from vfio.testing import FakeHost, gpu_host


@dataclass
class Agent:
    """One process: what it knows it read from the host and its state folder."""

    host: Host
    care: Care
    looking: Looking
    state: Path

    def inventory(self) -> Inventory:
        return take_inventory(self.looking, Known(records=self.host.ledger.all()))

    def slice(self) -> Slice:
        return self.inventory().slices[DEVICE]

    def watch(self) -> "Watch":
        """From now on."""
        parts, paths = self.host, StatePaths(self.state)
        paths.make()
        images = ImageCache(paths, lambda *_: None, lambda _: b"", no_checkpoint)  # type: ignore[arg-type]
        senses = Senses(parts.driver, parts.sysfs, parts.journal, parts.ledger, images, paths)
        found = Watch(Sight(senses, View(NetworkSpec(), self.looking)))
        found.look()
        return found

    def lease(self, generation: int = 1, found: Slice | None = None) -> None:
        self.care.prepare(PrepareDevice(CLAIM, CLAIM, found or self.slice(), generation))

    def end(self, found: Slice | None = None) -> DeviceRecord:
        name = found.name if found else DEVICE
        self.care.release(ReleaseDevice(CLAIM, CLAIM, name))
        return self.host.ledger.of(name)

    def burn_in(self, count: int) -> DeviceRecord:
        self.care.clean(CleanDevice(DEVICE, count))
        return self.host.ledger.of(DEVICE)


@dataclass
class Watch:
    """The looks that an agent takes once a minute."""

    sight: Sight

    def look(self) -> None:
        self.sight.rescan()
        assert self.sight.look(0.0, {}) is not None

    def ill(self) -> str:
        """What is wrong with the card; empty when nothing is."""
        observed = self.sight.look(0.0, {})
        assert observed is not None
        return observed.ill.get(DEVICE, "")

    def report(self) -> DeviceReport:
        observed = self.sight.look(0.0, {})
        assert observed is not None
        (report,) = device_reports(self.sight.inventory, observed)
        return report

    def card(self) -> CardReport:
        (report,) = card_reports(self.sight.inventory)
        return report

    def health(self) -> Health:
        health = self.report().health
        assert health is not None
        return health


@dataclass
class Place:
    """Outlives its agents. `tools` are the operator's."""

    kernel: FakeHost
    state: Path
    tools: Tools = field(default_factory=Tools)
    accepted: Mapping[str, Link] = field(default_factory=dict)

    def agent(self, checkpoint: Checkpoint = no_checkpoint) -> Agent:
        sysfs, journal = self.kernel.sysfs(), Journal(self.state / "journal")
        slicer = Slicer(sysfs, journal, LayoutJournal(self.state / "layouts"))
        ledger = DeviceLedger(self.state / "devices", checkpoint)
        looking = Looking(
            sysfs, slicer, (), builtin(), accepted=self.accepted, kernel_log=self.tools.kernel_log
        )
        slices = take_inventory(looking, Known(records=ledger.all())).slices
        host = Host(
            sysfs, FakeDriver(), slicer, journal, ledger, builtin(), lambda: slices, accepted=self.accepted
        )
        return Agent(host, Care(host, signatory(), self.tools, checkpoint), looking, self.state)

    def record(self, device: str = DEVICE) -> DeviceRecord:
        """As it is on disk."""
        return DeviceLedger(self.state / "devices").of(device)

    def told(self) -> None:
        """The control plane has the newest certificate."""
        ledger = DeviceLedger(self.state / "devices")
        ledger.accepted(DEVICE, ledger.of(DEVICE).head.sequence)


def place(folder: Path, make: Callable[[Path], FakeHost] = gpu_host) -> Place:
    return Place(make(folder / "host"), folder / "state")
