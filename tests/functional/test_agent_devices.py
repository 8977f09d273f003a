"""A whole device with the agent: leased, cleaned, quarantined, kept out of use, and refused."""

from uuid import UUID

from kcloud_common.certificate import Grade, Occasion
from kcloud_common.signing import verify_chain
from kcloud_common.wire import DeviceState, DeviceWant
from tests.functional.agent_bench import (
    CLAIM,
    GPU,
    GPU_NAME,
    OTHER,
    SERVER,
    Bench,
    absent,
    device,
    gpu_claim,
    is_gone,
    runs,
    wait_state,
    want,
)
from tests.functional.agent_control_plane import HOST_ID
from tests.functional.agent_fixtures import bench, plane

__all__ = ["bench", "plane"]


def test_a_device_goes_from_a_server_that_leaves_to_one_that_comes(bench: Bench) -> None:
    bench.agent()
    bench.plane.assign(want())
    bench.plane.wait_server(SERVER, runs)
    later = want(OTHER, claims=(gpu_claim(UUID(int=0xC102)),))
    bench.plane.assign(absent(SERVER, gpu_claim()), later)
    bench.plane.wait_server(SERVER, is_gone)
    bench.plane.wait_server(OTHER, runs)


def test_a_device_is_cleaned_after_its_lease_and_free_with_a_certificate(bench: Bench) -> None:
    bench.agent()
    bench.plane.assign(want())
    bench.plane.wait_server(SERVER, runs)
    wait_state(bench, DeviceState.ATTACHED)
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
    wait_state(bench, DeviceState.QUARANTINED)
    assert GPU[0] in device(bench).reason
    assert (device(bench).claim_id, device(bench).certificate) == (None, None)

    bench.host.relent()
    bench.plane.assign(devices=(DeviceWant(name=GPU_NAME, release_count=1),))
    wait_state(bench, DeviceState.FREE)
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
    wait_state(bench, DeviceState.QUARANTINED)
    assert "reset failed" in device(bench).reason


def test_a_device_is_out_of_use_while_an_operator_wants_it_so(bench: Bench) -> None:
    assert bench.agent().wait_ready(20)
    bench.plane.assign(devices=(DeviceWant(name=GPU_NAME, maintenance=True),))
    wait_state(bench, DeviceState.MAINTENANCE)
    bench.plane.assign()
    wait_state(bench, DeviceState.FREE)


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
