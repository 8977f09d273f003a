"""What libvirt makes of our domains: the emulator's own command line, and what the definition is once kept.

Our XML only asks. Here it is seen that the asking is understood: memory that is locked, no balloon, hugepages
from the right node, a root port for each device, room for BARs.
"""

import json
import re
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from hypervisor_drivers.driver import DriverError
from hypervisor_drivers.libvirt.domain_xml import domain_xml
from hypervisor_drivers.spec import DomainSpec
from tests.contract.drivers import LibvirtHands, libvirt_bench
from tests.domain_specs import GOLDEN
from tests.libvirtd import PrivateLibvirtd, private_libvirtd

pytestmark = pytest.mark.libvirt

WITH_DEVICES = [name for name, spec in GOLDEN.items() if spec.has_devices]


@pytest.fixture(scope="module")
def libvirtd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateLibvirtd]:
    """One that knows where hugepages of 1 GiB are, whether there are any or not."""
    with private_libvirtd(tmp_path_factory.mktemp("libvirtd")) as handle:
        pages = handle.folder / "pages"
        pages.mkdir()
        mount = ["mount", "-t", "hugetlbfs", "-o", "pagesize=1G", "none", str(pages)]
        subprocess.run([*handle.prefix, *mount], check=True)
        with (handle.folder / "etc" / "qemu.conf").open("a") as conf:
            conf.write(f'hugetlbfs_mount = ["{pages}"]\n')
        handle.kill()
        handle.restart()
        yield handle


@dataclass(frozen=True)
class Command:
    """The emulator's command line, and the definition as libvirt keeps it."""

    words: list[str]
    kept: ElementTree.Element

    def of(self, option: str) -> list[str]:
        return [value for name, value in zip(self.words, self.words[1:], strict=False) if name == option]

    def structured(self, option: str) -> list[dict[str, Any]]:
        return [json.loads(value) for value in self.of(option) if value.startswith("{")]

    def devices(self, driver: str) -> list[dict[str, Any]]:
        return [device for device in self.structured("-device") if device["driver"] == driver]


CommandOf = Callable[[str], Command]
"""Makes the command of a golden domain, by its name."""


@pytest.fixture
def command(libvirtd: PrivateLibvirtd, tmp_path: Path) -> Iterator[CommandOf]:
    with libvirt_bench(tmp_path, libvirtd) as bench:
        hands = bench.hands
        assert isinstance(hands, LibvirtHands)

        def made(name: str) -> Command:
            spec = here(GOLDEN[name])
            bench.driver.define(spec)
            kept = hands.virsh("dumpxml", "--inactive", spec.name)
            argv = hands.virsh("domxml-to-native", "qemu-argv", "--domain", spec.name)
            return Command(unquoted(argv), ElementTree.fromstring(kept))

        yield made


def here(spec: DomainSpec) -> DomainSpec:
    """Moved to the only node of a machine like this, and to its emulator."""
    cells = tuple(replace(cell, host_node=0, host_cpus="0") for cell in spec.cells)
    return replace(spec, virt_type="qemu", cells=cells)


def unquoted(argv: str) -> list[str]:
    """Libvirt wraps words in single quotes and breaks lines with a backslash."""
    return [quoted or plain for quoted, plain in re.findall(r"'([^']*)'|([^\s'\\]+)", argv)]


@pytest.mark.parametrize("name", GOLDEN)
def test_memory_is_locked_and_never_ballooned_where_a_device_may_write_to_it(
    name: str, command: CommandOf
) -> None:
    made, has_devices = command(name), GOLDEN[name].has_devices

    assert made.of("-overcommit") == [f"mem-lock={'on' if has_devices else 'off'}"]
    assert len(made.devices("virtio-balloon-pci")) == (0 if has_devices else 1)
    assert made.kept.find(f"devices/memballoon[@model='{'none' if has_devices else 'virtio'}']") is not None
    assert (made.kept.find("memoryBacking/locked") is not None) == has_devices


@pytest.mark.parametrize("name", GOLDEN)
def test_each_device_has_a_root_port_to_itself(name: str, command: CommandOf) -> None:
    made, spec = command(name), GOLDEN[name]
    ports = {port["id"] for port in made.devices("pcie-root-port")}
    pxbs = {pxb["id"] for pxb in made.devices("pxb-pcie")}
    taken = Counter(
        device["bus"]
        for device in made.structured("-device")
        if "bus" in device and device["driver"] not in ("pcie-root-port", "pxb-pcie")
    )

    assert set(taken) == ports, "libvirt has added no port, and left none empty"
    assert set(taken.values()) == {1}
    assert len(pxbs) == (len(spec.cells) if spec.has_devices else 0)


@pytest.mark.parametrize("name", WITH_DEVICES)
def test_devices_are_those_of_the_host_and_not_taken_from_their_drivers(
    name: str, command: CommandOf
) -> None:
    made, spec = command(name), GOLDEN[name]
    given = made.devices("vfio-pci")

    assert [device["host"] for device in given if "host" in device] == [
        hostdev.address for hostdev in spec.hostdevs
    ]
    assert [device["sysfsdev"].rpartition("/")[2] for device in given if "sysfsdev" in device] == [
        str(mdev.uuid) for mdev in spec.mdevs
    ]
    assert {each.get("managed") for each in made.kept.iterfind("devices/hostdev")} == {"no"}


@pytest.mark.parametrize("name", ["two-nodes", "hgx"])
def test_cells_have_their_pages_processors_and_devices(name: str, command: CommandOf) -> None:
    made, spec = command(name), GOLDEN[name]
    memory = [each for each in made.structured("-object") if each["qom-type"] == "memory-backend-file"]
    pxbs = made.devices("pxb-pcie")
    parents = {port["id"]: port["bus"] for port in made.devices("pcie-root-port")}
    cells = {pxb["id"]: pxb["numa_node"] for pxb in pxbs}
    devices = made.devices("vfio-pci")

    assert [each["size"] for each in memory] == [cell.memory_mib << 20 for cell in spec.cells]
    assert all("/pages/" in each["mem-path"] and each["prealloc"] for each in memory)
    assert [(each["host-nodes"], each["policy"]) for each in memory] == [([0], "bind")] * len(memory)
    assert len([value for value in made.of("-numa") if value.startswith("node,")]) == len(spec.cells)
    assert sorted(cells.values()) == [number for number, _ in enumerate(spec.cells)]
    assert [cells[parents[device["bus"]]] for device in devices] == [
        *(hostdev.cell for hostdev in spec.hostdevs),
        *(mdev.cell for mdev in spec.mdevs),
    ]
    numbers = [pxb["bus_nr"] for pxb in pxbs]
    assert all(later - sooner > len(devices) for sooner, later in pairwise(numbers))


@pytest.mark.parametrize("name", [name for name, spec in GOLDEN.items() if spec.address_space])
def test_room_for_bars_and_address_bits_reach_the_emulator(name: str, command: CommandOf) -> None:
    made, space = command(name), GOLDEN[name].address_space
    assert space is not None

    assert f"q35-pcihost.pci-hole64-size={space.hole64_mib * 1024}K" in made.of("-global")
    (cpu,) = made.of("-cpu")
    assert ("phys-bits" in cpu) == (space.phys_bits is not None)


def refusal_of(verb: Callable[[], None]) -> str:
    try:
        verb()
    except DriverError as error:
        return str(error)
    return ""


def test_locked_memory_is_asked_of_the_kernel_at_the_start(libvirtd: PrivateLibvirtd, tmp_path: Path) -> None:
    """A guest with the memory of one that has devices, which this machine could not give it. Who may not
    raise limits learns from libvirt's refusal that it would have; who may, from the guest's process."""
    with libvirt_bench(tmp_path, libvirtd) as bench:
        hands, spec = bench.hands, bench.spec()
        assert isinstance(hands, LibvirtHands)
        domain = ElementTree.fromstring(domain_xml(spec))
        ElementTree.SubElement(ElementTree.SubElement(domain, "memoryBacking"), "locked")
        locked = tmp_path / "locked.xml"
        locked.write_text(ElementTree.tostring(domain, encoding="unicode"))
        hands.virsh("define", str(locked))
        refusal = refusal_of(lambda: bench.driver.start(spec.uuid))
        if refusal:
            assert re.search(r"cannot limit locked memory of process \d+ to \d{16}", refusal), refusal
            return
        pid = int((libvirtd.folder / "run" / "qemu" / f"{spec.name}.pid").read_text())
        limits = Path(f"/proc/{pid}/limits").read_text()
        status = Path(f"/proc/{pid}/status").read_text()
        assert re.search(r"Max locked memory\s+(unlimited|\d{16})", limits), limits
        found = re.search(r"VmLck:\s+(\d+) kB", status)
        assert found is not None
        assert int(found[1]) >= spec.memory_mib * 1024
