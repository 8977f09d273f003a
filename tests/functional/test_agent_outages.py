"""An agent whose control plane, hypervisor or host goes and comes back, and one that has to end."""

import logging

import pytest

from kcloud_common.wire import PowerState
from kcloud_compute.agent import Replaced
from kcloud_compute.identity import NoIdentity
from kcloud_compute.statelock import StateInUse
from tests.functional.agent_bench import (
    GPU,
    SERVER,
    Bench,
    absent,
    gpu_claim,
    is_gone,
    runs,
    wait_off,
    want,
)
from tests.functional.agent_fixtures import bench, plane

__all__ = ["bench", "plane"]


def test_a_lost_control_plane_changes_nothing_and_is_found_again(bench: Bench) -> None:
    agent = bench.agent(report_interval=1.0)
    bench.plane.assign(want())
    bench.plane.wait_server(SERVER, runs)
    calls = len([verb for verb, _ in bench.driver.calls if verb in ("stop", "undefine", "start")])
    bench.plane.down = True
    with bench.plane.changed:
        bench.plane.changed.notify_all()
    bench.driver.shut_down_from_inside(SERVER)
    bench.plane.down = False
    wait_off(bench)
    assert not agent.ended.is_set()
    changed = [verb for verb, _ in bench.driver.calls if verb in ("stop", "undefine", "start")]
    assert len(changed) == calls


def test_an_agent_that_was_replaced_stops_acting_and_says_so(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    agent = bench.agent(report_interval=1.0)
    bench.plane.assign(want())
    bench.plane.wait_server(SERVER, runs)
    bench.plane.open_session()
    assert agent.ended.wait(20)
    assert isinstance(agent.error, Replaced)
    assert any(record.levelno == logging.CRITICAL for record in caplog.records)
    assert bench.driver.domains()[SERVER].state.value == "running"


def test_a_second_agent_on_the_same_state_is_refused(bench: Bench) -> None:
    bench.agent()
    with pytest.raises(StateInUse):
        bench.agent()
    bench.agents.pop()


def test_guests_outlive_the_agent_and_the_next_one_finds_them(bench: Bench) -> None:
    first = bench.agent()
    bench.plane.assign(want())
    bench.plane.wait_server(SERVER, runs)
    first.stop()
    assert first.ended.is_set()
    assert first.error is None
    second = bench.agent()
    assert second.wait_ready(20)
    bench.plane.wait("the new session", lambda: bench.plane.reports[-1].epoch == 2)
    bench.plane.wait_server(SERVER, runs)
    starts = [verb for verb, _ in bench.driver.calls if verb == "start"]
    assert len(starts) == 1


def test_a_hypervisor_that_is_gone_is_a_problem_and_no_empty_host(bench: Bench) -> None:
    bench.agent()
    bench.plane.assign(want())
    bench.plane.wait_server(SERVER, runs)
    bench.driver.lose_connection()
    bench.plane.wait("the problem", lambda: bool(bench.plane.reports[-1].problems))
    last = bench.plane.reports[-1]
    assert [seen.power_state for seen in last.servers] == [PowerState.RUNNING]
    bench.driver.find_connection()
    bench.plane.wait("all is well", lambda: not bench.plane.reports[-1].problems)


@pytest.mark.parametrize("resume", [False, True])
def test_after_a_host_reboot_the_device_is_bound_again(bench: Bench, resume: bool) -> None:
    bench.agent()
    bench.plane.assign(want())
    bench.plane.wait_server(SERVER, runs)
    bench.reboot_host()
    assert {bench.host.driver_of(address) for address in GPU} != {"vfio-pci"}
    bench.agent(resume_guests_state_on_host_boot=resume)
    bench.plane.wait("the new session", lambda: bench.plane.reports[-1].epoch == 2)
    if resume:
        bench.plane.wait_server(SERVER, runs)
    else:
        wait_off(bench)
    assert {bench.host.driver_of(address) for address in GPU} == {"vfio-pci"}
    bench.plane.assign(absent(SERVER, gpu_claim()))
    bench.plane.wait_server(SERVER, is_gone)
    assert [leak for leak in bench.leaks() if "boot_id" not in leak] == []


def test_a_token_that_is_refused_ends_the_agent_with_its_reason(bench: Bench) -> None:
    bench.token.write_text("guessed")
    agent = bench.agent()
    assert agent.ended.wait(20)
    assert isinstance(agent.error, NoIdentity)
    assert not agent.wait_ready(0)
