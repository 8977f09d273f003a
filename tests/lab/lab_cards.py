"""The lab host's cards, one for each way of cutting that a real kernel can do. Runs on the lab host."""

from collections.abc import Callable
from pathlib import Path

from tests.lab.host_tree import tree
from tests.slice_bench import Bench
from vfio.slices.model import Cut, Kind, Plan
from vfio.sysfs import Sysfs

EDU_PAIR, NVME, IGB, LABVGPU = "0000:02:00.0", "0000:03:00.0", "0000:04:00.0", "0000:01:00.0"


def lab_bench(folder: Path, card: str, plan: Plan, driver: str | None) -> Bench:
    (kind,) = plan.kinds
    return Bench(
        kind, Sysfs, lambda: tree(card), folder / "agent", plan, driver,
        rule=f"address:{card}=CUSTOM_LAB",
    )  # fmt: skip


def whole(folder: Path) -> Bench:
    """Two functions in one group, without a driver."""
    return lab_bench(folder, EDU_PAIR, Plan((Cut(Kind.WHOLE),)), "vfio-pci")


def nvme_vf(folder: Path) -> Bench:
    return lab_bench(folder, NVME, Plan((Cut(Kind.VF, count=3),)), "vfio-pci")


def igb_vf(folder: Path) -> Bench:
    return lab_bench(folder, IGB, Plan((Cut(Kind.VF, count=2),)), "vfio-pci")


def mdev(folder: Path) -> Bench:
    """Mixed sizes. The card has to be on its driver, labvgpu."""
    plan = Plan((Cut(Kind.MDEV, "labvgpu-1", 2), Cut(Kind.MDEV, "labvgpu-2", 1)))
    return lab_bench(folder, LABVGPU, plan, None)


BENCHES: dict[str, Callable[[Path], Bench]] = {
    "whole-edu": whole,
    "vf-nvme": nvme_vf,
    "vf-igb": igb_vf,
    "mdev-labvgpu": mdev,
}
