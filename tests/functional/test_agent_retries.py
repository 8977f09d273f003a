"""What an agent tries again and again says so: which device, why, when next. And who comes while a card is
being cut is told to wait, and leaves nothing behind."""

import threading

import pytest

from kcloud_common.wire import DeviceState, DeviceWant
from tests.functional.agent_bench import (
    GPU,
    GPU_NAME,
    SERVER,
    Bench,
    absent,
    device,
    devices,
    gpu_claim,
    is_gone,
    runs,
    wait_state,
    want,
)
from tests.functional.agent_control_plane import ControlPlane
from tests.functional.agent_fixtures import BenchOn, bench, bench_on, plane
from tests.functional.agent_slices import halves, holding, leaving

__all__ = ["bench", "bench_on", "plane"]


def quarantined(bench: Bench) -> None:
    bench.agent()
    bench.plane.assign(want())
    bench.plane.wait_server(SERVER, runs)
    bench.host.fail("*/reset", 5, times=9)
    bench.plane.assign(absent(SERVER, gpu_claim()))
    wait_state(bench, DeviceState.QUARANTINED)
    bench.host.relent()


@pytest.mark.parametrize("times", [1, 2])
def test_a_burn_in_that_cannot_bind_its_device_says_why_and_when_it_tries_again(
    bench: Bench, times: int
) -> None:
    quarantined(bench)
    bench.host.refuse("vfio-pci", GPU[0], 22)
    bench.plane.assign(devices=(DeviceWant(name=GPU_NAME, release_count=1),))
    wait_state(bench, DeviceState.SANITISING, "vfio-pci", f"try {times} failed", "the next at 2")
    bench.host.relent()
    wait_state(bench, DeviceState.FREE)
    assert device(bench).reason == ""


def test_a_burn_in_without_vfio_pci_says_how_to_load_it(bench: Bench) -> None:
    quarantined(bench)
    bench.host.unload_driver("vfio-pci")
    bench.plane.assign(devices=(DeviceWant(name=GPU_NAME, release_count=1),))
    wait_state(bench, DeviceState.SANITISING, "modprobe vfio-pci", "the next at")
    bench.host.load_driver("vfio-pci")
    wait_state(bench, DeviceState.FREE)


def test_a_server_that_comes_while_its_card_is_being_cut_waits_and_leaves_no_quarantine_behind(
    bench_on: BenchOn, plane: ControlPlane
) -> None:
    bench = bench_on("t4-x1")
    wanted = halves("t4-x1")
    cutting, go_on = threading.Event(), threading.Event()

    def slow_cut(name: str) -> None:
        if name == "after cut":
            cutting.set()
            assert go_on.wait(20)

    try:
        bench.agent(slow_cut)
        bench.plane.wait("a report", lambda: bool(plane.reports and plane.reports[-1].devices))
        card = plane.reports[-1].devices[0]
        bench.plane.assign(layout=wanted)
        assert cutting.wait(20)
        server = holding(card)
        bench.plane.assign(server, layout=wanted)
        bench.plane.wait_server(SERVER, lambda seen: seen.busy)
        go_on.set()
        end = bench.plane.wait_server(SERVER, lambda seen: seen.fault is not None)
        assert end.fault is not None
        assert end.fault.code == "device_not_offered"
        bench.plane.assign(leaving(server), layout=wanted)
        bench.plane.wait_server(SERVER, is_gone)
        bench.plane.assign()
        bench.plane.wait("whole", lambda: [each.card for each in devices(bench).values()] == [""])
        bench.plane.wait("free", lambda: devices(bench)[card.name].state is DeviceState.FREE)
        assert bench.leaks() == []
    finally:
        go_on.set()


def test_a_layout_whose_wake_up_was_lost_is_applied_by_the_timer(
    bench_on: BenchOn, plane: ControlPlane
) -> None:
    bench = bench_on("t4-x1")
    wanted = halves("t4-x1")
    agent = bench.agent(poll_wait=1.0)
    assert agent.wait_ready(20)
    plane.wait("a report", lambda: bool(plane.reports))
    plane.mute = True
    plane.assign(layout=wanted)
    plane.wait("it is cut", lambda: len(devices(bench)) == 2 and not plane.reports[-1].problems)
    plane.assign()
    plane.wait("it is whole", lambda: len(devices(bench)) == 1 and not plane.reports[-1].problems)


def test_a_card_that_cannot_be_cut_for_a_while_says_why_and_is_cut_later(
    bench_on: BenchOn, plane: ControlPlane
) -> None:
    bench = bench_on("rngd-x1")
    wanted = halves("rngd-x1")
    bench.host.fail("*/sriov_numvfs", 16, times=2)
    bench.agent()
    bench.plane.assign(layout=wanted)
    bench.plane.wait("drift", lambda: bool(plane.reports) and "errno 16" in plane.reports[-1].cards[0].drift)
    assert "the next at" in plane.reports[-1].cards[0].drift
    bench.plane.wait("it is cut", lambda: len(devices(bench)) == 2 and not plane.reports[-1].problems)
