"""Domain XML as written and read back: golden files, the places of devices, the round trip as a property."""

from dataclasses import replace
from pathlib import PurePosixPath
from uuid import UUID
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hypervisor_drivers.libvirt.codes import State
from hypervisor_drivers.libvirt.domain_xml import domain_xml
from hypervisor_drivers.libvirt.metadata_xml import NAMESPACE, metadata_text
from hypervisor_drivers.libvirt.observed import domain_seen, domain_state, networks_by_mac
from hypervisor_drivers.spec import (
    CellSpec,
    DiskSpec,
    DomainMetadata,
    DomainSpec,
    DomainState,
    HostdevSpec,
    MdevSpec,
    NicSpec,
)
from tests.conftest import Golden
from tests.domain_specs import GOLDEN
from tests.thoroughness import examples

RUNNING = (State.RUNNING, 0)


# One integer each: cheap to draw and to shrink.
macs = st.integers(0, (1 << 40) - 1).map(lambda number: "fa:" + number.to_bytes(5).hex(":"))
addresses = st.integers(0, (1 << 40) - 1).map(
    lambda number: f"{number >> 16:04x}:{number >> 8 & 255:02x}:{number >> 3 & 31:02x}.{number & 7}"
)
cells = st.sampled_from([None, 0, 1])
paths = st.sampled_from(["/d/disk", "/d/with space", "/d/<&>'\"", "/d/é漢"]).map(PurePosixPath)
specs = st.builds(
    DomainSpec,
    uuid=st.uuids(),
    name=st.uuids().map("kcloud-{}".format),
    title=st.text(max_size=20),
    vcpus=st.integers(1, 256),
    memory_mib=st.integers(1, 1 << 22),
    virt_type=st.sampled_from(["kvm", "qemu"]),
    disks=st.lists(
        st.builds(DiskSpec, paths, st.sampled_from(["qcow2", "raw"]), st.sampled_from(["disk", "cdrom"])),
        max_size=4,
    ).map(tuple),
    nics=st.lists(st.builds(NicSpec, macs, st.just("kcloud")), max_size=4).map(tuple),
    hostdevs=st.lists(st.builds(HostdevSpec, addresses, cells), max_size=9).map(tuple),
    mdevs=st.lists(st.builds(MdevSpec, st.uuids(), cells), max_size=3).map(tuple),
    cells=st.sampled_from([(), (CellSpec((0,), 64), CellSpec((1,), 64))]),
    console_log=paths,
    metadata=st.builds(
        DomainMetadata,
        project_id=st.uuids().map(lambda name: name.hex),
        generation=st.integers(0, 1 << 31),
        claims=st.lists(st.uuids(), max_size=3).map(tuple),
    ),
)


@pytest.mark.parametrize("name", GOLDEN)
def test_a_spec_is_written_as_the_golden_file_says(name: str, golden: Golden) -> None:
    golden.check(f"tests/unit/golden/domain/{name}.xml", domain_xml(GOLDEN[name]))


@settings(max_examples=examples(50), deadline=None)
@given(specs)
def test_what_was_written_is_what_is_seen(spec: DomainSpec) -> None:
    seen = domain_seen(domain_xml(spec), *RUNNING)

    assert seen is not None
    assert (seen.uuid, seen.name, seen.metadata) == (spec.uuid, spec.name, spec.metadata)
    assert seen.hostdevs == tuple(hostdev.address for hostdev in spec.hostdevs)
    assert seen.mdevs == tuple(mdev.uuid for mdev in spec.mdevs)
    assert seen.macs == tuple(nic.mac for nic in spec.nics)
    assert seen.state is DomainState.RUNNING


@settings(max_examples=examples(50), deadline=None)
@given(specs)
def test_every_pci_device_is_alone_on_a_root_port_of_its_own(spec: DomainSpec) -> None:
    devices = ElementTree.fromstring(domain_xml(spec)).find("devices")
    assert devices is not None
    ports = [port for port in devices.findall("controller") if port.get("model") == "pcie-root-port"]
    addresses = [device.find("address[@type='pci']") for device in devices if device.tag != "controller"]
    buses = [int(address.get("bus", ""), 16) for address in addresses if address is not None]

    assert buses == [int(port.get("index", "")) for port in ports]
    assert buses == list(range(buses[0], buses[0] + len(ports)))
    places = [tuple(sorted(port.find("address").attrib.items())) for port in ports]  # type: ignore[union-attr]
    assert len(set(places)) == len(ports)


@settings(max_examples=examples(50), deadline=None)
@given(specs)
def test_another_hostdev_moves_no_other_device(spec: DomainSpec) -> None:
    if not spec.hostdevs:  # the first one also takes the balloon away, which stood behind everything else
        return
    more = replace(spec, hostdevs=(*spec.hostdevs, HostdevSpec("0000:99:00.0")), mdevs=())
    spec = replace(spec, mdevs=())

    before, after = (ElementTree.fromstring(domain_xml(one)).findall("devices/*") for one in (spec, more))
    texts = {ElementTree.tostring(element).strip() for element in after}
    assert all(ElementTree.tostring(element).strip() in texts for element in before)


def test_memory_is_locked_and_never_ballooned_under_a_passed_through_device() -> None:
    with_device, without = (
        ElementTree.fromstring(domain_xml(GOLDEN[name])) for name in ("accelerated", "ordinary")
    )

    assert with_device.find("memoryBacking/locked") is not None
    assert with_device.find("devices/memballoon[@model='none']") is not None
    assert without.find("memoryBacking") is None
    assert without.find("devices/memballoon[@model='virtio']") is not None


def test_a_device_of_a_cell_sits_below_the_expander_that_carries_the_cells_number() -> None:
    devices = ElementTree.fromstring(domain_xml(GOLDEN["two-nodes"])).find("devices")
    assert devices is not None
    controllers = {one.get("index"): one for one in devices.findall("controller[@type='pci']")}

    def node(hostdev: ElementTree.Element) -> str | None:
        port = controllers[str(int(hostdev.find("address").get("bus", ""), 16))]  # type: ignore[union-attr]
        expander = controllers[str(int(port.find("address").get("bus", ""), 16))]  # type: ignore[union-attr]
        return expander.findtext("target/node")

    assert [node(hostdev) for hostdev in devices.findall("hostdev")] == ["0", "0", "1", "1", "1"]


def test_libvirt_never_manages_a_device() -> None:
    domain = ElementTree.fromstring(domain_xml(GOLDEN["accelerated"]))

    assert {hostdev.get("managed") for hostdev in domain.iterfind("devices/hostdev")} == {"no"}


def test_the_config_drive_is_a_read_only_virtio_disk_after_the_root_disk() -> None:
    domain = ElementTree.fromstring(domain_xml(GOLDEN["ordinary"]))
    root, drive = domain.findall("devices/disk")

    assert (root.find("target").attrib, root.find("readonly")) == ({"dev": "vda", "bus": "virtio"}, None)  # type: ignore[union-attr]
    assert drive.find("target").attrib == {"dev": "vdb", "bus": "virtio"}  # type: ignore[union-attr]
    assert drive.find("readonly") is not None


def test_a_domain_of_somebody_else_is_not_seen() -> None:
    assert domain_seen("<domain><name>theirs</name></domain>", *RUNNING) is None


def test_a_domain_whose_words_somebody_has_changed_is_seen_all_the_same() -> None:
    claims = f'<k:claim id="nothing"/><k:claim id="{UUID(int=5)}"/>'
    inside = f'<k:server xmlns:k="{NAMESPACE}" generation="newest">{claims}</k:server>'

    seen = domain_seen(f"<domain><uuid>{UUID(int=9)}</uuid><metadata>{inside}</metadata></domain>", *RUNNING)

    assert seen is not None
    assert seen.metadata == DomainMetadata(project_id="", generation=0, claims=(UUID(int=5),))


def test_metadata_for_a_running_domain_reads_back_once_libvirt_has_put_the_namespace_in() -> None:
    metadata = DomainMetadata(project_id="p", generation=3, claims=(UUID(int=5),))
    inside = metadata_text(metadata).replace("<server", f'<server xmlns="{NAMESPACE}"', 1)
    uuid = UUID(int=9)

    seen = domain_seen(f"<domain><uuid>{uuid}</uuid><metadata>{inside}</metadata></domain>", *RUNNING)

    assert seen is not None
    assert seen.metadata == metadata


@pytest.mark.parametrize(
    ("state", "reason", "shown"),
    [
        (State.RUNNING, 0, DomainState.RUNNING),
        (State.BLOCKED, 0, DomainState.RUNNING),
        (State.SHUTDOWN, 0, DomainState.RUNNING),
        (State.PAUSED, 5, DomainState.PAUSED),
        (State.SHUTOFF, 1, DomainState.SHUTOFF),
        (State.SHUTOFF, 3, DomainState.CRASHED),
        (State.CRASHED, 0, DomainState.CRASHED),
    ],
)
def test_each_state_of_libvirt_has_a_word(state: int, reason: int, shown: DomainState) -> None:
    assert domain_state(state, reason) is shown


def test_each_nic_is_known_by_its_network() -> None:
    assert networks_by_mac(domain_xml(GOLDEN["accelerated"])) == {
        "fa:16:3e:00:00:02": "kcloud",
        "fa:16:3e:00:00:03": "kcloud",
    }
