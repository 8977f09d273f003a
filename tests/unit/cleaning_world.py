"""A fake host with a device on it, and the means of an agent that cleans it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from kcloud_compute.cleaning import Identity, Job, Signatory
from kcloud_compute.device_ledger import DeviceLedger
from vfio.catalogue_product import Product
from vfio.device import PciDevice
from vfio.offer import seated_link
from vfio.sanitise.pipeline import Means
from vfio.sanitise.subject import Subject, functions_of
from vfio.scan import boot_id, scan
from vfio.testing import FakeHost, gpu_host, two_function_group

HOST_ID = UUID("6c8b7a4e-0000-4000-8000-00000000a001")
CLAIM = UUID("6c8b7a4e-0000-4000-8000-000000000001")
SEED = bytes(range(32))
GPU = "0000:41:00.0"
AUDIO = "0000:41:00.1"
DEVICE = "pci_0000_41_00_0"
HOSTS: Mapping[str, tuple[Callable[[Path], FakeHost], tuple[str, ...]]] = {
    "gpu": (gpu_host, (GPU,)),
    "two functions": (two_function_group, (GPU, AUDIO)),
}


class Slate(dict[str, str]):
    """Notes that a process of the test keeps."""

    def read(self) -> Mapping[str, str]:
        return dict(self)

    def write(self, before: Mapping[str, str]) -> None:
        self.clear()
        self.update(before)


def product(**facts: object) -> Product:
    return replace(Product("A100", "PGPU", ()), **facts)  # type: ignore[arg-type]


@dataclass
class World:
    """`calls` is everything that the pipeline asked of the agent, in order."""

    host: FakeHost
    addresses: tuple[str, ...] = (GPU,)
    calls: list[str] = field(default_factory=list)
    slate: Slate = field(default_factory=Slate)
    seconds: float = 0.0

    def subject(self, scrub: str = "none", **facts: object) -> Subject:
        def describe(device: PciDevice) -> Product:
            return product(scrub=scrub)

        functions = functions_of(scan(self.host.sysfs()), self.addresses, describe, seated_link)
        return replace(Subject(DEVICE, "whole", functions, scrub=scrub), **facts)  # type: ignore[arg-type]

    def means(self, **facts: object) -> Means:
        def said(word: str) -> Callable[[], str]:
            def say() -> str:
                self.calls.append(word)
                return word

            return say

        plain = Means(self.clock, self.slate, fence=said("fenced"), stop=said("stopped"))
        return replace(plain, **facts)  # type: ignore[arg-type]

    def clock(self) -> float:
        self.seconds += 0.25
        return self.seconds

    def job(self, ledger: DeviceLedger, subject: Subject, **facts: object) -> Job:
        boot = boot_id(self.host.sysfs()) or ""
        means = self.means(**({"notes": ledger.notes(DEVICE, boot)} | facts))
        return Job(subject, Identity("10de", "20b5", "0123"), means, give_back=lambda: None)

    def hold_open(self, node: str, process: int = 4711) -> Path:
        """A process has this file open."""
        folder = self.host.sysfs().root / f"proc/{process}/fd"
        folder.mkdir(parents=True)
        (folder / "0").symlink_to("/dev/null")
        (folder / "9").symlink_to(node)
        return folder / "9"


def world(folder: Path, name: str = "gpu") -> World:
    make, addresses = HOSTS[name]
    return World(make(folder / "host"), addresses)


def signatory() -> Signatory:
    return Signatory(HOST_ID, SEED, lambda: datetime(2026, 3, 1, 12, tzinfo=UTC))
