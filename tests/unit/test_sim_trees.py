"""Each generated host looks like one: its cards are found, named, placed on the bus, offered or refused."""

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.thoroughness import examples
from vfio.catalogue import builtin
from vfio.hostuse import in_use
from vfio.offer import OfferResult
from vfio.scan import scan
from vfio.sim.boards import Placed, place, room
from vfio.sim.function import Board, Cutting, VgpuType
from vfio.sim.trees import NAMES, build, parse
from vfio.slices.offering import offers
from vfio.testing import FakeHost

WANT = {
    "a100-x2": (2, "A100 SXM4 40GB"),
    "l40s-x2": (2, "L40S"),
    "l40s-mixed-x1": (1, "L40S"),
    "t4-x2": (2, "T4"),
    "hgx-h100": (8, "H100 SXM5 80GB"),
    "mi300x-x2": (2, "MI300X"),
    "flex170-x1": (1, "Flex 170"),
    "b60-x1": (1, "Arc Pro B60"),
    "rngd-x2": (2, "RNGD"),
    "warboy-x1": (1, "Warboy"),
    "ca22-x2": (2, "CA22"),
    "ca25-x1": (4, "CA25"),
    "gaudi3-x2": (2, "Gaudi3"),
    "no-numa": (2, "L40S"),
    "memoryless-node": (1, "A100 SXM4 40GB"),
    "domain-0001": (1, "RNGD"),
    "domain-10000": (1, "RNGD"),
    "seven-in-a-group": (1, "CA25"),
    "shared-with-nic": (0, ""),
    "upmem-x2": (0, ""),
}


def offered(host: FakeHost) -> OfferResult:
    snapshot = scan(host.sysfs())
    return offers(snapshot, (), in_use(host.sysfs()))


@pytest.mark.parametrize("name", WANT)
def test_a_host_offers_the_cards_of_its_name(tmp_path: Path, name: str) -> None:
    host = build(name, tmp_path)
    result, (count, model) = offered(host), WANT[name]
    assert [offer.model for offer in result.offers] == [model] * count
    devices = scan(host.sysfs()).devices
    for offer in result.offers:
        assert offer.pci_path
        assert all(devices[bridge].is_bridge for bridge in offer.pci_path)
        assert devices[offer.addresses[0]].bars
        assert offer.link is not None


def test_every_name_has_been_looked_at() -> None:
    assert {parse(name)[0] for name in WANT} | {"many-functions"} == set(NAMES)


@pytest.mark.parametrize("name", ["rngd-x0", "rngd-x999", "hgx-h100-x2", "no-numa-x2", "h900", "", "rngd-x"])
def test_a_name_that_is_none_is_refused_with_those_that_are(name: str) -> None:
    with pytest.raises(ValueError, match=r"rngd\[-xN\]"):
        parse(name)


def test_a_host_in_the_folder_is_taken_as_it_stands(tmp_path: Path) -> None:
    host = build("rngd-x1", tmp_path)
    host.sysfs().write("sys/bus/pci/devices/0000:21:00.0/sriov_numvfs", "3")
    before = host.picture()
    assert build("rngd-x1", tmp_path).picture() == before


def test_an_hgx_board_has_switches_between_nodes_and_gpus_and_nvswitches(tmp_path: Path) -> None:
    snapshot = scan(build("hgx-h100", tmp_path).sysfs())
    gpus = [device for device in snapshot.devices.values() if device.product == 0x2330]
    assert sorted(device.numa_node or 0 for device in gpus) == [0] * 4 + [1] * 4
    above = [device.pci_path[:2] for device in gpus]
    assert [above.count(path) for path in above] == [2] * 8
    assert sum(device.class_code == 0x068000 for device in snapshot.devices.values()) == 4
    assert {len(snapshot.groups[device.iommu_group or 0]) for device in gpus} == {1}


def test_odd_hosts_are_odd_in_the_way_that_they_are_called(tmp_path: Path) -> None:
    assert {offer.numa_node for offer in offered(build("no-numa", tmp_path / "1")).offers} == {None}
    assert len(offered(build("seven-in-a-group", tmp_path / "2")).offers[0].addresses) == 7
    wide = offered(build("domain-10000", tmp_path / "3")).offers[0]
    assert wide.name == "pci_10000_21_00_0"
    [refusal] = offered(build("shared-with-nic", tmp_path / "4")).refusals
    assert "0000:21:01.0" in refusal.reason
    node = build("memoryless-node", tmp_path / "5").sysfs()
    assert "MemTotal:       0 kB" in node.read_text("sys/devices/system/node/node1/meminfo")


def test_a_host_of_many_functions_has_them_enabled_and_apart(tmp_path: Path) -> None:
    devices = scan(build("many-functions", tmp_path).sysfs()).devices
    virtual = [device for device in devices.values() if device.physfn]
    assert len(virtual) == 256
    assert len({device.iommu_group for device in devices.values()}) == len(devices)
    assert all(builtin().accelerator(device) is None for device in virtual)


SIZES = tuple(VgpuType(n, f"{n}C", n * 1024, 48 // n) for n in (1, 2, 3, 4, 6, 8, 12, 16, 24, 48))


@settings(max_examples=examples(100))
@given(mixed=st.booleans(), wanted=st.lists(st.sampled_from(SIZES), max_size=60))
def test_a_board_never_gives_more_than_it_has(mixed: bool, wanted: list[VgpuType]) -> None:
    board = Board(Cutting.VENDOR_VFIO, "nvidia", memory_mib=48 * 1024, types=SIZES, mixed=mixed)
    placed: list[Placed] = []
    for kind in wanted:
        said = room(board, placed, kind)
        new = place(board, placed, kind)
        assert (new is not None) == (said > 0)
        if new is not None:
            placed.append(new)
            assert room(board, placed, kind) == said - 1
    assert sum(each.type.memory_mib for each in placed) <= board.memory_mib
    if mixed:
        spans = sorted((each.start, each.start + each.type.memory_mib) for each in placed)
        assert all(one[1] <= other[0] for one, other in pairwise(spans))
    else:
        assert len({each.type.memory_mib for each in placed}) <= 1
