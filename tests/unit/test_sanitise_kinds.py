"""Slices of every kind are cleaned in their own way, on simulated machines and with the real catalogue."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from tests.thoroughness import THOROUGH
from tests.unit.cleaning_world import World
from vfio.catalogue import builtin
from vfio.offer import seated_link
from vfio.sanitise.pipeline import NotYet, Unclean, sanitise
from vfio.sanitise.subject import Subject, functions_of
from vfio.scan import scan
from vfio.sim.trees import build
from vfio.testing import FakeHost, Harm

MDEV = UUID("6c8b7a4e-0000-4000-8000-0000000000ed")
CARD = "0000:21:00.0"
MACHINES = ("a100-x1", "t4-x1", "flex170-x1", "b60-x1", "rngd-x1", "warboy-x1", "ca22-x1", "gaudi3-x1")
THOROUGHLY = bool(os.environ.get(THOROUGH))
PCI = "sys/bus/pci/devices"


def subject(host: FakeHost, kind: str, *addresses: str, **facts: object) -> Subject:
    functions = functions_of(scan(host.sysfs()), addresses, builtin().describe, seated_link)
    return replace(Subject("device", kind, functions), **facts)  # type: ignore[arg-type]


def card_of(host: FakeHost) -> str:
    """The first accelerator: a display or processing accelerator that is no VF."""
    devices = scan(host.sysfs()).devices.values()
    return next(d.address for d in devices if d.class_code >> 16 in (0x03, 0x12) and d.physfn is None)


@pytest.mark.parametrize("name", MACHINES if THOROUGHLY else MACHINES[:3])
def test_a_whole_card_is_reset_by_what_its_catalogue_allows_and_comes_back_as_it_was(
    tmp_path: Path, name: str
) -> None:
    host = build(name, tmp_path)
    address = card_of(host)
    before = host.picture()
    place = World(host)
    cleaned = sanitise(host.sysfs(), subject(host, "whole", address), place.means())
    assert cleaned.grade == "C"
    allowed = builtin().describe(scan(host.sysfs()).devices[address]).reset_methods
    method = next(done.method for done in cleaned.steps if done.step == "reset")
    assert allowed is None or method in allowed
    assert (address, method) in host.resets()
    assert host.picture() == before


def test_a_card_that_no_reset_brings_back_waits_for_the_hosts_next_start(tmp_path: Path) -> None:
    host = build("mi300x-x1", tmp_path)
    place = World(host)
    whole = subject(host, "whole", card_of(host))
    with pytest.raises(Unclean, match=r"no reset that may be used.*catalogue does not allow"):
        sanitise(host.sysfs(), whole, place.means())
    assert host.resets() == ()
    host.reboot()
    cleaned = sanitise(host.sysfs(), replace(whole, rebooted=True), place.means())
    assert [done.method for done in cleaned.steps if done.step == "reset"] == ["reboot"]


def test_a_virtual_function_is_reset_alone_and_its_cards_errors_count(tmp_path: Path) -> None:
    host = build("rngd-x1", tmp_path)
    host.sysfs().write(f"{PCI}/{CARD}/sriov_numvfs", "4")
    function = host.sysfs().readlink(f"{PCI}/{CARD}/virtfn2").rpartition("/")[2]
    place = World(host)
    virtual = subject(host, "vf", function, watched=(CARD,))
    before = host.picture()
    assert sanitise(host.sysfs(), virtual, place.means()).grade == "C"
    assert host.resets() == ((function, "flr"),)
    assert host.picture() == before
    stops: list[Callable[[], None]] = [lambda: host.count_errors(CARD, fatal=1)]

    def clock() -> float:
        if host.resets()[1:] and stops:
            stops.pop()()
        return 0.0

    with pytest.raises(Unclean, match=f"{CARD}: 1 new fatal"):
        sanitise(host.sysfs(), virtual, place.means(clock=clock))


def mdev_host(folder: Path) -> tuple[FakeHost, str, str]:
    """A T4 with one mediated device; its card, and its type."""
    host = build("t4-x1", folder)
    card = card_of(host)
    types = host.sysfs().listdir(f"{PCI}/{card}/mdev_supported_types")
    host.sysfs().write(f"{PCI}/{card}/mdev_supported_types/{types[0]}/create", str(MDEV))
    return host, card, types[0]


def test_a_mediated_device_is_made_anew_and_must_be_of_its_type_again(tmp_path: Path) -> None:
    host, card, kind = mdev_host(tmp_path)
    types = f"{PCI}/{card}/mdev_supported_types"
    mediated = Subject("mdev", "mdev", watched=(card,), mdev=str(MDEV), slice_type=kind)
    place = World(host)

    def recreate(becomes: str | None) -> Callable[[], str]:
        def act() -> str:
            host.sysfs().write(f"sys/bus/mdev/devices/{MDEV}/remove", "1")
            if becomes is not None:
                host.sysfs().write(f"{types}/{becomes}/create", str(MDEV))
            return f"made anew as {becomes}"

        return act

    cleaned = sanitise(host.sysfs(), mediated, place.means(recreate=recreate(kind)))
    assert cleaned.grade == "B"
    assert [done.step.value for done in cleaned.steps] == ["fence", "stop", "restore", "scrub", "verify"]
    assert cleaned.steps[-1].evidence == f"type {kind}"
    assert host.resets() == ()
    other = next(name for name in host.sysfs().listdir(types) if name != kind)
    with pytest.raises(Unclean, match=f"is of type {other}, not of type {kind}"):
        sanitise(host.sysfs(), mediated, place.means(recreate=recreate(other)))
    with pytest.raises(Unclean, match="is not there, not of type"):
        sanitise(host.sysfs(), mediated, place.means(recreate=recreate(None)))
    with pytest.raises(Unclean, match="nothing here can make this slice anew"):
        sanitise(host.sysfs(), mediated, place.means())


def test_a_mediated_device_that_is_open_is_left_alone(tmp_path: Path) -> None:
    host, _, kind = mdev_host(tmp_path)
    place = World(host)
    group = host.sysfs().readlink(f"sys/bus/mdev/devices/{MDEV}/iommu_group").rpartition("/")[2]
    place.hold_open(f"/dev/vfio/{group}")
    mediated = Subject("mdev", "mdev", mdev=str(MDEV), slice_type=kind)
    with pytest.raises(NotYet, match=f"/dev/vfio/{group}"):
        sanitise(host.sysfs(), mediated, place.means(recreate=lambda: "never"))
    assert host.sysfs().exists(f"sys/bus/mdev/devices/{MDEV}")


def test_a_vendors_function_gets_its_type_anew_and_is_never_reset(tmp_path: Path) -> None:
    host = build("l40s-x1", tmp_path)
    host.sysfs().write(f"{PCI}/{CARD}/sriov_numvfs", "4")
    function = host.sysfs().readlink(f"{PCI}/{CARD}/virtfn0").rpartition("/")[2]
    listed = host.sysfs().read_text(f"{PCI}/{function}/nvidia/creatable_vgpu_types")
    kind = listed.splitlines()[1].partition(":")[0].strip()
    current = f"{PCI}/{function}/nvidia/current_vgpu_type"
    host.sysfs().write(current, kind)
    place = World(host)
    vendors = subject(host, "vendor-vf", function, slice_type=kind, watched=(CARD,))

    def recreate() -> str:
        host.sysfs().write(current, "0")
        host.sysfs().write(current, kind)
        return f"type {kind} set anew"

    def forget() -> str:
        host.sysfs().write(current, "0")
        return ""

    before = host.picture()
    assert sanitise(host.sysfs(), vendors, place.means(recreate=recreate)).grade == "B"
    assert host.resets() == ()
    assert host.picture() == before
    with pytest.raises(Unclean, match=f"is of type 0, not of type {kind}"):
        sanitise(host.sysfs(), vendors, place.means(recreate=forget))


def test_a_board_of_four_functions_is_reset_function_by_function(tmp_path: Path) -> None:
    host = build("ca25-x1", tmp_path)
    first = card_of(host)
    board = sorted(a for a in host.addresses() if a.rpartition(".")[0] == first.rpartition(".")[0])
    place = World(host)
    sanitise(host.sysfs(), subject(host, "whole", *board), place.means())
    assert [address for address, _ in host.resets()] == board
    host.harm_reset(board[-1], Harm(dead=True))
    with pytest.raises(Unclean, match=f"{board[-1]}: it reads all ones"):
        sanitise(host.sysfs(), subject(host, "whole", *board), place.means())
