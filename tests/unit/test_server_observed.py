"""What a host's word about a server means: late, repeated and reordered reports change nothing."""

from uuid import UUID, uuid4

from hypothesis import given
from hypothesis import strategies as st

from kcloud_api.compute.observed import Known, event_of, strays
from kcloud_api.compute.states import Event, State, after
from kcloud_common.wire import Fault, PowerState, ServerReport

ID = UUID(int=1)
FAULT = Fault(code="broken", message="It broke.")


def said(power: PowerState, generation: int = 2, **more: object) -> ServerReport:
    return ServerReport.model_validate({"id": ID, "generation": generation, "power_state": power, **more})


def known(state: State, **more: object) -> Known:
    return Known(**{"state": state, "generation": 2, "wanted_on": True, **more})  # type: ignore[arg-type]


def test_a_building_server_that_runs_is_active() -> None:
    assert event_of(known(State.BUILDING), said(PowerState.RUNNING)) is Event.RUNNING


def test_a_report_on_an_older_wish_says_nothing() -> None:
    assert event_of(known(State.BUILDING), said(PowerState.RUNNING, generation=1)) is None
    assert event_of(known(State.DELETING), said(PowerState.NONE, generation=1, gone=True)) is None


def test_a_server_that_must_go_ends_only_when_nothing_is_left_of_it() -> None:
    assert event_of(known(State.DELETING), said(PowerState.NONE)) is None
    assert event_of(known(State.DELETING), said(PowerState.RUNNING)) is None
    assert event_of(known(State.DELETING), said(PowerState.NONE, gone=True)) is Event.GONE


def test_gone_is_no_news_of_a_server_that_should_be_there() -> None:
    for state in (State.BUILDING, State.ACTIVE, State.SHUTOFF, State.ERROR):
        assert event_of(known(state), said(PowerState.NONE, gone=True)) is None


def test_a_server_that_stopped_by_itself_is_off() -> None:
    assert event_of(known(State.ACTIVE), said(PowerState.SHUTOFF)) is Event.STOPPED
    assert event_of(known(State.ACTIVE), said(PowerState.CRASHED)) is Event.STOPPED
    assert event_of(known(State.ACTIVE), said(PowerState.SHUTOFF, busy=True)) is None


def test_a_server_that_is_off_as_wished_is_no_news() -> None:
    assert event_of(known(State.SHUTOFF, wanted_on=False), said(PowerState.SHUTOFF)) is None


def test_a_reboot_is_done_when_its_count_comes_back() -> None:
    rebooting = known(State.ACTIVE, reboot_count=3, reboot_seen=2)
    assert event_of(rebooting, said(PowerState.RUNNING, reboot_count=2)) is None
    assert event_of(rebooting, said(PowerState.RUNNING, reboot_count=3)) is Event.RUNNING


def test_a_fault_is_told_once_and_kept_until_something_is_asked_again() -> None:
    assert event_of(known(State.BUILDING), said(PowerState.NONE, fault=FAULT)) is Event.FAILED
    told = known(State.ERROR, fault_generation=2)
    assert event_of(told, said(PowerState.NONE, fault=FAULT)) is None
    assert event_of(told, said(PowerState.RUNNING)) is None
    asked_again = known(State.ERROR, generation=3, fault_generation=2)
    assert event_of(asked_again, said(PowerState.RUNNING, generation=3)) is Event.RUNNING


def test_a_fault_while_deleting_does_not_end_the_delete() -> None:
    assert event_of(known(State.DELETING), said(PowerState.SHUTOFF, fault=FAULT)) is Event.FAILED
    told = known(State.DELETING, fault_generation=2)
    assert event_of(told, said(PowerState.NONE, gone=True)) is Event.GONE


def test_strays_are_what_is_there_and_not_assigned() -> None:
    mine, stray, gone = uuid4(), uuid4(), uuid4()
    reports = tuple(
        ServerReport(id=id, generation=0, power_state=PowerState.NONE, gone=id == gone)
        for id in (mine, stray, gone)
    )
    assert strays(frozenset({mine}), reports) == {stray}


reports = st.builds(
    ServerReport,
    id=st.just(ID),
    generation=st.integers(0, 4),
    power_state=st.sampled_from(PowerState),
    gone=st.booleans(),
    busy=st.booleans(),
    fault=st.none() | st.just(FAULT),
    reboot_count=st.integers(0, 3),
)
knowns = st.builds(
    Known,
    state=st.sampled_from(State),
    generation=st.integers(1, 4),
    wanted_on=st.booleans(),
    fault_generation=st.none() | st.integers(1, 4),
    reboot_count=st.integers(0, 3),
    reboot_seen=st.integers(0, 3),
)


@given(knowns, reports)
def test_every_event_of_a_report_is_possible_in_the_state(server: Known, report: ServerReport) -> None:
    event = event_of(server, report)
    if event is not None:
        after(server.state, event)


@given(knowns, reports)
def test_only_a_server_that_must_go_can_be_gone(server: Known, report: ServerReport) -> None:
    if event_of(server, report) is Event.GONE:
        assert server.state is State.DELETING
        assert report.gone
        assert report.generation >= server.generation


def applied(server: Known, event: Event, report: ServerReport) -> Known:
    """What kcloud_api.compute.observing makes of the row, as far as this decision reads it."""
    stops_itself = event is Event.STOPPED and server.wanted_on
    seen = {
        Event.RUNNING: max(server.reboot_seen, min(report.reboot_count, server.reboot_count)),
        Event.STOPPED: server.reboot_count,
        Event.FAILED: server.reboot_count,
    }
    fault = {Event.RUNNING: None, Event.STOPPED: None, Event.FAILED: server.generation}
    return Known(
        state=after(server.state, event),
        generation=server.generation + 1 if stops_itself else server.generation,
        wanted_on=False if event is Event.STOPPED else server.wanted_on,
        fault_generation=fault.get(event, server.fault_generation),
        reboot_count=server.reboot_count,
        reboot_seen=seen.get(event, server.reboot_seen),
    )


@given(knowns, reports)
def test_the_same_report_again_changes_nothing(server: Known, report: ServerReport) -> None:
    event = event_of(server, report)
    if event is not None:
        assert event_of(applied(server, event, report), report) is None
