"""The agent against a control plane over HTTP, on a fake hypervisor and a fake kernel."""

import json
import logging
import stat
import threading
from uuid import UUID

import pytest

from hypervisor_drivers.driver import DriverError, DriverRefused
from kcloud_common.certificate import Grade, Occasion
from kcloud_common.signing import verify_chain
from kcloud_common.wire import DeviceState, DeviceWant, Power, PowerState
from kcloud_compute.agent import Replaced
from kcloud_compute.identity import NoIdentity
from kcloud_compute.statelock import StateInUse
from tests.functional.agent_bench import (
    CLAIM,
    GPU,
    GPU_NAME,
    IMAGE,
    IMAGE_ID,
    SERVER,
    Bench,
    absent,
    device,
    gpu_claim,
    image,
    is_gone,
    runs,
    want,
)
from tests.functional.agent_control_plane import HOST_ID, TRUNCATED
from tests.functional.agent_fixtures import bench, plane

__all__ = ["bench", "plane"]

OTHER = UUID(int=0x5E02)


def off(bench: Bench, server_id: UUID = SERVER) -> None:
    bench.plane.wait_server(server_id, lambda seen: seen.power_state is PowerState.SHUTOFF and not seen.busy)


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


def test_two_servers_with_one_image_download_it_once(bench: Bench) -> None:
    bench.plane.image_gate.clear()
    bench.agent()
    bench.plane.assign(want(gpu=False), want(OTHER, gpu=False))
    bench.plane.wait("the download", lambda: bool(bench.plane.downloads))
    bench.plane.image_gate.set()
    bench.plane.wait_server(SERVER, runs)
    bench.plane.wait_server(OTHER, runs)
    assert bench.plane.downloads == [IMAGE_ID]


@pytest.mark.parametrize(
    "spoilt",
    [IMAGE[:100] + TRUNCATED, IMAGE[:100], IMAGE + b"more", IMAGE.replace(b"\x01", b"\x02", 1)],
    ids=["broken-off", "too-short", "too-long", "other-bytes"],
)
def test_an_image_that_arrives_damaged_is_fetched_again(bench: Bench, spoilt: bytes) -> None:
    bench.plane.spoil.append(lambda _: spoilt)
    bench.agent()
    bench.plane.assign(want(gpu=False))
    bench.plane.wait_server(SERVER, runs)
    assert len(bench.plane.downloads) == 2
    assert list((bench.state / "images").glob("*.new")) == []


def test_an_image_that_refers_to_other_files_is_a_fault_at_once(bench: Bench) -> None:
    hostile = b"QFI\xfbbacking:/etc/shadow"
    bench.plane.images[IMAGE_ID] = hostile
    bench.agent()
    bench.plane.assign(want(image=image(hostile)))
    seen = bench.plane.wait_server(SERVER, lambda seen: seen.fault is not None)
    assert seen.fault is not None
    assert seen.fault.code == "bad_image"
    assert seen.generation == 1
    assert not seen.busy
    assert "/etc/shadow" not in seen.fault.message
    bench.plane.assign(absent(SERVER, gpu_claim()))
    bench.plane.wait_server(SERVER, is_gone)
    assert bench.leaks() == []


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
    off(bench)
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
    off(bench)
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


def test_a_delete_ends_a_download_that_nobody_waits_for_any_more(bench: Bench) -> None:
    bench.plane.image_gate.clear()
    bench.agent()
    bench.plane.assign(want())
    bench.plane.wait("the download", lambda: bool(bench.plane.downloads))
    bench.plane.assign(absent(SERVER, gpu_claim()))
    bench.plane.image_gate.set()
    bench.plane.wait_server(SERVER, is_gone)
    assert bench.leaks() == []


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
    off(bench)
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
    agent = bench.agent()
    bench.plane.assign(want())
    bench.plane.wait_server(SERVER, runs)
    agent.stop()
    bench.host.reboot()
    bench.driver.reboot_host()
    assert {bench.host.driver_of(address) for address in GPU} != {"vfio-pci"}
    bench.agent(resume_guests_state_on_host_boot=resume)
    bench.plane.wait("the new session", lambda: bench.plane.reports[-1].epoch == 2)
    if resume:
        bench.plane.wait_server(SERVER, runs)
    else:
        off(bench)
    assert {bench.host.driver_of(address) for address in GPU} == {"vfio-pci"}
    bench.plane.assign(absent(SERVER, gpu_claim()))
    bench.plane.wait_server(SERVER, is_gone)
    assert [leak for leak in bench.leaks() if "boot_id" not in leak] == []


def test_a_device_goes_from_a_server_that_leaves_to_one_that_comes(bench: Bench) -> None:
    bench.agent()
    bench.plane.assign(want())
    bench.plane.wait_server(SERVER, runs)
    later = want(OTHER, claims=(gpu_claim(UUID(int=0xC102)),))
    bench.plane.assign(absent(SERVER, gpu_claim()), later)
    bench.plane.wait_server(SERVER, is_gone)
    bench.plane.wait_server(OTHER, runs)


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


def test_a_device_is_cleaned_after_its_lease_and_free_with_a_certificate(bench: Bench) -> None:
    bench.agent()
    bench.plane.assign(want())
    bench.plane.wait_server(SERVER, runs)
    bench.plane.wait("it is attached", lambda: device(bench).state is DeviceState.ATTACHED)
    bench.plane.assign(absent(SERVER, gpu_claim()))
    bench.plane.wait_server(SERVER, is_gone)
    certified = next(
        report.devices[0] for report in bench.plane.reports if report.devices[0].certificate is not None
    )
    certificate = certified.certificate
    assert certificate is not None
    assert certified.state is DeviceState.FREE
    assert (certificate.claim_id, certificate.sequence, certificate.grade) == (CLAIM, 1, Grade.C)
    assert [step.name for step in certificate.steps] == [
        "fence", "stop", "restore", "reset", "verify", "scrub", "read-back", "restore",
    ]  # fmt: skip
    keys = {HOST_ID: [bench.plane.reports[-1].certificate_key]}
    assert verify_chain([certificate], keys) == []
    assert bench.leaks() == []


def test_a_device_that_does_not_come_back_is_quarantined_and_its_server_is_gone(bench: Bench) -> None:
    native = bench.host.driver_of(GPU[0])
    assert native is not None
    bench.agent()
    bench.plane.assign(want())
    bench.plane.wait_server(SERVER, runs)
    bench.host.refuse(native, GPU[0], 5)
    bench.plane.assign(absent(SERVER, gpu_claim()))
    bench.plane.wait_server(SERVER, is_gone)
    bench.plane.wait("the quarantine", lambda: device(bench).state is DeviceState.QUARANTINED)
    assert GPU[0] in device(bench).reason
    assert (device(bench).claim_id, device(bench).certificate) == (None, None)

    bench.host.relent()
    bench.plane.assign(devices=(DeviceWant(name=GPU_NAME, release_count=1),))
    bench.plane.wait("the device is free", lambda: device(bench).state is DeviceState.FREE)
    assert device(bench).release_count == 1
    assert any(
        report.devices[0].certificate is not None
        and report.devices[0].certificate.occasion is Occasion.BURN_IN
        for report in bench.plane.reports
    )
    assert bench.leaks() == []


def test_a_device_whose_reset_fails_is_quarantined_with_the_evidence(bench: Bench) -> None:
    bench.agent()
    bench.plane.assign(want())
    bench.plane.wait_server(SERVER, runs)
    bench.host.fail(f"*/{GPU[0]}/reset", 5, times=99)
    bench.plane.assign(absent(SERVER, gpu_claim()))
    bench.plane.wait_server(SERVER, is_gone)
    bench.plane.wait("the quarantine", lambda: device(bench).state is DeviceState.QUARANTINED)
    assert "reset failed" in device(bench).reason


def test_a_device_is_out_of_use_while_an_operator_wants_it_so(bench: Bench) -> None:
    assert bench.agent().wait_ready(20)
    bench.plane.assign(devices=(DeviceWant(name=GPU_NAME, maintenance=True),))
    bench.plane.wait("maintenance", lambda: device(bench).state is DeviceState.MAINTENANCE)
    bench.plane.assign()
    bench.plane.wait("use", lambda: device(bench).state is DeviceState.FREE)


def test_a_lease_older_than_one_that_was_seen_is_refused(bench: Bench) -> None:
    bench.agent()
    newer = gpu_claim().model_copy(update={"generation": 7})
    bench.plane.assign(want(claims=(newer,)))
    bench.plane.wait_server(SERVER, runs)
    bench.plane.assign(absent(SERVER, newer))
    bench.plane.wait_server(SERVER, is_gone)
    older = gpu_claim(UUID(int=0xC1A2)).model_copy(update={"generation": 6})
    bench.plane.assign(want(OTHER, claims=(older,)))
    seen = bench.plane.wait_server(OTHER, lambda seen: seen.fault is not None)
    assert seen.fault is not None
    assert seen.fault.code == "stale_lease"


def test_a_group_that_cannot_be_taken_whole_is_a_fault(bench: Bench) -> None:
    bench.agent()
    bench.plane.wait("the offer", lambda: bool(bench.plane.reports and bench.plane.reports[-1].devices))
    bench.host.vanish(GPU[1])
    bench.plane.assign(want())
    seen = bench.plane.wait_server(SERVER, lambda seen: seen.fault is not None)
    assert seen.fault is not None
    assert seen.fault.code == "device_gone"
    assert GPU[1] in seen.fault.details
    assert GPU[1] not in seen.fault.message


def test_a_token_that_is_refused_ends_the_agent_with_its_reason(bench: Bench) -> None:
    bench.token.write_text("guessed")
    agent = bench.agent()
    assert agent.ended.wait(20)
    assert isinstance(agent.error, NoIdentity)
    assert not agent.wait_ready(0)


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
