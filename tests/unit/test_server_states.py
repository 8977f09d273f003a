"""The life of a server: the table is complete, lets every server end, and is drawn in docs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kcloud_api.compute.states import NEXT, STATUSES, Event, Facts, PowerState, Reboot, State, after, shown
from kcloud_common.errors import Conflict
from tests.conftest import Golden


def drawn() -> str:
    lines = [
        "# The states of a server",
        "",
        "Drawn from `kcloud_api/compute/states.py` by `tests/unit/test_server_states.py`; do not edit",
        "(`pytest --regenerate` rewrites it). What the drawing lacks is answered with a conflict.",
        "",
        "```mermaid",
        "stateDiagram-v2",
        "    [*] --> PLACING: create",
    ]
    lines += [f"    {was} --> {becomes}: {event}" for (was, event), becomes in NEXT.items()]
    lines += [
        "    DELETED --> [*]",
        "```",
        "",
        "| state | status | vm_state | task_state |",
        "|---|---|---|---|",
    ]
    for state in State:
        words = shown(Facts(state, wanted_on=state is not State.SHUTOFF, launched=True))
        lines.append(f"| {state} | {words.status} | {words.vm_state} | {words.task_state or '-'} |")
    return "\n".join(lines) + "\n"


def test_the_page_about_server_states_is_drawn_from_the_table(golden: Golden) -> None:
    golden.check("docs/server-states.md", drawn())


def test_what_the_table_lacks_is_a_conflict() -> None:
    with pytest.raises(Conflict):
        after(State.PLACING, Event.START)
    with pytest.raises(Conflict):
        after(State.DELETED, Event.RUNNING)


@pytest.mark.parametrize("state", [state for state in State if state is not State.DELETED])
def test_every_living_server_can_be_deleted(state: State) -> None:
    reached = {state}
    for event in (Event.DELETE, Event.DROP, Event.GONE):
        reached |= {NEXT[was, event] for was in reached if (was, event) in NEXT}
    assert State.DELETED in reached


def test_nothing_leaves_deleted() -> None:
    assert not [event for (was, event) in NEXT if was is State.DELETED]


def test_only_a_host_that_says_gone_or_the_lack_of_a_host_ends_a_server() -> None:
    ends = {event for (was, event), becomes in NEXT.items() if becomes is State.DELETED}
    assert ends == {Event.GONE, Event.DROP}


def test_deleting_is_left_only_towards_deleted() -> None:
    assert {becomes for (was, _), becomes in NEXT.items() if was is State.DELETING} == {
        State.DELETING,
        State.DELETED,
    }


facts = st.builds(
    Facts,
    state=st.sampled_from(State),
    wanted_on=st.booleans(),
    power=st.sampled_from(PowerState),
    launched=st.booleans(),
    faulty=st.booleans(),
    rebooting=st.sampled_from(Reboot),
)


@given(facts)
def test_a_server_can_be_listed_by_the_status_that_it_shows(known: Facts) -> None:
    status = shown(known).status
    if known.state is not State.DELETING:
        assert known.state in STATUSES[status]


@given(facts)
def test_a_settled_server_shows_no_task_and_a_moving_one_does(known: Facts) -> None:
    moving = known.state in (State.PLACING, State.BUILDING, State.DELETING)
    task = shown(known).task_state
    if moving:
        assert task is not None
    if known.state in (State.ERROR, State.DELETED):
        assert task is None


@given(st.lists(st.sampled_from(Event), max_size=30))
def test_a_server_never_returns_from_being_deleted(events: list[Event]) -> None:
    state, deleting = State.PLACING, False
    for event in events:
        try:
            state = after(state, event)
        except Conflict:
            continue
        deleting = deleting or state in (State.DELETING, State.DELETED)
        assert not deleting or state in (State.DELETING, State.DELETED)
