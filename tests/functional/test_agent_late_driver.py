"""A host is started anew, and the driver by which a card was cut comes after the agent."""

import pytest

from kcloud_common.wire import DeviceReport, DeviceState, DeviceWant, ServerWant
from tests.functional.agent_bench import SERVER, Bench, devices, is_gone, runs
from tests.functional.agent_fixtures import BenchOn, bench_on, plane
from tests.functional.agent_slices import halves, leaving, serving

__all__ = ["bench_on", "plane"]

LAYOUT = halves("t4-x1")
ADDRESS = "0000:21:00.0"


@pytest.fixture
def bench(bench_on: BenchOn) -> Bench:
    return bench_on("t4-x1")


def started_anew(bench: Bench) -> ServerWant:
    """A server had a slice when the host went down; the card has no driver yet."""
    bench.agent()
    server, _ = serving(bench, LAYOUT)
    bench.reboot_host()
    bench.host.sysfs().write("sys/bus/pci/drivers/nvidia/unbind", ADDRESS)
    return server


def driver_comes(bench: Bench) -> None:
    bench.close()
    bench.host.sysfs().write("sys/bus/pci/drivers/nvidia/bind", ADDRESS)
    bench.agent()


def slices(bench: Bench) -> list[DeviceReport]:
    return [device for device in devices(bench).values() if device.card]


def drift(bench: Bench) -> str:
    return bench.plane.reports[-1].cards[0].drift


def test_a_server_waits_for_the_driver_of_the_card_that_it_has_a_slice_of(bench: Bench) -> None:
    server = started_anew(bench)
    server = server.model_copy(update={"generation": 2})
    before = len(bench.plane.reports)
    bench.plane.assign(server, layout=LAYOUT)
    bench.agent()
    seen = bench.plane.wait_server(SERVER, lambda each: len(bench.plane.reports) > before and each.busy)
    assert seen.fault is None
    assert "offers no mdev" in drift(bench)
    driver_comes(bench)
    bench.plane.wait_server(SERVER, runs)
    bench.plane.assign(leaving(server).model_copy(update={"generation": 3}), layout=LAYOUT)
    bench.plane.wait_server(SERVER, is_gone)


def test_a_slice_that_was_let_go_before_the_driver_came_can_be_burned_in_when_it_is_there(
    bench: Bench,
) -> None:
    server = started_anew(bench)
    bench.plane.assign(leaving(server), layout=LAYOUT)
    bench.agent()
    bench.plane.wait_server(SERVER, is_gone)
    bench.plane.wait("drift", lambda: "is quarantined" in drift(bench) and "offers no mdev" in drift(bench))
    driver_comes(bench)
    bench.plane.wait(
        "its slices stand",
        lambda: {each.state for each in slices(bench)} == {DeviceState.FREE, DeviceState.QUARANTINED},
    )
    asked = DeviceWant(name=server.claims[0].device, release_count=1)
    bench.plane.assign(layout=LAYOUT, devices=(asked,))
    bench.plane.wait("all free", lambda: [each.state for each in slices(bench)] == [DeviceState.FREE] * 2)
