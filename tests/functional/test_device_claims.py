"""Slices of cards are claimed by name, numbered, raced for, and held back until they are certified."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from uuid import UUID, uuid4

import pytest
from sqlmodel import Session

from kcloud_api.accelerator import service as accelerator
from kcloud_api.accelerator.inventory import provider_id
from kcloud_api.compute import assigning, choosing
from kcloud_api.compute.choosing import Wanted
from kcloud_api.db.engine import Database
from kcloud_api.placement import reading
from kcloud_api.placement import service as placement
from kcloud_api.placement.capacity import Stock
from kcloud_api.placement.inventory import HostInventory, Inventory
from kcloud_api.placement.request import Group, ResourceRequest
from kcloud_api.scheduler.topology import Policy
from kcloud_common.errors import OutOfCapacity, StaleGeneration
from kcloud_common.wire import DeviceReport, DeviceState
from tests.functional.scripted_agent import gpu, vgpus

HOST = UUID(int=1)
CARD = "pci_0000_41_00_0"
SLICES = 5
CLIENTS = 32
ONE = ResourceRequest({"": Group({"VCPU": 1, "VGPU": 1})})


def report(session: Session, devices: list[DeviceReport]) -> None:
    """What the control plane does with a host's report, as far as devices are concerned."""
    assigning.add_host(session, HOST, "h1")
    assigning.lock(session, HOST)
    accelerator.sync_devices(session, HOST, devices)
    children = accelerator.providers(session, HOST, "h1")
    placement.sync_host(session, HostInventory(HOST, "h1", {"VCPU": Inventory(999)}, children=children))


def stock(session: Session, card: str = CARD, resource_class: str = "VGPU") -> Stock:
    return reading.stocks(session, [HOST])[provider_id(HOST, card)][resource_class]


def place(database: Database, request: ResourceRequest = ONE, policy: Policy = Policy.PACK) -> list[str]:
    """Until a server has its devices or there is no candidate; their names."""
    while True:
        try:
            with database.transaction() as session:
                found = choosing.candidates(session, Wanted(request, policy), limit=1).candidates
                if not found:
                    return []
                server = placement.ConsumerRecord(uuid4(), "p", "u")
                assigning.changed(session, found[0].host_id)
                placement.claim(session, server, found[0])
                claims = accelerator.claim(session, server.id, found[0].allocations, project_id="p")
                return [claim.device for claim in claims]
        except (OutOfCapacity, StaleGeneration):
            continue


def test_the_last_slices_of_a_card_go_to_exactly_as_many_of_32_claimants(any_database: Database) -> None:
    with any_database.transaction() as session:
        report(session, vgpus(SLICES))
    barrier = Barrier(CLIENTS)

    def claimant(_: int) -> list[str]:
        barrier.wait()
        return place(any_database)

    with ThreadPoolExecutor(CLIENTS) as pool:
        outcomes = [won for won in pool.map(claimant, range(CLIENTS)) if won]
    assert sorted(outcomes) == [[device.name] for device in vgpus(SLICES)]
    with any_database.reading() as session:
        assert stock(session) == Stock(SLICES, max_unit=SLICES, used=SLICES)
        devices = accelerator.devices(session)
    assert [(device.generation, device.claim is not None) for device in devices] == [(1, True)] * SLICES


def test_a_claim_names_its_slices_in_order_and_numbers_the_lease(any_database: Database) -> None:
    first, second, third = vgpus(3)
    server = uuid4()
    with any_database.transaction() as session:
        report(session, [third, first, second])
        claims = accelerator.claim(session, server, {provider_id(HOST, CARD): {"VGPU": 2}, HOST: {"VCPU": 1}})
        assert [claim.device for claim in claims] == [first.name, second.name]
        assert [(claim.generation, claim.kind, claim.mdev) for claim in claims] == [
            (1, "mdev", first.mdev), (1, "mdev", second.mdev),
        ]  # fmt: skip
    with pytest.raises(OutOfCapacity, match="1 of 2 VGPU are free"), any_database.transaction() as session:
        accelerator.claim(session, uuid4(), {provider_id(HOST, CARD): {"VGPU": 2}})
    with any_database.transaction() as session:
        accelerator.release(session, server)
        (again, *_) = accelerator.claim(session, uuid4(), {provider_id(HOST, CARD): {"VGPU": 1}})
        assert (again.device, again.generation) == (first.name, 2)


def test_a_class_that_a_card_is_not_cut_into_is_out_of_capacity(any_database: Database) -> None:
    with any_database.transaction() as session:
        report(session, vgpus(1))
        with pytest.raises(OutOfCapacity, match="the card has none"):
            accelerator.claim(session, uuid4(), {provider_id(HOST, CARD): {"PGPU": 1}})


def two_cards() -> list[DeviceReport]:
    """Two slices each, on different NUMA nodes."""
    return [
        *vgpus(2, numa_node=0, addresses=("0000:41:00.0",)),
        *vgpus(2, "pci_0000_81_00_0", numa_node=1, addresses=("0000:81:00.0",)),
    ]


def test_slices_fill_a_card_in_use_before_another_and_spread_does_not(any_database: Database) -> None:
    with any_database.transaction() as session:
        report(session, two_cards())
    first = card_of(place(any_database))
    spread = card_of(place(any_database, policy=Policy.SPREAD))
    assert spread != first
    assert card_of(place(any_database)) in (first, spread), "a card in use"
    with any_database.transaction() as session:
        free = {place.provider_id: place.free for place in accelerator.places_of(session, [HOST])[HOST]}
    assert sorted(free.values()) == [0, 1]


def card_of(names: list[str]) -> str:
    (name,) = names
    return name[-8:]


def test_slices_of_one_node_or_none(any_database: Database) -> None:
    with any_database.transaction() as session:
        report(session, two_cards())
    apart = ResourceRequest({str(n): Group({"VGPU": 1}) for n in (1, 2)}, group_policy="isolate")
    assert place(any_database, apart, Policy.SAME_NUMA) == []
    assert len(place(any_database, apart)) == 2
    together = ResourceRequest({str(n): Group({"VGPU": 1}) for n in (1, 2)})
    assert place(any_database, together, Policy.SAME_NUMA) == []


def test_a_card_that_is_cut_anew_keeps_what_is_allocated_valid(any_database: Database) -> None:
    with any_database.transaction() as session:
        report(session, [gpu(CARD), *vgpus(2, "pci_0000_81_00_0")])
    (held,) = place(any_database)
    with any_database.transaction() as session:
        # The empty card is cut; of the other one slice is missing, the one that somebody holds.
        rest = [device for device in vgpus(2, "pci_0000_81_00_0") if device.name != held]
        report(session, [*vgpus(4), *rest])
        assert stock(session) == Stock(4, max_unit=4)
        assert stock(session, "pci_0000_81_00_0") == Stock(2, max_unit=2, used=1)
        assert "PGPU" not in reading.stocks(session, [HOST])[provider_id(HOST, CARD)]
        report(session, [gpu(CARD), *rest])
        assert stock(session, resource_class="PGPU") == Stock(1, max_unit=1)


def test_of_a_cut_card_only_the_slice_that_is_not_clean_is_reserved(any_database: Database) -> None:
    first, second = vgpus(2)
    with any_database.transaction() as session:
        report(session, [first.model_copy(update={"state": DeviceState.SANITISING}), second])
        assert stock(session) == Stock(2, reserved=1, max_unit=2)
    assert place(any_database) == [second.name]
    assert place(any_database) == []
