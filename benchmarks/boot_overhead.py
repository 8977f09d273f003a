"""What kcloud adds to a boot: POST /servers to libvirt's STARTED event, less libvirt's own create time.

Both are measured in this run, on the same machine, alternating: a server through the API with the image
cached; then the very same domain XML (other uuid, name and files) defined beforehand and started by a plain
libvirt call. Prints medians in milliseconds and the difference.

    .venv/bin/python -m benchmarks.boot_overhead [--runs 10]
"""

import argparse
import re
import shutil
import statistics
import tempfile
import threading
import time
from pathlib import Path
from uuid import uuid4

import libvirt

from kcloud_cli.lab import guest
from tests.e2e.cloud import Cloud, start_cloud
from tests.e2e.processes import eventually
from tests.libvirtd import start_private_libvirtd


class Starts:
    """When each domain started, by libvirt's own event."""

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
            self.at[domain.UUIDString()] = time.monotonic()

    def wait(self, uuid: str) -> float:
        return eventually(lambda: self.at.get(uuid), f"domain {uuid} started", every=0.001)


def through_kcloud(cloud: Cloud, starts: Starts, image: str, flavor: str) -> tuple[float, str]:
    """Milliseconds from POST to STARTED, and the XML that was started."""
    compute = cloud.connection().compute
    began = time.monotonic()
    server = compute.create_server(name="timed", image_id=image, flavor_id=flavor, networks="auto")
    took = starts.wait(server.id) - began
    compute.wait_for_server(server)
    xml = starts.connection.lookupByUUIDString(server.id).XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
    keep = cloud.folder / "plain"
    shutil.rmtree(keep, ignore_errors=True)
    shutil.copytree(cloud.host_dir / "servers" / server.id, keep)
    compute.delete_server(server)
    compute.wait_for_delete(server)
    return took * 1000, xml.replace(str(cloud.host_dir / "servers" / server.id), str(keep))


def by_libvirt_alone(starts: Starts, xml: str) -> float:
    """Milliseconds of virDomainCreate for that XML, to its STARTED event."""
    uuid = str(uuid4())
    xml = re.sub(r"<uuid>.*?</uuid>", f"<uuid>{uuid}</uuid>", xml)
    xml = re.sub(r"<name>.*?</name>", f"<name>plain-{uuid}</name>", xml, count=1)
    domain = starts.connection.defineXML(xml)
    began = time.monotonic()
    domain.create()
    took = starts.wait(uuid) - began
    domain.destroy()
    domain.undefine()
    return took * 1000


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=10)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory(prefix="kcloud-bench-") as name:
        folder = Path(name)
        libvirtd = start_private_libvirtd(folder / "libvirtd")
        cloud = start_cloud(folder / "cloud", libvirtd)
        try:
            measure(cloud, Starts(libvirtd.uri), runs)
        finally:
            cloud.stop()
            libvirtd.close()


def measure(cloud: Cloud, starts: Starts, runs: int) -> None:
    admin = cloud.connection("kcloud-admin")
    image = cloud.upload("tiny", guest.guest_image("tiny"))
    flavor = admin.create_flavor("one", ram=128, vcpus=1, disk=0).id
    through_kcloud(cloud, starts, image, flavor)  # fills the image cache
    ours, plain = [], []
    for _ in range(runs):
        took, xml = through_kcloud(cloud, starts, image, flavor)
        ours.append(took)
        plain.append(by_libvirt_alone(starts, xml))
    print(f"POST to STARTED, ms:     median {statistics.median(ours):.0f}  all {[round(t) for t in ours]}")
    print(f"libvirt's create, ms:    median {statistics.median(plain):.0f}  all {[round(t) for t in plain]}")
    over = statistics.median(ours) - statistics.median(plain)
    ratio = statistics.median(ours) / statistics.median(plain)
    print(f"kcloud adds, ms:         {over:.0f}  (ratio {ratio:.2f})")


if __name__ == "__main__":
    main()
