"""Hosts and devices are looked for together on real databases, past as many hosts as it takes."""

from uuid import UUID, uuid4

from sqlmodel import Session

from kcloud_api.accelerator import service as accelerator
from kcloud_api.compute import choosing
from kcloud_api.compute.choosing import Wanted
from kcloud_api.db.engine import Database
from kcloud_api.placement import service as placement
from kcloud_api.placement.inventory import HostInventory, Inventory
from kcloud_api.placement.request import Group, ResourceRequest
from kcloud_api.placement.ways import Candidate
from kcloud_api.scheduler.topology import Policy
from kcloud_common.wire import DeviceReport, DeviceState
from tests.functional.scripted_agent import gpu


def gpus(*switches: int) -> list[DeviceReport]:
    """So many below each switch."""
    places = [(switch, index) for switch, count in enumerate(switches) for index in range(count)]
    return [
        gpu(f"pci_{switch}_{index}", f"0000:{switch:02x}:{index:02x}.0").model_copy(
            update={"numa_node": 0, "pci_path": (f"0000:f{switch}:00.0", f"0000:f{switch}:{index:02x}.1")}
        )
        for switch, index in places
    ]


def add_host(session: Session, number: int, devices: list[DeviceReport]) -> UUID:
    host_id = UUID(int=number << 64)
    accelerator.sync_devices(session, host_id, devices)
    children = accelerator.providers(session, host_id, f"h{number}")
    placement.sync_host(
        session, HostInventory(host_id, f"h{number}", {"VCPU": Inventory(8)}, frozenset(), children)
    )
    return host_id


def asking(count: int) -> ResourceRequest:
    groups = {str(number): Group({"PGPU": 1}) for number in range(1, count + 1)}
    return ResourceRequest({"": Group({"VCPU": 1}), **groups}, group_policy="isolate")


def devices_of(session: Session, candidate: Candidate) -> list[str]:
    names = {
        device.provider_id: device.name for device in accelerator.devices(session, host_id=candidate.host_id)
    }
    return sorted(names[id_] for id_ in candidate.allocations if id_ in names)


def test_the_choice_is_claimed_by_placement_and_accelerator(any_database: Database) -> None:
    with any_database.transaction() as session:
        add_host(session, 1, gpus(3, 2))
    with any_database.transaction() as session:
        (found,) = choosing.candidates(session, Wanted(asking(2), Policy.PACK), limit=5).candidates
        assert devices_of(session, found) == ["pci_1_0", "pci_1_1"]
        server = placement.ConsumerRecord(uuid4(), "p", "u")
        placement.claim(session, server, found)
        claims = accelerator.claim(session, server.id, found.allocations)
        assert [claim.device for claim in claims] == ["pci_1_0", "pci_1_1"]
    with any_database.transaction() as session:
        (found,) = choosing.candidates(session, Wanted(asking(3), Policy.SAME_SWITCH), limit=5).candidates
        assert devices_of(session, found) == ["pci_0_0", "pci_0_1", "pci_0_2"]
        none = choosing.candidates(session, Wanted(asking(4), Policy.PACK), limit=5)
        assert (none.candidates, none.apart.count) == ((), 0)


def test_a_hard_policy_looks_past_all_hosts_that_cannot(any_database: Database) -> None:
    with any_database.transaction() as session:
        # Those with the most free devices are looked at first.
        for number in range(2, choosing.BATCH + 10):
            add_host(session, number, gpus(2, 2))
        whole = add_host(session, 1, gpus(3))
    with any_database.transaction() as session:
        found = choosing.candidates(session, Wanted(asking(3), Policy.SAME_SWITCH), limit=5)
        assert [candidate.host_id for candidate in found.candidates] == [whole]
        assert found.apart.count == choosing.BATCH + 8
        assert found.apart.nearest[0].has == (2, 2)
        assert len(choosing.candidates(session, Wanted(asking(3), Policy.PACK), limit=5).candidates) == 5


def test_a_device_that_may_not_be_handed_out_is_not_chosen(any_database: Database) -> None:
    first, *others = gpus(3)
    bad = first.model_copy(update={"state": DeviceState.QUARANTINED, "reason": "would not reset"})
    with any_database.transaction() as session:
        add_host(session, 1, [bad, *others])
    with any_database.transaction() as session:
        (found,) = choosing.candidates(session, Wanted(asking(2), Policy.SAME_SWITCH), limit=5).candidates
        assert devices_of(session, found) == ["pci_0_1", "pci_0_2"]
