"""What a report with nothing new costs the control plane, beside one that is read to its end.

    python -m benchmarks.unchanged_report [--times 100] [--database postgresql+psycopg://...]

A host of 16 cards in 256 slices; CPU milliseconds from the bytes of the report to the commit, without HTTP.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

from sqlalchemy import update
from sqlmodel import SQLModel

from kcloud_api.compute import assigning
from kcloud_api.db.columns import utcnow
from kcloud_api.db.engine import Database
from kcloud_api.db.modules import modules_named
from kcloud_api.hosts import report_body, reporting
from kcloud_api.hosts.tables import HostRow
from kcloud_common.wire import DeviceReport, Health, HostReport, PcieLink, SliceKind

HOST = UUID(int=1)
CARDS, SLICES = 16, 16


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=100)
    parser.add_argument("--database", help="an empty one; SQLite in memory's file system where none is given")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        database = Database(options.database or f"sqlite:///{folder}/kcloud.db")
        measure(database, options.times)
        database.close()


def measure(database: Database, times: int) -> None:
    for _tables in modules_named("tables"):
        pass
    SQLModel.metadata.create_all(database.engine)
    now = utcnow()
    with database.transaction() as session:
        session.add(
            HostRow(id=HOST, name="h1", secret_sha256="", last_seen=now, created_at=now, updated_at=now)
        )
        assigning.add_host(session, HOST, "h1")
        epoch = reporting.open_session(session, HOST).epoch
    teller = Teller(database, epoch)
    teller.tell()()
    quiet = [cpu(teller.tell) for _ in range(times)]
    read = []
    for _ in range(max(5, times // 10)):
        with database.transaction() as session:
            session.exec(update(HostRow).values(report_digest=""))
        read.append(cpu(teller.tell))
    print(f"{CARDS * SLICES} slices, {len(teller.body()) / 1024:.0f} KiB")
    shown("nothing new", quiet)
    shown("read to its end", read)
    print(f"ratio of the medians {statistics.median(read) / statistics.median(quiet):.0f}")


class Teller:
    def __init__(self, database: Database, epoch: int) -> None:
        self._database, self._sequence = database, 0
        self._report = HostReport(
            epoch=epoch, sequence=0, boot_id=HOST, assignment_generation=0, hypervisor_type="QEMU",
            hypervisor_version="9", vcpus=256, memory_mib=2**20, disk_gib=1000, devices=devices(),
        )  # fmt: skip

    def body(self) -> bytes:
        self._sequence += 1
        return self._report.model_copy(update={"sequence": self._sequence}).model_dump_json().encode()

    def tell(self) -> Callable[[], None]:
        body = self.body()

        def take() -> None:
            with self._database.transaction() as session:
                assert reporting.take_report(session, HOST, report_body.read(body)).accepted

        return take


def devices() -> tuple[DeviceReport, ...]:
    return tuple(
        DeviceReport(
            name=f"pci_0000_{card:02x}_00_{number}", card=f"pci_0000_{card:02x}_00_0", kind=SliceKind.VF,
            addresses=(f"0000:{card:02x}:{number // 8:02x}.{number % 8}",), vendor_id="8086",
            product_id="56c0", model="Data Center GPU Flex 170", serial=f"SN-{card:08}",
            resource_class="VGPU", traits=("CUSTOM_PCI_8086_56C0", "HW_GPU_API_VULKAN"),
            share=1000 // SLICES, memory_mib=1024, numa_node=card // 8,
            pci_path=(f"0000:{card:02x}:01.0", f"0000:{card:02x}:02.0"), link=PcieLink(speed=16, width=16),
            health=Health(aer_correctable=0, aer_nonfatal=0, aer_fatal=0),
        )
        for card in range(CARDS)
        for number in range(SLICES)
    )  # fmt: skip


def cpu(prepare: Callable[[], Callable[[], None]]) -> float:
    act = prepare()
    before = time.process_time()
    act()
    return (time.process_time() - before) * 1000


def shown(what: str, taken: list[float]) -> None:
    print(f"{what:16} least {min(taken):7.2f}  median {statistics.median(taken):7.2f} CPU ms")


if __name__ == "__main__":
    main()
