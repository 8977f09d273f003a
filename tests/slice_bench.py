"""Hosts with one card for each way of cutting cards, and what each card shall be cut into.

A bench asks nothing that only a fake host could answer, so that the lab's real kernel can be one too.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from uuid import UUID

from vfio.errors import SysfsError
from vfio.journal import Journal
from vfio.rules import parse_rule
from vfio.sim import cards as sim_cards
from vfio.sim.function import Board, Cutting, Sriov, VgpuType
from vfio.slices.cards import cards
from vfio.slices.model import Ability, Card, Cut, Kind, Plan, Policy, Sharing, Slice
from vfio.slices.records import LayoutJournal
from vfio.slices.scheduler import Scheduler, SchedulerAbility
from vfio.slices.slicer import Slicer
from vfio.sysfs import Sysfs
from vfio.testing import GIB, FakeFunction, FakeHost, two_function_group

CARD = "0000:41:00.0"
GB = 1024


class FakeScheduler:
    """A driver's scheduler in memory, with the bounds of NVIDIA's; `broken` makes it refuse to be set."""

    def __init__(self) -> None:
        self.states: dict[str, Sharing] = {}
        self.broken = False

    def ability(self, address: str) -> SchedulerAbility:
        return SchedulerAbility(tuple(Policy), 1000, 30_000)

    def read(self, address: str) -> Sharing:
        return self.states.get(address, Sharing(Policy.BEST_EFFORT, 2000))

    def set(self, address: str, sharing: Sharing) -> None:
        if self.broken:
            raise OSError("nvmlDeviceSetVgpuSchedulerState answers 4")
        self.states[address] = Sharing(sharing.policy, sharing.quantum_us or 2000)


@dataclass
class Bench:
    """One host with one card. `process` is the agent after a start: it knows what the folders hold."""

    kind: Kind
    sysfs: Callable[[], Sysfs]
    picture: Callable[[], Mapping[str, str]]
    folder: Path
    plan: Plan
    """A layout that the card holds."""
    driver_while_held: str | None
    """On which driver a slice's functions are while a claim has it; None: it has no functions."""
    scheduler: Scheduler = field(default_factory=FakeScheduler)
    rule: str = f"address:{CARD}"
    host: FakeHost | None = None
    standing: Mapping[str, int] = field(default_factory=dict)
    """How many of a type can be, where its driver promises more: it does not tell its GPU instances."""

    def process(self) -> Slicer:
        journals = Journal(self.folder / "claims"), LayoutJournal(self.folder / "layouts")
        return Slicer(self.sysfs(), *journals, self.scheduler)

    def card(self, slicer: Slicer | None = None) -> Card:
        sight = (slicer or self.process()).look()
        return cards(sight.snapshot, [parse_rule(self.rule)])[0]

    def apply(self, plan: Plan | None = None) -> tuple[Slice, ...]:
        slicer = self.process()
        return slicer.apply(self.card(slicer), plan or self.plan)

    def undo(self) -> None:
        slicer = self.process()
        slicer.undo(self.card(slicer))

    def slices(self) -> tuple[Slice, ...]:
        slicer = self.process()
        return slicer.slices(self.card(slicer), slicer.look())

    def abilities(self, one: Cut | None = None) -> list[Ability]:
        """What the card says of the bench's kind: a driver may say it only while `one` slice stands."""
        slicer = self.process()
        card = self.card(slicer)
        slicer.apply(card, Plan((one,)) if one else self.smaller)
        found = [each for each in slicer.abilities(card, slicer.look()) if each.kind is self.kind]
        slicer.undo(card)
        return found

    def names(self) -> list[str]:
        return [each.name for each in self.slices()]

    def records(self) -> list[str]:
        """Files that the agent keeps."""
        return sorted(path.name for path in self.folder.rglob("*") if path.is_file())

    @property
    def smaller(self) -> Plan:
        """Another layout that the card holds: one slice of the first sort."""
        return Plan((replace(self.plan.cuts[0], count=1, resource_class="CUSTOM_ONE"),), self.plan.sharing)

    def stumble(self, index: int, number: int, *, lasting: bool) -> None:
        """The write with this index from now fails with this errno; when `lasting`, all after it do too."""
        self.sysfs = Stumbling(self.fake, index, number, lasting=lasting).sysfs

    def walk(self) -> None:
        """No write fails any more."""
        self.sysfs = self.fake.sysfs

    @property
    def fake(self) -> FakeHost:
        assert self.host is not None, "this case is for fake hosts"
        return self.host


class Stumbling:
    """A kernel that refuses one write, or all from one on; counted over all processes."""

    def __init__(self, host: FakeHost, index: int, number: int, *, lasting: bool) -> None:
        self._host = host
        self._left = index
        self._number = number
        self._lasting = lasting

    def sysfs(self) -> Sysfs:
        return Sysfs(self._host.sysfs().root, self)

    def before_read(self, path: str) -> None:
        """Reads go through."""

    def write(self, path: str, data: bytes) -> None:
        self._left -= 1
        if self._left == -1 or (self._lasting and self._left < 0):
            raise OSError(self._number, os.strerror(self._number))
        try:
            self._host.sysfs().write(path, data.decode())
        except SysfsError as error:
            raise OSError(error.errno, os.strerror(error.errno)) from error


def settled(picture: Mapping[str, str]) -> dict[str, str]:
    """Without the numbers that a kernel gives anew to each mediated device."""
    return {path: text for path, text in picture.items() if "iommu_group" not in path}


def claim(number: int) -> UUID:
    return UUID(int=0x6C8B7A4E << 96 | number)


def gpu(**more: object) -> FakeFunction:
    """A data-centre GPU on its vendor's driver."""
    facts: dict[str, object] = {
        "address": CARD,
        "vendor": 0x10DE,
        "product": 0x26B9,
        "class_code": 0x030200,
        "driver": "nvidia",
        "group": 41,
        "numa_node": 1,
        "bar_sizes": (64 * GIB,),
    }
    return FakeFunction(**(facts | more))  # type: ignore[arg-type]


def types(card: str, total_gb: int, *sizes: int, first: int = 1100) -> tuple[VgpuType, ...]:
    return tuple(
        VgpuType(first + index, f"NVIDIA {card}-{size}Q", size * GB, total_gb // size)
        for index, size in enumerate(sizes)
    )


def vendor_gpu(board: Board, vfs: int = 32) -> FakeFunction:
    return gpu(total_vfs=vfs, vf_product=0x26B9, sriov=Sriov(driver="nvidia", offset=4), board=board)


L40S = Board(Cutting.VENDOR_VFIO, "nvidia", 48 * GB, types("L40S", 48, 8, 24, 48), mixed=True)
T4 = Board(Cutting.PF_MDEV, "nvidia", 16 * GB, types("T4", 16, 4, 8, 16, first=222))
A40 = Board(Cutting.VF_MDEV, "nvidia", 48 * GB, types("A40", 48, 12, 24, 48, first=557), mixed=True)
B60 = Board(Cutting.XE, "xe", 24 * GB)
NPU = FakeFunction(
    CARD, 0x1ED2, 0x0001, 0x120000, driver="rngd", group=41, numa_node=1, total_vfs=4, vf_product=0x0002,
    sriov=Sriov(driver="rngd"),
)  # fmt: skip
XE = FakeFunction(
    CARD, 0x8086, 0xE211, 0x030000, driver="xe", group=41, total_vfs=4, vf_product=0xE211,
    sriov=Sriov(driver="xe", offset=1), board=B60,
)  # fmt: skip


def bench(folder: Path, kind: Kind, function: FakeFunction, plan: Plan, driver: str | None) -> Bench:
    host = FakeHost(folder / "host")
    if not host.addresses():
        host.load_driver("vfio-pci")
        host.add(function)
    return _of(host, folder, kind, plan, driver)


def _of(host: FakeHost, folder: Path, kind: Kind, plan: Plan, driver: str | None) -> Bench:
    return Bench(kind, host.sysfs, host.picture, folder / "agent", plan, driver, host=host)


def whole(folder: Path) -> Bench:
    plan = Plan((Cut(Kind.WHOLE),))
    return _of(two_function_group(folder / "host"), folder, Kind.WHOLE, plan, "vfio-pci")


def vf(folder: Path) -> Bench:
    return bench(folder, Kind.VF, NPU, Plan((Cut(Kind.VF, count=3),)), "vfio-pci")


def mdev(folder: Path) -> Bench:
    return bench(folder, Kind.MDEV, gpu(board=T4), Plan((Cut(Kind.MDEV, "nvidia-222", 3),)), None)


def mdev_on_vfs(folder: Path) -> Bench:
    """Mixed sizes, one on each virtual function."""
    plan = Plan((Cut(Kind.MDEV, "nvidia-557", 2), Cut(Kind.MDEV, "nvidia-558", 1)))
    return bench(folder, Kind.MDEV, vendor_gpu(A40, vfs=4), plan, None)


def vendor(folder: Path) -> Bench:
    """Mixed sizes, and a policy of the card's own scheduler."""
    sharing = Sharing(Policy.EQUAL, 4000)
    plan = Plan((Cut(Kind.VENDOR_VF, "1100", 2), Cut(Kind.VENDOR_VF, "1101", 1)), sharing)
    return bench(folder, Kind.VENDOR_VF, vendor_gpu(L40S, vfs=4), plan, "nvidia")


def on_mig(folder: Path, kind: Kind, model: FakeFunction) -> Bench:
    """A card in MIG mode, with one GPU instance of three parts and two of two."""
    board = model.board
    assert board is not None
    prefix = f"{board.prefix}-" if kind is Kind.MDEV else ""
    two, three = (each.number for each in board.types if each.mig and each.most)
    plan = Plan((Cut(kind, f"{prefix}{two}", 2), Cut(kind, f"{prefix}{three}", 1)))
    function = replace(model, address=CARD, group=41, total_vfs=4, board=replace(board, mig=True))
    found = bench(folder, kind, function, plan, None if kind is Kind.MDEV else "nvidia")
    found.standing = {} if kind is Kind.MDEV else {cut.type: cut.count for cut in plan.cuts}
    return found


def xe(folder: Path) -> Bench:
    """Two sizes, one with a double quantum."""
    large = Cut(Kind.XE_VF, count=1, memory_mib=8 * GB, sharing=Sharing(weight=2))
    small = Cut(Kind.XE_VF, count=2, memory_mib=4 * GB)
    plan = Plan((large, small), Sharing(quantum_us=8000, preempt_timeout_us=16_000))
    return bench(folder, Kind.XE_VF, XE, plan, "vfio-pci")


BENCHES: dict[str, Callable[[Path], Bench]] = {
    "whole": whole,
    "vf": vf,
    "mdev": mdev,
    "mdev on vfs": mdev_on_vfs,
    "vendor vf": vendor,
    "mdev on MIG": lambda folder: on_mig(folder, Kind.MDEV, sim_cards.A100),
    "vendor vf on MIG": lambda folder: on_mig(folder, Kind.VENDOR_VF, sim_cards.H100),
    "xe vf": xe,
}
