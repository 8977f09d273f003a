"""What a turn of the agent costs on a host of many slices: with a scan, and when nothing has changed.

    python -m benchmarks.steady_report [--turns 50]

A simulated host with 16 cards cut into 256 virtual functions; CPU milliseconds, beside a bare scan of it.
"""

import argparse
import statistics
import tempfile
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import cast
from uuid import UUID

from hypervisor_drivers.fake import FakeDriver
from hypervisor_drivers.spec import NetworkSpec
from kcloud_common.wire import (
    Assignment,
    CardLayoutWant,
    CutWant,
    HostReport,
    LayoutWant,
    ReportAck,
    SliceKind,
)
from kcloud_compute.addresses import AddressBook
from kcloud_compute.care import Care, now_utc
from kcloud_compute.cared_host import Host as CaredHost
from kcloud_compute.cared_host import Tools
from kcloud_compute.cleaning import Signatory
from kcloud_compute.device_ledger import DeviceLedger
from kcloud_compute.durable import no_checkpoint
from kcloud_compute.execute import Executor, Means, Uploads
from kcloud_compute.images import ImageCache
from kcloud_compute.inventory import Looking
from kcloud_compute.ledger import Ledger
from kcloud_compute.observe import Senses
from kcloud_compute.paths import StatePaths
from kcloud_compute.report import HostFacts
from kcloud_compute.reporter import Reporter
from kcloud_compute.sight import Sight, View
from kcloud_compute.tools import run
from kcloud_compute.translate import Host
from kcloud_compute.turn import Parts, Settings, Turns
from kcloud_compute.workers import Workers
from vfio.catalogue import builtin
from vfio.journal import Journal
from vfio.scan import scan
from vfio.sim.trees import build
from vfio.slices.records import LayoutJournal
from vfio.slices.slicer import Slicer
from vfio.sysfs import Sysfs

TREE = "flex170-x16"
CUT = CutWant(kind=SliceKind.XE_VF, count=16)
LAYOUT = LayoutWant(version="1", cards=(CardLayoutWant(match="known", cuts=(CUT,)),))


class Nobody:
    """Takes every report."""

    def report(self, report: HostReport) -> ReportAck:
        return ReportAck(accepted=True, assignment_generation=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=50)
    turns = parser.parse_args().turns
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        measure(Path(folder), turns)


def measure(folder: Path, count: int) -> None:
    # Read as a real host is: without the fake kernel's part in it.
    sysfs = build(TREE, folder / "host").sysfs()
    whole, sight, slicer = assembled(folder, sysfs)
    assignment = Assignment(host_id=UUID(int=1), generation=1, layout=LAYOUT)
    while True:
        whole.take(assignment, time.monotonic())
        time.sleep(0.5)
        if len(sight.inventory.slices) == 256 and not sight.inventory.to_cut and not sight.problems:
            break
    plain = Sysfs(sysfs.root)
    print(f"{len(sight.inventory.cards())} cards, {len(sight.inventory.slices)} slices")
    shown("scan alone", [cpu(lambda: scan(plain)) for _ in range(count)])
    shown("look at slices", [cpu(lambda: slicer.look()) for _ in range(count)])

    def with_scan() -> None:
        sight.rescan()
        whole.take(assignment, time.monotonic())

    shown("turn with a scan", [cpu(with_scan) for _ in range(count)])
    shown(
        "turn, nothing changed", [cpu(lambda: whole.take(assignment, time.monotonic())) for _ in range(count)]
    )


def cpu(act: Callable[[], object]) -> float:
    before = time.process_time()
    act()
    return (time.process_time() - before) * 1000


def shown(what: str, taken: list[float]) -> None:
    print(f"{what:24} least {min(taken):7.2f}  median {statistics.median(taken):7.2f} CPU ms")


def assembled(folder: Path, sysfs: Sysfs) -> tuple[Turns, Sight, Slicer]:
    paths, driver = StatePaths(folder / "state"), FakeDriver()
    paths.make()
    journal, ledger = Journal(paths.journal), DeviceLedger(paths.devices)
    slicer = Slicer(sysfs, journal, LayoutJournal(paths.layouts))
    images = ImageCache(paths, lambda *_: None, run, no_checkpoint)  # type: ignore[arg-type]
    senses = Senses(driver, sysfs, journal, ledger, images, paths)
    sight = Sight(senses, View(NetworkSpec(), Looking(sysfs, slicer, (), builtin())))
    cared = CaredHost(sysfs, driver, slicer, journal, ledger, builtin(), lambda: sight.inventory.slices)
    care = Care(cared, Signatory(UUID(int=1), bytes(32), now_utc), Tools())
    means = Means(paths, driver, care, images, cast(Uploads, None), run, no_checkpoint)
    reporter = Reporter(Nobody(), 1e9, lambda _: None, lambda: None)
    workers = Workers(4, Executor(means).do, lambda: None)
    parts = Parts(sight, workers, Ledger(300), ledger, deque(), AddressBook(driver), reporter, images)
    able = driver.capabilities()
    settings = Settings(Host("qemu", "kcloud", paths.servers), HostFacts(able, 100, 512, 1), 50)  # type: ignore[arg-type]
    return Turns(parts, settings), sight, slicer


if __name__ == "__main__":
    main()
