"""What the planner decides, and what holds for every plan."""

from dataclasses import replace
from itertools import pairwise
from uuid import UUID

from hypothesis import given, settings

from hypervisor_drivers.spec import DomainMetadata, DomainState
from kcloud_common.wire import Assignment, GuestShape, Power, Presence
from kcloud_compute import actions
from kcloud_compute.actions import Define, Start, WriteRecord
from kcloud_compute.guest_shape import HostNode, HostShape
from kcloud_compute.observed import Folder, Held, Observed
from kcloud_compute.planner import LIVE, HostPlan, plan
from kcloud_compute.records import Record
from tests.thoroughness import examples
from tests.unit.agent_world import (
    BOOT,
    EARLIER_BOOT,
    HOST,
    IMAGE,
    World,
    absent,
    assignment,
    claim,
    claim_id,
    domain,
    observed,
    server_id,
    situations,
    want,
)

GPU = claim(1, "pci_0000_41_00_0")
RAN = Record(claims=(GPU.id,), generation=3, has_run=True, running=True, boot_id=BOOT)


def steps(decided: HostPlan) -> list[str]:
    return [action.step for server in decided.servers for action in server.actions]


def built(**changes: object) -> Observed:
    """A server with a GPU that runs as it should."""
    wanted = want(claims=(GPU,))
    whole = observed(
        domains={wanted.id: domain(wanted)},
        folders={wanted.id: Folder(disk=True, config_drive=True, record=RAN)},
        claims={GPU.id: Held(GPU.addresses, ready=True)},
        images=frozenset({IMAGE.sha512}),
    )
    return replace(whole, **changes)  # type: ignore[arg-type]


def shut_off(record: Record = RAN) -> Observed:
    wanted = want(claims=(GPU,))
    return built(
        domains={wanted.id: domain(wanted, DomainState.SHUTOFF)},
        folders={wanted.id: Folder(disk=True, config_drive=True, record=record)},
    )


@settings(deadline=None, max_examples=examples(80))
@given(situations())
def test_a_plan_converges_and_then_rests(situation: tuple[Assignment, Observed]) -> None:
    assigned, start = situation
    world = World(start)
    # Servers that wait for each other's devices take a turn each.
    for _ in range(4):
        world.apply(plan(assigned, world.now, HOST))
    rest = plan(assigned, world.now, HOST)
    assert steps(rest) == []
    assert rest.consoles == ()
    assert rest.orphans == ()
    for server in rest.servers:
        if server.want.presence is Presence.ABSENT:
            assert server.want.id not in world.now.domains
            assert server.want.id not in world.now.folders
        elif server.obstacle is None:
            found = world.now.domains[server.want.id]
            ready = {id for id, held in world.now.claims.items() if held.ready}
            # A guest that runs has its devices, whatever the journal says.
            assert found.state in LIVE or ready.issuperset(each.id for each in server.want.claims)


@settings(deadline=None, max_examples=examples(80))
@given(situations())
def test_no_two_claims_ever_share_a_device(situation: tuple[Assignment, Observed]) -> None:
    assigned, start = situation
    world = World(start)  # asserts it at each action
    world.apply(plan(assigned, world.now, HOST))


@settings(deadline=None, max_examples=examples(80))
@given(situations())
def test_what_the_assignment_does_not_name_is_not_touched(situation: tuple[Assignment, Observed]) -> None:
    _, start = situation
    untouched = plan(assignment(), start, HOST)
    assert untouched.servers == ()
    held = {address for seen in start.domains.values() for address in seen.hostdevs}
    recorded = {id for folder in start.folders.values() if folder.record for id in folder.record.claims}
    for release in untouched.orphans:
        assert release.claim_id not in recorded
        assert not held.intersection(start.claims[release.claim_id].addresses)


@settings(deadline=None, max_examples=examples(80))
@given(situations())
def test_removal_goes_in_one_order(situation: tuple[Assignment, Observed]) -> None:
    assigned, start = situation
    order = ["stop", "undefine", "release", "remove"]
    for server in plan(assigned, start, HOST).servers:
        if server.want.presence is Presence.ABSENT:
            ranks = [order.index(action.step) for action in server.actions]
            assert ranks == sorted(ranks)


@settings(deadline=None, max_examples=examples(80))
@given(situations())
def test_a_server_is_started_after_all_it_needs(situation: tuple[Assignment, Observed]) -> None:
    assigned, start = situation
    for server in plan(assigned, start, HOST).servers:
        for before, after in pairwise(server.actions):
            if isinstance(before, Start):
                assert isinstance(after, WriteRecord)
                assert after.record.running
                assert after.record.generation == server.want.generation


def test_from_nothing_every_step_is_planned_and_the_claims_are_recorded_first() -> None:
    decided = plan(assignment(want(claims=(GPU,))), observed(), HOST)
    assert steps(decided) == [
        "record",
        "image",
        "disk",
        "config",
        "prepare",
        "define",
        "start",
        "record",
    ]
    first = decided.servers[0].actions[0]
    assert isinstance(first, WriteRecord)
    assert first.record.claims == (GPU.id,)
    assert not first.record.has_run


def test_a_server_that_runs_as_it_should_needs_nothing() -> None:
    assert steps(plan(assignment(want(claims=(GPU,))), built(), HOST)) == []


def test_a_server_that_stopped_by_itself_stays_shut_off() -> None:
    decided = plan(assignment(want(claims=(GPU,))), shut_off(), HOST)
    assert steps(decided) == ["record"]
    world = World(shut_off())
    world.apply(decided)
    assert steps(plan(assignment(want(claims=(GPU,))), world.now, HOST)) == []
    assert world.now.domains[server_id(1)].state is DomainState.SHUTOFF


def test_a_newer_generation_starts_it_again() -> None:
    decided = plan(assignment(want(claims=(GPU,), generation=4)), shut_off(), HOST)
    assert steps(decided) == ["start", "record"]


def test_a_server_that_was_started_but_not_recorded_is_recorded_not_started_twice() -> None:
    started = RAN.model_copy(update={"generation": 0, "has_run": False, "running": False})
    wanted = want(claims=(GPU,))
    now = built(folders={wanted.id: Folder(disk=True, config_drive=True, record=started)})
    assert steps(plan(assignment(wanted), now, HOST)) == ["record"]


def test_a_server_that_should_be_off_is_asked_to_shut_down() -> None:
    decided = plan(assignment(want(claims=(GPU,), power=Power.OFF, generation=4)), built(), HOST)
    assert steps(decided) == ["stop", "record"]
    stop = decided.servers[0].actions[0]
    assert isinstance(stop, actions.Stop)
    assert stop.grace_seconds == HOST.shutdown_grace


def test_a_raised_reboot_count_reboots_once() -> None:
    wanted = want(claims=(GPU,), reboot_count=1)
    world = World(built())
    decided = plan(assignment(wanted), world.now, HOST)
    assert steps(decided) == ["reboot", "record"]
    world.apply(decided)
    assert steps(plan(assignment(wanted), world.now, HOST)) == []


def test_a_reboot_starts_a_server_that_stopped_by_itself() -> None:
    decided = plan(assignment(want(claims=(GPU,), reboot_count=1)), shut_off(), HOST)
    assert steps(decided) == ["start", "record"]


def test_after_a_host_reboot_devices_are_prepared_again_and_the_server_stays_off() -> None:
    before = RAN.model_copy(update={"boot_id": EARLIER_BOOT})
    now = replace(shut_off(before), claims={GPU.id: Held(GPU.addresses, ready=False)})
    decided = plan(assignment(want(claims=(GPU,))), now, HOST)
    assert steps(decided) == ["prepare", "record"]


def test_a_device_that_has_one_more_function_since_it_was_claimed_is_prepared_once() -> None:
    """With all of its group, which the claim does not name whole."""
    smaller = GPU.model_copy(update={"addresses": GPU.addresses[:1]})
    wanted = want(claims=(smaller,), power=Power.OFF)
    off = replace(shut_off(), domains={wanted.id: domain(wanted, DomainState.SHUTOFF)})
    assert "prepare" not in steps(plan(assignment(wanted), off, HOST))
    unprepared = replace(off, claims={GPU.id: Held(GPU.addresses, ready=False)})
    assert "prepare" in steps(plan(assignment(wanted), unprepared, HOST))


def test_after_a_host_reboot_servers_that_ran_are_started_where_the_operator_wants_it() -> None:
    before = RAN.model_copy(update={"boot_id": EARLIER_BOOT})
    now = replace(shut_off(before), claims={GPU.id: Held(GPU.addresses, ready=False)})
    resuming = replace(HOST, resume=True)
    assert steps(plan(assignment(want(claims=(GPU,))), now, resuming)) == ["prepare", "start", "record"]
    stopped = before.model_copy(update={"running": False})
    later = replace(shut_off(stopped), claims=now.claims)
    assert steps(plan(assignment(want(claims=(GPU,))), later, resuming)) == ["prepare", "record"]


def test_a_disk_with_the_guests_data_is_never_made_anew() -> None:
    wanted = want(claims=(GPU,))
    now = shut_off()
    lost = replace(now, folders={wanted.id: Folder(disk=False, config_drive=True, record=RAN)})
    server = plan(assignment(wanted.model_copy(update={"generation": 4})), lost, HOST).servers[0]
    assert server.actions == ()
    assert server.obstacle is not None
    assert server.obstacle.permanent
    assert server.obstacle.fault.code == "disk_lost"


def test_a_device_that_the_operator_does_not_offer_is_never_prepared() -> None:
    server = plan(assignment(want(claims=(GPU,))), observed(offered={}), HOST).servers[0]
    assert server.actions == ()
    assert server.obstacle is not None
    assert server.obstacle.fault.code == "device_not_offered"
    assert "0000:41" not in server.obstacle.fault.message


def test_addresses_under_another_devices_name_are_refused() -> None:
    posing = GPU.model_copy(update={"addresses": ("0000:00:1f.2",)})
    server = plan(assignment(want(claims=(posing,))), observed(), HOST).servers[0]
    assert server.obstacle is not None
    assert server.obstacle.fault.code == "device_not_offered"


def test_a_device_of_a_server_that_is_still_going_is_waited_for() -> None:
    late = claim(2, "pci_0000_41_00_0")
    decided = plan(assignment(absent(1, claims=(GPU,)), want(2, claims=(late,))), built(), HOST)
    going, coming = decided.servers
    assert [action.step for action in going.actions] == ["stop", "undefine", "release", "remove"]
    assert coming.actions == ()
    assert coming.obstacle is not None
    assert not coming.obstacle.permanent


def test_of_two_servers_that_want_one_device_one_gets_it() -> None:
    rival = claim(2, "pci_0000_41_00_0")
    decided = plan(assignment(want(2, claims=(rival,)), want(1, claims=(GPU,))), observed(), HOST)
    assert [bool(server.actions) for server in decided.servers] == [True, False]


def test_a_tombstone_without_claims_still_gives_the_devices_back() -> None:
    assert steps(plan(assignment(absent()), built(), HOST)) == ["stop", "undefine", "release", "remove"]
    recorded = built(domains={})
    assert steps(plan(assignment(absent()), recorded, HOST)) == ["release", "remove"]


def test_a_tombstone_never_takes_the_device_of_a_server_that_should_be_here() -> None:
    decided = plan(assignment(absent(2, claims=(GPU,)), want(1, claims=(GPU,))), built(), HOST)
    assert steps(decided) == []


def test_a_damaged_journal_entry_is_mended_and_then_released() -> None:
    damaged = built(domains={}, claims={GPU.id: Held(damaged=True)})
    decided = plan(assignment(absent(claims=(GPU,))), damaged, HOST)
    assert steps(decided) == ["prepare", "release", "remove"]


def test_a_claim_that_nobody_knows_is_released_unless_a_domain_has_its_device() -> None:
    unknown = claim_id(99)
    held = {unknown: Held(GPU.addresses, ready=True)}
    assert [release.claim_id for release in plan(assignment(), observed(claims=held), HOST).orphans] == [
        unknown
    ]
    stray = replace(domain(want(claims=(GPU,))), metadata=DomainMetadata("p1", 3))
    in_use = observed(claims=held, domains={stray.uuid: stray})
    assert plan(assignment(), in_use, HOST).orphans == ()


def test_a_console_is_uploaded_once_for_each_request() -> None:
    asked = assignment(want(claims=(GPU,), console_count=2))
    decided = plan(asked, built(), HOST)
    assert [(upload.server_id, upload.count) for upload in decided.consoles] == [(server_id(1), 2)]
    answered = built(consoles={server_id(1): 2})
    assert plan(asked, answered, HOST).consoles == ()


def test_a_guest_that_is_paused_and_never_ran_is_stopped_to_be_started_afresh() -> None:
    wanted = want(claims=(GPU,))
    folder = Folder(disk=True, config_drive=True, record=Record(claims=(GPU.id,), boot_id=BOOT))
    paused = built(domains={wanted.id: domain(wanted, DomainState.PAUSED)}, folders={wanted.id: folder})
    assert steps(plan(assignment(wanted), paused, HOST)) == ["stop"]


def test_a_paused_guest_counts_as_started() -> None:
    wanted = want(claims=(GPU,))
    paused = built(domains={wanted.id: domain(wanted, DomainState.PAUSED)})
    assert steps(plan(assignment(wanted), paused, HOST)) == []


def test_a_definition_with_other_devices_is_replaced_before_the_next_start() -> None:
    wanted = want(claims=(GPU,), generation=4)
    bare = domain(want(), DomainState.SHUTOFF)
    now = replace(shut_off(), domains={wanted.id: bare})
    assert steps(plan(assignment(wanted), now, HOST)) == ["define", "start", "record"]


def test_cells_are_seated_anew_at_each_start() -> None:
    """The node that they were on may have no pages left, while another has."""
    wanted = want(claims=(GPU,), generation=4)
    wanted = wanted.model_copy(update={"shape": GuestShape(numa_nodes=1, page_size="large")})
    pages = wanted.memory_mib
    nodes = tuple(HostNode(number, "0-3", 65536, {1024: free}) for number, free in ((0, 0), (1, pages)))
    now = replace(shut_off(), shape=HostShape(nodes))
    decided = plan(assignment(wanted), now, HOST)
    assert steps(decided) == ["define", "start", "record"]
    define = decided.servers[0].actions[0]
    assert isinstance(define, Define)
    assert [cell.host_node for cell in define.spec.cells] == [1]
    world = World(now)
    world.apply(decided)
    assert steps(plan(assignment(wanted), world.now, HOST)) == []


def test_ids_order_the_plan_so_that_equal_states_give_equal_plans() -> None:
    one, two = want(1), want(2)
    assert plan(assignment(one, two), observed(), HOST) == plan(assignment(two, one), observed(), HOST)
    assert [server.want.id for server in plan(assignment(two, one), observed(), HOST).servers] == sorted(
        [UUID(int=one.id.int), two.id]
    )
