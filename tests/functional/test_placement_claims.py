"""Claims and releases on a real database, alone and in races: nothing is given out twice (invariant I1)."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import Session

from kcloud_api.accelerator import service as accelerator
from kcloud_api.accelerator.inventory import provider_id
from kcloud_api.compute import assigning
from kcloud_api.db.engine import Database
from kcloud_api.placement import explaining, reading
from kcloud_api.placement import service as placement
from kcloud_api.placement.capacity import Stock
from kcloud_api.placement.inventory import HostInventory, Inventory
from kcloud_api.placement.request import HOST_DOWN, HOST_NOT_READY, Group, ResourceRequest
from kcloud_common.errors import AlreadyExists, Conflict, OutOfCapacity, StaleGeneration
from kcloud_common.wire import DeviceReport, DeviceState
from tests.functional.conftest import opened
from tests.thoroughness import examples

HOST = UUID(int=1)
SHUT = frozenset({HOST_DOWN, HOST_NOT_READY})
ONE_GPU = ResourceRequest({"": Group({"VCPU": 1, "PGPU": 1})}, root_forbidden=SHUT)


def device(number: int, state: DeviceState = DeviceState.FREE, claim_id: UUID | None = None) -> DeviceReport:
    return DeviceReport(
        name=f"pci_{number}", addresses=(f"0000:0{number}:00.0",), vendor_id="10de", product_id="2330",
        resource_class="PGPU", traits=("CUSTOM_H100",), state=state, claim_id=claim_id,
    )  # fmt: skip


def report(session: Session, host_id: UUID, devices: Sequence[DeviceReport], vcpus: int = 64) -> bool:
    """What the control plane does with a host's report, as far as placement is concerned."""
    assigning.lock(session, host_id)
    changed = accelerator.sync_devices(session, host_id, devices)
    name = f"host-{host_id.int}"
    children = accelerator.providers(session, host_id, name)
    inventories = {"VCPU": Inventory(vcpus), "MEMORY_MB": Inventory(65536, reserved=1024)}
    placement.sync_host(session, HostInventory(host_id, name, inventories, frozenset(), children))
    return changed


def reasons(session: Session) -> dict[str, tuple[str, tuple[int, ...]]]:
    """By host: why it cannot take a server with a GPU, and what it has of what it lacks."""
    missed = explaining.ledger(session, ONE_GPU).nearest
    return {one.host: (one.removed_by.code, one.has) for one in missed}


def place(session: Session, server_id: UUID, request: ResourceRequest = ONE_GPU) -> bool:
    """Take the first candidate; False when there is none."""
    found = placement.candidates(session, request, limit=1)
    if not found:
        return False
    (candidate,) = found
    assigning.lock(session, candidate.host_id)
    placement.claim(session, placement.ConsumerRecord(server_id, "project", "user"), candidate)
    accelerator.claim(session, server_id, candidate.allocations)
    return True


def stock(session: Session, provider: UUID, resource_class: str) -> Stock:
    return reading.stocks(session, [HOST])[provider][resource_class]


def test_the_last_device_goes_to_exactly_one_of_32_claimants(any_database: Database) -> None:
    with any_database.transaction() as session:
        report(session, HOST, [device(1)])
    barrier = Barrier(32)

    def claimant(_: int) -> str:
        barrier.wait()
        try:
            with any_database.transaction() as session:
                return "won" if place(session, uuid4()) else "none left"
        except (StaleGeneration, OutOfCapacity) as error:
            return type(error).__name__

    with ThreadPoolExecutor(32) as pool:
        outcomes = list(pool.map(claimant, range(32)))
    assert outcomes.count("won") == 1
    assert set(outcomes) <= {"won", "none left", "StaleGeneration", "OutOfCapacity"}
    with any_database.reading() as session:
        assert stock(session, provider_id(HOST, "pci_1"), "PGPU").used == 1
        assert stock(session, HOST, "VCPU").used == 1
        assert [d.claim is not None for d in accelerator.devices(session)] == [True]


def test_claimants_that_read_before_they_race_cannot_both_win(any_database: Database) -> None:
    """There is room for all, so that only the generation can tell that what was read is old."""
    one_cpu = ResourceRequest({"": Group({"VCPU": 1})})
    with any_database.transaction() as session:
        report(session, HOST, [])
    with any_database.reading() as session:
        (candidate,) = placement.candidates(session, one_cpu, limit=1)
    barrier = Barrier(32)

    def claimant(_: int) -> str:
        barrier.wait()
        try:
            with any_database.transaction() as session:
                placement.claim(session, placement.ConsumerRecord(uuid4(), "project", "user"), candidate)
                return "won"
        except StaleGeneration:
            return "stale"

    with ThreadPoolExecutor(32) as pool:
        outcomes = list(pool.map(claimant, range(32)))
    assert sorted(set(outcomes)) == ["stale", "won"]
    assert outcomes.count("won") == 1


def test_claims_releases_and_reports_at_once_neither_deadlock_nor_lose_count(any_database: Database) -> None:
    with any_database.transaction() as session:
        assigning.add_host(session, HOST, "host-1")
        report(session, HOST, [device(n) for n in range(8)])
    barrier = Barrier(9)

    def worker(number: int) -> int:
        barrier.wait()
        placed = 0
        for _ in range(6):
            server_id = uuid4()
            if number % 3 == 0:
                with any_database.transaction() as session:
                    report(session, HOST, [device(n) for n in range(8)])
                continue
            try:
                with any_database.transaction() as session:
                    placed += place(session, server_id)
            except (StaleGeneration, OutOfCapacity):
                continue
            with any_database.transaction() as session:
                assigning.lock(session, HOST)
                accelerator.release(session, server_id)
                placement.release(session, server_id)
        return placed

    with ThreadPoolExecutor(9) as pool:
        assert sum(pool.map(worker, range(9))) > 0
    with any_database.reading() as session:
        stocks = reading.stocks(session, [HOST])
        assert all(one.used == 0 for classes in stocks.values() for one in classes.values())
        assert all(d.claim is None for d in accelerator.devices(session))


def test_a_second_sync_of_the_same_report_changes_nothing(any_database: Database) -> None:
    with any_database.transaction() as session:
        assert report(session, HOST, [device(1)])
    with any_database.transaction() as session:
        before = reading.trees(session, [HOST])
        assert not report(session, HOST, [device(1)])
        assert reading.trees(session, [HOST]) == before


def test_a_generation_rises_only_where_something_changed(any_database: Database) -> None:
    with any_database.transaction() as session:
        report(session, HOST, [device(1), device(2)])
    with any_database.transaction() as session:
        report(session, HOST, [device(1), device(2, DeviceState.QUARANTINED)])
        (tree,) = reading.trees(session, [HOST])
    generations = {p.name: p.generation for p in tree.providers}
    assert generations == {"host-1": 0, "host-1_pci_1": 0, "host-1_pci_2": 1}


def test_a_vanished_device_that_is_held_stays_reserved_until_it_is_released(any_database: Database) -> None:
    server = uuid4()
    with any_database.transaction() as session:
        report(session, HOST, [device(1)])
        assert place(session, server)
    with any_database.transaction() as session:
        report(session, HOST, [])
        kept = stock(session, provider_id(HOST, "pci_1"), "PGPU")
        assert (kept.total, kept.reserved, kept.used) == (1, 1, 1)
        assert [d.state for d in accelerator.devices(session)] == [accelerator.MISSING]
    with any_database.transaction() as session:
        accelerator.release(session, server)
        placement.release(session, server)
        report(session, HOST, [])
        assert len(reading.trees(session, [HOST])[0].providers) == 1
        assert accelerator.devices(session) == ()


@pytest.mark.parametrize("state", [DeviceState.QUARANTINED, DeviceState.CLAIMED])
def test_a_device_that_is_not_clean_is_not_handed_out(any_database: Database, state: DeviceState) -> None:
    with any_database.transaction() as session:
        report(session, HOST, [device(1, state, uuid4())])
        assert not place(session, uuid4())
        with pytest.raises(OutOfCapacity):
            accelerator.claim(session, uuid4(), {provider_id(HOST, "pci_1"): {"PGPU": 1}})


def test_a_device_prepared_for_a_living_claim_is_not_reserved(any_database: Database) -> None:
    server = uuid4()
    with any_database.transaction() as session:
        report(session, HOST, [device(1)])
        assert place(session, server)
        (held,) = accelerator.claims_of(session, [server])[server]
        report(session, HOST, [device(1, DeviceState.CLAIMED, held.id)])
        assert stock(session, provider_id(HOST, "pci_1"), "PGPU").reserved == 0
    assert (held.host_id, held.device, held.addresses) == (HOST, "pci_1", ("0000:01:00.0",))


def test_release_twice_is_release_once(any_database: Database) -> None:
    server = uuid4()
    with any_database.transaction() as session:
        report(session, HOST, [device(1)])
        assert place(session, server)
        for _ in range(2):
            accelerator.release(session, server)
            placement.release(session, server)
        assert stock(session, HOST, "VCPU").used == 0
        assert placement.allocations(session, [server]) == {}
        assert place(session, uuid4())


def test_a_consumer_claims_once(any_database: Database) -> None:
    server = uuid4()
    with any_database.transaction() as session:
        report(session, HOST, [device(1), device(2)])
        assert place(session, server)
        with pytest.raises(AlreadyExists):
            place(session, server)


def test_a_claim_that_fails_leaves_nothing(any_database: Database) -> None:
    with any_database.transaction() as session:
        report(session, HOST, [device(1)])
        before = reading.trees(session, [HOST])

    def fail() -> None:
        with any_database.transaction() as session:
            (candidate,) = placement.candidates(session, ONE_GPU, limit=1)
            report(session, HOST, [device(1)], vcpus=0)
            placement.claim(session, placement.ConsumerRecord(uuid4(), "project", "user"), candidate)

    with pytest.raises(Conflict):
        fail()
    with any_database.reading() as session:
        assert reading.trees(session, [HOST]) == before


def test_a_host_that_is_down_or_not_ready_is_no_candidate_and_says_so(any_database: Database) -> None:
    with any_database.transaction() as session:
        report(session, HOST, [device(1)])
        placement.set_host_available(session, HOST, False)
        placement.set_host_available(session, HOST, False)
        assert not placement.candidates(session, ONE_GPU, limit=1)
        assert reasons(session) == {"host-1": ("host_down", ())}
        report(session, HOST, [device(1)])
        assert not placement.candidates(session, ONE_GPU, limit=1)
        placement.set_host_available(session, HOST, False, reason="host_not_ready")
        assert reasons(session) == {"host-1": ("host_not_ready", ())}
        placement.set_host_available(session, HOST, True)
        assert placement.candidates(session, ONE_GPU, limit=1)


def test_hosts_come_with_the_most_free_of_the_rarest_class_first(any_database: Database) -> None:
    with any_database.transaction() as session:
        report(session, UUID(int=1), [device(1)], vcpus=64)
        report(session, UUID(int=2), [device(1), device(2), device(3)], vcpus=16)
        report(session, UUID(int=3), [device(1), device(2)], vcpus=32)
        report(session, UUID(int=4), [], vcpus=128)

        def order(name: str) -> list[int]:
            found = placement.candidates(session, ONE_GPU, limit=10, order=name)
            return [candidate.host_id.int for candidate in found]

        assert order("spread") == [2, 3, 1]
        assert order("pack") == [1, 3, 2]
        assert len(list(placement.all_ways(session, ONE_GPU))) == 6


def test_without_a_candidate_every_host_is_explained(any_database: Database) -> None:
    server = uuid4()
    with any_database.transaction() as session:
        report(session, UUID(int=1), [device(1)])
        report(session, UUID(int=2), [])
        assert place(session, server)
        assert not placement.candidates(session, ONE_GPU, limit=1)
        assert reasons(session) == {
            "host-1": ("resource_class_short", ()),
            "host-2": ("resource_class_absent", ()),
        }


steps = st.lists(
    st.tuples(st.sampled_from(["place", "place", "release", "report"]), st.integers(0, 5), st.integers(0, 3)),
    max_size=25,
)


@settings(
    max_examples=examples(12), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps)
def test_no_history_of_claims_and_reports_exceeds_capacity(
    tmp_path: Path, history: list[tuple[str, int, int]]
) -> None:
    for database in opened(f"sqlite:///{tmp_path}/{uuid4()}.db"):
        servers = [UUID(int=100 + n) for n in range(6)]
        with database.transaction() as session:
            report(session, HOST, [device(n) for n in range(3)], vcpus=4)
        for verb, who, amount in history:
            try:
                with database.transaction() as session:
                    act(session, verb, servers[who], amount)
            except Conflict:
                pass
            with database.reading() as session:
                check(session, servers)


def act(session: Session, verb: str, server: UUID, amount: int) -> None:
    if verb == "place":
        place(session, server, ResourceRequest({"": Group({"VCPU": amount or 1, "PGPU": 1})}))
    elif verb == "release":
        accelerator.release(session, server)
        placement.release(session, server)
    else:
        report(session, HOST, [device(n) for n in range(amount)], vcpus=amount + 1)


def check(session: Session, servers: Sequence[UUID]) -> None:
    """Stored sums are those of the allocations, and each device is held once, by whom placement says."""
    held = placement.allocations(session, servers)
    used: dict[tuple[UUID, str], int] = {}
    for by_provider in held.values():
        for provider, amounts in by_provider.items():
            for name, amount in amounts.items():
                used[provider, name] = used.get((provider, name), 0) + amount
    stocks = reading.stocks(session, [HOST])
    for provider, classes in stocks.items():
        for name, one in classes.items():
            assert one.used == used.pop((provider, name), 0)
            assert name != "PGPU" or one.used <= 1
    assert not used
    for found in accelerator.devices(session):
        holders = [server for server in servers if found.provider_id in held.get(server, {})]
        assert holders == ([found.claim.server_id] if found.claim else [])
