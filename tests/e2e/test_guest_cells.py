"""A guest with two NUMA cells, booted: its kernel sees the nodes, and on which of them each device is.

No card is needed for that: in the places of the devices that would be passed through sit emulated ones. All
else is as kcloud writes it, from the server that is wanted to the domain that runs.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath
from uuid import UUID
from xml.etree import ElementTree

import libvirt
import pytest

from hypervisor_drivers.cloudinit import GuestFacts, config_drive_files
from hypervisor_drivers.libvirt.domain_xml import domain_xml
from hypervisor_drivers.libvirt.driver import open_driver
from hypervisor_drivers.spec import DomainSpec
from kcloud_common.wire import ClaimWant, GuestData, GuestShape, Presence, ServerWant
from kcloud_compute import disks
from kcloud_compute.durable import no_checkpoint
from kcloud_compute.guest_shape import FunctionFacts, HostNode, HostShape, bits_for
from kcloud_compute.tools import run
from kcloud_compute.translate import Around, Host, domain_spec
from tests.contract.drivers import wait_for_line
from tests.libvirtd import PrivateLibvirtd, private_libvirtd

pytestmark = pytest.mark.libvirt

SERVER = UUID("0ce11000-0000-4000-8000-000000000002")
BESIDE = {"0000:41:00.0": 0, "0000:c1:00.0": 1, "0000:c2:00.0": 1, "0000:e1:00.0": None}
"""Node of the host by device; one is on none."""
BAR_GIB = 32
SHARED = Path("/dev/shm")
SAYS_NODES = b"""#!/bin/sh
cd /sys/devices/system/node
echo "GUEST-NODES $(cat online)"
for node in node*; do
    echo "GUEST-NODE $node cpus $(cat $node/cpulist) $(grep MemTotal $node/meminfo | tr -s ' ')"
done
for device in /sys/bus/pci/devices/*; do
    [ "$(cat $device/class)" = 0x050000 ] && echo "GUEST-BAR ${device##*/} $(sed -n 3p $device/resource)"
done
"""


@pytest.fixture(scope="module")
def libvirtd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateLibvirtd]:
    with private_libvirtd(tmp_path_factory.mktemp("lv", numbered=True)) as libvirtd:
        yield libvirtd


def spec_of_server(servers: Path) -> DomainSpec:
    """What an agent on a host with two nodes would define, moved to this machine's only node."""
    want = ServerWant(
        id=SERVER,
        generation=1,
        presence=Presence.PRESENT,
        vcpus=2,
        memory_mib=512,
        claims=tuple(
            ClaimWant(id=UUID(int=number), device=address, addresses=(address,))
            for number, address in enumerate(BESIDE, 1)
        ),
        guest=GuestData(hostname="cells", project_id="p" * 32),
        shape=GuestShape(numa_nodes=2),
    )
    nodes = tuple(HostNode(number, cpus, 65536, {}) for number, cpus in ((0, "0-7"), (1, "8-15")))
    functions = {address: FunctionFacts((BAR_GIB << 30,), node) for address, node in BESIDE.items()}
    host = Host("qemu", "kcloud", PurePosixPath(servers))
    spec = domain_spec(want, host, Around(functions, {}, HostShape(nodes)))
    assert [(cell.host_node, cell.host_cpus) for cell in spec.cells] == [(0, "0-7"), (1, "8-15")]
    return replace(spec, cells=tuple(replace(cell, host_node=0, host_cpus="0") for cell in spec.cells))


def bootable(xml: str) -> str:
    """Each device of the host replaced, in its own place, by one that the emulator makes, with a BAR of the
    same size; and memory that need not be locked, which is not everybody's right to ask for
    (test_libvirt_command.py looks at that)."""
    domain = ElementTree.fromstring(xml)
    backing = domain.find("memoryBacking")
    assert backing is not None
    domain.remove(backing)
    for number, hostdev in enumerate(domain.findall("devices/hostdev")):
        address = hostdev.find("address")
        assert address is not None
        hostdev.clear()
        # Shared memory that nobody shares: its pages exist once somebody touches them.
        hostdev.tag = "shmem"
        hostdev.set("name", f"kcloud-{SERVER}-{number}")
        ElementTree.SubElement(hostdev, "model", {"type": "ivshmem-plain"})
        ElementTree.SubElement(hostdev, "size", {"unit": "GiB"}).text = str(BAR_GIB)
        hostdev.append(address)
    return ElementTree.tostring(domain, encoding="unicode")


def test_a_guest_sees_its_cells_and_on_which_of_them_each_device_is(
    tmp_path: Path, libvirtd: PrivateLibvirtd, tiny_image: Path
) -> None:
    folder = tmp_path / str(SERVER)
    folder.mkdir()
    disk = disks.make_overlay(folder / "disk.qcow2", tiny_image, "qcow2", 1 << 30, run)
    disks.finish(disk, folder / "disk.qcow2", no_checkpoint)
    facts = GuestFacts(SERVER, "cells", "cells", "p" * 32, user_data=SAYS_NODES)
    drive = disks.make_iso(folder / "config.iso", config_drive_files(facts), run)
    disks.finish(drive, folder / "config.iso", no_checkpoint)
    spec = spec_of_server(tmp_path)

    plain = libvirt.open(libvirtd.uri)
    driver = open_driver(libvirtd.uri, "qemu")
    try:
        plain.defineXMLFlags(bootable(domain_xml(spec)), libvirt.VIR_DOMAIN_DEFINE_VALIDATE)
        driver.start(SERVER)
        console = Path(spec.console_log)
        wait_for_line(console, "GUEST-READY cells", seconds=120)
        told = console.read_text(errors="replace")
        driver.undefine(SERVER)
    finally:
        driver.close()
        plain.close()
        for number in range(len(BESIDE)):
            (SHARED / f"kcloud-{SERVER}-{number}").unlink(missing_ok=True)

    assert "GUEST-NODES 0-1" in told
    nodes = dict(re.findall(r"GUEST-NODE (node\d) cpus (\S+)", told))
    assert nodes == {"node0": "0", "node1": "1"}
    sizes = [int(kib) // 1024 for kib in re.findall(r"Node \d MemTotal: (\d+) kB", told)]
    assert len(sizes) == 2
    assert all(150 < size <= 256 for size in sizes)
    found = re.findall(r"GUEST-PCI (\S+) Class 0500: 1af4:1110 *(node \d)?", told)
    assert [node for _, node in found] == ["", "node 0", "node 1", "node 1"], "the root's first"
    bars = [(int(first, 16), int(last, 16)) for first, last in re.findall(r"GUEST-BAR \S+ (\S+) (\S+)", told)]
    assert [last - first + 1 for first, last in bars] == [BAR_GIB << 30] * 4, "each has room"
    assert spec.address_space is not None
    limit = bits_for(spec.memory_mib, spec.address_space.hole64_mib)
    assert all(spec.memory_mib << 20 < first and last < 1 << limit for first, last in bars)
