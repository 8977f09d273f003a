"""What kcloud adds to a boot: POST /servers to libvirt's STARTED event, less libvirt's own create time.

Both are measured in this run, on the same machine, alternating: a server through the API with the image
cached; then the very same domain XML (other uuid, name and files) defined beforehand and started by a plain
libvirt call. Prints medians in milliseconds, the difference, and where the time went.

    .venv/bin/python -m benchmarks.boot_overhead [--runs 10] [--logs FOLDER]
"""

import argparse
import os
import re
import shutil
import statistics
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import libvirt

from benchmarks.boot_steps import before_start, lines, steps, table
from kcloud_cli.lab import guest
from tests.e2e.cloud import Cloud, start_cloud
from tests.e2e.processes import eventually
from tests.libvirtd import start_private_libvirtd

MICROVERSION = "2.37"
"""The first that knows `networks: auto`."""


class Starts:
    """When each domain started, by libvirt's own event (seconds since the epoch, as logs have it)."""

    def __init__(self, uri: str) -> None:
        libvirt.virEventRegisterDefaultImpl()
        threading.Thread(target=self._turn, daemon=True).start()
        self.connection = libvirt.open(uri)
        self.at: dict[str, float] = {}
        self.connection.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, self._seen, None)

    @staticmethod
    def _turn() -> None:
        while True:
            libvirt.virEventRunDefaultImpl()

    def _seen(self, _connection: object, domain: libvirt.virDomain, event: int, *_: object) -> None:
        if event == libvirt.VIR_DOMAIN_EVENT_STARTED:
            self.at[domain.UUIDString()] = time.time()

    def wait(self, uuid: str) -> float:
        return eventually(lambda: self.at.get(uuid), f"domain {uuid} started", every=0.002)


@dataclass(frozen=True)
class Boot:
    """One server's, in milliseconds."""

    took: float
    steps: dict[str, float]
    xml: str
    """What was started, with its files copied to where they stay."""


def through_kcloud(cloud: Cloud, starts: Starts, image: str, flavor: str) -> Boot:
    compute = cloud.connection().compute
    body = {"name": "timed", "imageRef": image, "flavorRef": flavor, "networks": "auto"}
    began = time.time()
    answer = compute.post("/servers", json={"server": body}, microversion=MICROVERSION)
    answered = time.time()
    id = str(answer.json()["server"]["id"])
    started = starts.wait(id)
    eventually(lambda: compute.get_server(id).status == "ACTIVE", "it is ACTIVE")
    found = steps(lines(cloud.control.log, cloud.agent.log), id, began, started)
    found |= {"POST answered": (answered - began) * 1000, "STARTED event": (started - began) * 1000}
    xml = starts.connection.lookupByUUIDString(id).XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
    keep = cloud.folder / "plain"
    shutil.rmtree(keep, ignore_errors=True)
    shutil.copytree(cloud.host_dir / "servers" / id, keep)
    compute.delete_server(id)
    eventually(lambda: compute.find_server(id) is None, "it is gone")
    return Boot((started - began) * 1000, found, xml.replace(str(cloud.host_dir / "servers" / id), str(keep)))


def by_libvirt_alone(starts: Starts, xml: str) -> float:
    """Milliseconds of virDomainCreate for that XML, to its STARTED event."""
    uuid = str(uuid4())
    xml = re.sub(r"<uuid>.*?</uuid>", f"<uuid>{uuid}</uuid>", xml)
    xml = re.sub(r"<name>.*?</name>", f"<name>plain-{uuid}</name>", xml, count=1)
    # Or kcloud would take it for one of its own that nobody wants, and remove it.
    xml = re.sub(r"<metadata.*?</metadata>", "", xml, flags=re.DOTALL)
    domain = starts.connection.defineXML(xml)
    began = time.time()
    domain.create()
    took = starts.wait(uuid) - began
    domain.destroy()
    domain.undefine()
    return took * 1000


def measure(cloud: Cloud, starts: Starts, runs: int) -> None:
    admin = cloud.connection("kcloud-admin")
    image = cloud.upload("tiny", guest.guest_image("tiny"))
    flavor = admin.create_flavor("one", ram=128, vcpus=1, disk=0).id
    through_kcloud(cloud, starts, image, flavor)  # fills the image cache
    boots, plain = [], []
    load = os.getloadavg()
    for _ in range(runs):
        boots.append(through_kcloud(cloud, starts, image, flavor))
        plain.append(by_libvirt_alone(starts, boots[-1].xml))
    ours = [boot.took for boot in boots]
    over = statistics.median(ours) - statistics.median(plain)
    ratio = statistics.median(ours) / statistics.median(plain)
    print(f"POST to STARTED, ms:     median {statistics.median(ours):.0f}  all {[round(t) for t in ours]}")
    print(f"libvirt's create, ms:    median {statistics.median(plain):.0f}  all {[round(t) for t in plain]}")
    print(f"kcloud adds, ms:         {over:.0f}  (ratio {ratio:.2f})")
    ready = statistics.median(before_start(boot.steps) for boot in boots)
    print(f"until start is called:   {ready:.0f}  (does not depend on how long QEMU takes)")
    print(f"load average:            {load[0]:.1f} before, {os.getloadavg()[0]:.1f} after")
    print("ms from POST to the end of each step, and since the one before (medians):")
    print(table([boot.steps for boot in boots]))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--logs", type=Path, metavar="FOLDER", help="copy the two logs to here")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kcloud-bench-") as name:
        folder = Path(name)
        (folder / "cloud").mkdir()
        libvirtd = start_private_libvirtd(folder)
        try:
            cloud = start_cloud(folder / "cloud", libvirtd)
            try:
                measure(cloud, Starts(libvirtd.uri), options.runs)
            finally:
                cloud.stop()
                if options.logs:
                    options.logs.mkdir(parents=True, exist_ok=True)
                    for log in (cloud.control.log, cloud.agent.log):
                        shutil.copy(log, options.logs)
        finally:
            libvirtd.close()


if __name__ == "__main__":
    main()
