"""What a scan costs: CPU milliseconds for a host of 16 cards with 16 VFs each, beside only reading its files.

.venv/bin/python -m benchmarks.scan

The bar is 50 ms. The baseline lists each function's folder and reads the files that a scan tells of, one
open, read and close each, and makes nothing of them. A real /sys costs the kernel more for each file.
"""

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from vfio.scan import scan
from vfio.sim.trees import build
from vfio.sysfs import Sysfs

BAR_MS = 50.0
REPEATS = 30
FILES = (
    "class", "vendor", "device", "subsystem_vendor", "subsystem_device", "revision", "driver_override",
    "numa_node", "resource", "sriov_totalvfs", "sriov_numvfs", "reset_method", "boot_vga", "max_link_speed",
    "max_link_width",
)  # fmt: skip
LINKS = ("driver", "iommu_group", "physfn")


def bare(root: Path) -> None:
    """Names and bytes, nothing else."""
    top = f"{root}/sys/bus/pci/devices"
    for address in os.listdir(top):  # noqa: PTH208
        folder = f"{top}/{address}"
        present = set(os.listdir(folder))  # noqa: PTH208
        for name in present.intersection(FILES):
            handle = os.open(f"{folder}/{name}", os.O_RDONLY)
            os.read(handle, 4096)
            os.close(handle)
        for name in present.intersection(LINKS):
            os.readlink(f"{folder}/{name}")  # noqa: PTH115


def cpu_ms(act: Callable[[], object]) -> tuple[float, float]:
    """Least and median of many runs."""
    taken = []
    for _ in range(REPEATS):
        start = time.process_time()
        act()
        taken.append((time.process_time() - start) * 1000)
    return min(taken), sorted(taken)[REPEATS // 2]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        start = time.process_time()
        host = build("many-functions", Path(folder))
        built = time.process_time() - start
        count = len(scan(host.sysfs()).devices)
        print(f"{count} functions, built in {built:.2f} s of CPU; load {os.getloadavg()[0]:.1f}")
        print(f"{'':34}{'least':>8}{'median':>8}  CPU ms")
        for label, act in (
            ("reading the same files, no more", lambda: bare(Path(folder))),
            ("scan", lambda: scan(Sysfs(Path(folder)))),
            ("scan through the fake kernel", lambda: scan(host.sysfs())),
        ):
            least, median = cpu_ms(act)
            print(f"{label:34}{least:8.1f}{median:8.1f}")
        print(f"{'bar':34}{BAR_MS:8.1f}")


if __name__ == "__main__":
    main()
