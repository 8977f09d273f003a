"""How near hosts come whose devices are apart, and what a ledger says of them."""

from uuid import UUID

from kcloud_api.placement.capacity import Stock
from kcloud_api.placement.constraints import Constraint
from kcloud_api.placement.ledger import MISSES, Entry, Ledger
from kcloud_api.placement.request import Group, ResourceRequest
from kcloud_api.placement.tree import Provider, Tree
from kcloud_api.placement.ways import Way, ways
from kcloud_api.scheduler.apart import CODES, Apart, miss, narrowed
from kcloud_api.scheduler.choose import Sites, choose_devices
from kcloud_api.scheduler.reasons import explain
from kcloud_api.scheduler.topology import Impossible, Policy
from kcloud_api.scheduler.wording import HELP, OF_HOST, WHAT
from tests.unit.device_choice import host


def refused(number: int, *switches: int, npus: int = 0) -> tuple[Way, Sites, Impossible]:
    """A host of so many GPUs a switch, asked for five devices below one."""
    devices = host(*switches)
    root = Provider(UUID(int=1000 + number), f"host-{number}", 1, None, {})
    classes = ["CUSTOM_NPU"] * npus + ["PGPU"] * len(devices)
    below = (
        Provider(device.id, device.address, 1, root.id, {name: Stock(1, max_unit=1)})
        for device, name in zip(devices, classes, strict=False)
    )
    groups = {str(n): Group({"CUSTOM_NPU" if n < npus else "PGPU": 1}) for n in range(5)}
    way = next(ways(Tree((root, *below)), ResourceRequest(groups, group_policy="isolate")))
    sites = Sites(devices, frozenset(device.id for device in devices))
    why = choose_devices(way, sites, Policy.SAME_SWITCH)
    assert isinstance(why, Impossible)
    return way, sites, why


def apart(*shapes: tuple[int, ...]) -> Apart:
    found = Apart()
    for number, shape in enumerate(shapes):
        way, sites, why = refused(number, *shape)
        found = found.and_one(miss(way, sites, Policy.SAME_SWITCH, why))
    return found


def test_a_miss_names_the_class_and_what_each_switch_has() -> None:
    way, sites, why = refused(1, 4, 3)
    missed = miss(way, sites, Policy.SAME_SWITCH, why)
    assert missed.removed_by == Constraint("not_below_one_switch", ("0", "1", "2", "3", "4"), "PGPU", 5)
    assert (missed.host, missed.has) == ("host-1", (4, 3))


def test_devices_of_several_classes_are_just_devices() -> None:
    way, sites, why = refused(1, 4, 3, npus=2)
    constraint = miss(way, sites, Policy.SAME_SWITCH, why).removed_by
    assert (constraint.resource_class, constraint.amount) == ("", 5)
    assert "5 devices free below one PCIe switch" in WHAT[constraint.code](constraint)


def test_the_ledger_ends_with_the_hosts_whose_devices_are_apart() -> None:
    short = Constraint("resource_class_short", ("0",), "PGPU", 1)
    ledger = Ledger(5, (Entry(short, 3, 2),), ())
    told = narrowed(ledger, apart((2, 2, 2), (4, 4)))
    assert [(entry.removed, entry.remaining) for entry in told.entries] == [(3, 2), (2, 0)]
    assert [missed.host for missed in told.nearest] == ["host-1", "host-0"], "four below one switch is nearer"
    assert told.remaining == 0
    said = explain(told)
    assert "2 hosts do not have 5 PGPU free below one PCIe switch" in said.message
    assert "What would help: delete a server that holds such devices" in said.message
    assert "host-1: not_below_one_switch: needs 5 PGPU below one PCIe switch, has 4+4 free" in said.details


def test_a_host_that_became_free_meanwhile_remains() -> None:
    assert narrowed(Ledger(3, (), ()), apart((4, 4))).remaining == 2
    assert narrowed(Ledger(0, (), ()), apart((4, 4))).remaining == 0


def test_of_many_hosts_only_the_nearest_are_kept() -> None:
    found = apart(*[(2, 2, 1), (4, 1), *[(3, 2)] * MISSES])
    assert found.count == MISSES + 2
    assert len(found.nearest) == MISSES
    assert found.nearest[0].host == "host-1"


def test_every_code_has_words_and_help() -> None:
    for code in CODES.values():
        assert code in WHAT
        assert code in HELP
        assert code in OF_HOST
