"""The agent against a control plane over HTTP, on a fake hypervisor and a fake kernel."""

import json
import logging
import stat
import threading

import pytest

from hypervisor_drivers.driver import DriverError, DriverRefused
from kcloud_common.wire import DeviceState, Power, PowerState
from tests.functional.agent_bench import (
    CLAIM,
    GPU,
    GPU_NAME,
    SERVER,
    Bench,
    absent,
    gpu_claim,
    is_gone,
    runs,
    wait_off,
    want,
)
from tests.functional.agent_control_plane import HOST_ID
from tests.functional.agent_fixtures import bench, plane

__all__ = ["bench", "plane"]


def test_a_host_enrols_itself_and_offers_its_devices(bench: Bench) -> None:
    agent = bench.agent()
    assert agent.wait_ready(20)
    report = bench.plane.reports[0]
    assert report.epoch == 1
    assert report.problems == ()
    assert report.vcpus == 16
    (device,) = report.devices
    assert (device.name, device.addresses, device.state) == (GPU_NAME, GPU, DeviceState.FREE)
    identity = bench.state / "identity.json"
    assert stat.S_IMODE(identity.stat().st_mode) == 0o600
    assert json.loads(identity.read_text())["host_id"] == str(HOST_ID)


def test_a_server_with_a_device_comes_and_goes_without_a_trace(bench: Bench) -> None:
    bench.agent()
    bench.plane.assign(want())
    seen = bench.plane.wait_server(SERVER, runs)
    assert seen.generation == 1
    assert seen.fault is None
    assert {bench.host.driver_of(address) for address in GPU} == {"vfio-pci"}
    bench.plane.wait("the device is claimed", lambda: bench.plane.reports[-1].devices[0].claim_id == CLAIM)
    assert (bench.folder() / "console.log").exists()
    bench.plane.wait_server(SERVER, lambda seen: bool(seen.addresses))
    bench.plane.assign(absent(SERVER, gpu_claim()))
    bench.plane.wait_server(SERVER, is_gone)
    assert bench.leaks() == []
    bench.plane.wait(
        "the device is free", lambda: bench.plane.reports[-1].devices[0].state is DeviceState.FREE
    )
    bench.plane.assign()
    bench.plane.wait("an empty report", lambda: bench.plane.reports[-1].servers == ())


def test_a_tombstone_without_claims_leaves_nothing_either(bench: Bench) -> None:
    bench.agent()
    bench.plane.assign(want())
    bench.plane.wait_server(SERVER, runs)
    bench.plane.assign(absent())
    bench.plane.wait_server(SERVER, is_gone)
    assert bench.leaks() == []


def test_a_server_that_is_not_assigned_is_reported_and_left_alone(bench: Bench) -> None:
    bench.agent()
    bench.plane.assign(want())
    bench.plane.wait_server(SERVER, runs)
    bench.plane.assign()
    stray = bench.plane.wait_server(SERVER, lambda seen: seen.generation == 0)
    assert stray.power_state is PowerState.RUNNING
    assert not stray.gone
    assert SERVER in bench.driver.domains()


def test_what_the_hypervisor_refuses_is_a_fault_and_what_was_prepared_stays(bench: Bench) -> None:
    bench.driver.fail("define", DriverRefused("no such machine type: /usr/bin/qemu"), times=99)
    bench.agent()
    bench.plane.assign(want())
    seen = bench.plane.wait_server(SERVER, lambda seen: seen.fault is not None)
    assert seen.fault is not None
    assert seen.fault.code == "hypervisor_refused"
    assert "machine type" in seen.fault.details
    assert {bench.host.driver_of(address) for address in GPU} == {"vfio-pci"}
    bench.plane.assign(absent(SERVER, gpu_claim()))
    bench.plane.wait_server(SERVER, is_gone)
    assert bench.leaks() == []


def test_a_passing_failure_is_tried_again(bench: Bench) -> None:
    bench.driver.fail("start", DriverError("device or resource busy"), times=1)
    bench.agent()
    bench.plane.assign(want())
    bench.plane.wait_server(SERVER, runs)
    assert [verb for verb, _ in bench.driver.calls].count("start") == 2


def test_a_failure_that_does_not_pass_becomes_a_fault(bench: Bench) -> None:
    bench.driver.fail("start", DriverError("device or resource busy"), times=99)
    bench.agent(retry_window=0.0)
    bench.plane.assign(want())
    seen = bench.plane.wait_server(SERVER, lambda seen: seen.fault is not None)
    assert seen.fault is not None
    assert seen.fault.code == "hypervisor_failed"
    bench.driver.fail("start", DriverError("never"), times=0)


def test_a_guest_that_powers_itself_off_stays_off_until_it_is_wanted_again(bench: Bench) -> None:
    bench.agent()
    bench.plane.assign(want())
    bench.plane.wait_server(SERVER, runs)
    bench.driver.shut_down_from_inside(SERVER)
    wait_off(bench)
    bench.plane.assign(want(generation=2, power=Power.OFF))
    bench.plane.wait_server(SERVER, lambda seen: seen.generation == 2)
    assert [verb for verb, _ in bench.driver.calls].count("start") == 1
    bench.plane.assign(want(generation=3))
    bench.plane.wait_server(SERVER, lambda seen: runs(seen) and seen.generation == 3)


def test_a_server_is_stopped_rebooted_and_its_count_echoed(bench: Bench) -> None:
    bench.agent()
    bench.plane.assign(want())
    bench.plane.wait_server(SERVER, runs)
    bench.plane.assign(want(reboot_count=1))
    bench.plane.wait_server(SERVER, lambda seen: seen.reboot_count == 1 and runs(seen))
    assert [verb for verb, _ in bench.driver.calls].count("reboot") == 1
    bench.plane.assign(want(generation=2, reboot_count=1, power=Power.OFF))
    wait_off(bench)
    assert bench.driver.domains()[SERVER].hostdevs == GPU


def test_the_console_is_sent_once_for_each_request(bench: Bench) -> None:
    bench.agent()
    bench.plane.assign(want())
    bench.plane.wait_server(SERVER, runs)
    bench.plane.assign(want(console_count=1))
    bench.plane.wait("the console", lambda: bool(bench.plane.consoles))
    server_id, count, tail = bench.plane.consoles[0]
    assert (server_id, count) == (SERVER, 1)
    assert b"GUEST-READY" in tail
    (bench.folder() / "console.log").write_bytes(b"x" * 400_000)
    bench.plane.assign(want(console_count=2))
    bench.plane.wait("the second", lambda: len(bench.plane.consoles) == 2)
    assert len(bench.plane.consoles[1][2]) == 256 * 1024


def test_secrets_and_user_data_never_reach_the_log(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    bench.driver.fail("start", DriverError("no"), times=1)
    bench.agent()
    bench.plane.assign(want())
    bench.plane.wait_server(SERVER, runs)
    secret = json.loads((bench.state / "identity.json").read_text())["secret"]
    words = caplog.text + "".join(str(vars(record)) for record in caplog.records)
    assert secret not in words
    assert "c2VjcmV0" not in words


def test_an_assignment_that_is_not_understood_shows_nothing_of_it(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.agent()
    bench.plane.assign(want())
    bench.plane.wait_server(SERVER, runs)
    bench.plane.extra = b', "user_data": "c2VjcmV0"}'
    bench.plane.assign(want(generation=2))
    with caplog.at_level(logging.WARNING):
        bench.plane.wait("the answer", lambda: bench.plane.extra == b"")
        bench.plane.wait_server(SERVER, lambda seen: seen.generation == 2)
    assert "not understood" in str([vars(record) for record in caplog.records])
    assert "c2VjcmV0" not in str([vars(record) for record in caplog.records])


@pytest.mark.slow
def test_nothing_spins_while_nothing_happens(bench: Bench) -> None:
    bench.agent(report_interval=300.0)
    bench.plane.assign(want(gpu=False))
    bench.plane.wait_server(SERVER, lambda seen: bool(seen.addresses))
    calls = len(bench.driver.calls)
    reports = len(bench.plane.reports)
    assert not threading.Event().wait(3.0)
    assert len(bench.driver.calls) - calls <= 2
    assert len(bench.plane.reports) - reports <= 1
