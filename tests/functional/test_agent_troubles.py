"""Devices in trouble, with the agent as a whole on simulated machines: ills that pass, state that was lost or
is of an older release, a host that cannot be read, a layout that changes under a server."""

import json
import shutil
from uuid import UUID

from kcloud_common.wire import DeviceState, DeviceWant
from kcloud_compute.device_ledger import DeviceLedger
from tests.functional.agent_bench import (
    CLAIM,
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
from tests.functional.agent_fixtures import BenchOn, bench, bench_on, plane
from tests.functional.agent_slices import halves, holding, leaving, serving
from vfio.lifecycle import State

__all__ = ["bench", "bench_on", "plane"]


# --- health --------------------------------------------------------------------------------------------


def test_a_card_that_was_ill_is_free_for_good_after_a_passed_burn_in(bench: Bench) -> None:
    assert bench.agent().wait_ready(20)
    wait_state(bench, DeviceState.FREE)
    bench.host.count_errors(GPU[0], nonfatal=1)
    bench.plane.assign(devices=(DeviceWant(name=GPU_NAME, maintenance=True),))
    wait_state(bench, DeviceState.QUARANTINED)
    assert "nonfatal" in device(bench).reason
    bench.plane.assign(devices=(DeviceWant(name=GPU_NAME, release_count=1),))
    wait_state(bench, DeviceState.FREE)
    # Looked at once more, for a reason of its own.
    bench.plane.assign(devices=(DeviceWant(name=GPU_NAME, release_count=1, maintenance=True),))
    wait_state(bench, DeviceState.MAINTENANCE)
    bench.plane.assign(devices=(DeviceWant(name=GPU_NAME, release_count=1),))
    wait_state(bench, DeviceState.FREE)
    assert bench.leaks() == [leak for leak in bench.leaks() if "aer" in leak]


def test_a_card_whose_link_saves_power_is_not_ill(bench: Bench) -> None:
    bench.host.train_link(GPU[0], 16.0, 16)
    assert bench.agent().wait_ready(20)
    wait_state(bench, DeviceState.FREE)
    bench.host.train_link(GPU[0], 2.5, 16)
    bench.plane.assign(devices=(DeviceWant(name=GPU_NAME, maintenance=True),))
    wait_state(bench, DeviceState.MAINTENANCE)
    bench.plane.assign()
    wait_state(bench, DeviceState.FREE)


# --- what was lost, or is of yesterday -----------------------------------------------------------------


def test_a_server_of_an_agent_that_kept_no_ledger_leaves_with_a_certificate_of_its_lease(
    bench: Bench,
) -> None:
    """The control plane's migration counts such a lease as the first."""
    first = bench.agent()
    bench.plane.assign(want())
    bench.plane.wait_server(SERVER, runs)
    first.stop()
    shutil.rmtree(bench.state / "devices")
    shutil.rmtree(bench.state / "layouts")
    (bench.state / "certificate.key").unlink()
    entry = bench.state / "journal" / f"{CLAIM}.json"
    old = json.loads(entry.read_text())
    del old["slice"]
    entry.write_text(json.dumps(old | {"version": 1}))

    numbered = gpu_claim().model_copy(update={"generation": 1})
    bench.plane.assign(want(claims=(numbered,)))
    bench.agent()
    bench.plane.wait_server(SERVER, runs)
    wait_state(bench, DeviceState.ATTACHED)
    bench.plane.assign(absent(SERVER, numbered))
    bench.plane.wait_server(SERVER, is_gone)
    certificates = [each.certificate for report in bench.plane.reports for each in report.devices]
    assert {each.generation for each in certificates if each is not None} == {1}
    assert bench.leaks() == []


def test_a_burn_in_of_long_ago_is_not_repeated_under_a_server_although_the_ledger_was_lost(
    bench: Bench,
) -> None:
    first = bench.agent()
    bench.plane.assign(want())
    bench.plane.wait_server(SERVER, runs)
    first.stop()
    shutil.rmtree(bench.state / "devices")
    bench.plane.assign(want(), devices=(DeviceWant(name=GPU_NAME, release_count=3),))
    before = len(bench.plane.reports)
    bench.agent()
    bench.plane.wait_server(SERVER, lambda seen: runs(seen) and len(bench.plane.reports) > before)
    bench.plane.assign(want(reboot_count=1), devices=(DeviceWant(name=GPU_NAME, release_count=3),))
    bench.plane.wait_server(SERVER, lambda seen: seen.reboot_count == 1 and not seen.busy)
    assert device(bench).state is DeviceState.ATTACHED


def test_a_record_that_is_damaged_under_a_server_is_quarantine_and_a_burn_in_leads_out(bench: Bench) -> None:
    first = bench.agent()
    bench.plane.assign(want())
    bench.plane.wait_server(SERVER, runs)
    first.stop()
    (bench.state / "devices" / f"{GPU_NAME}.json").write_text("{")
    bench.plane.assign(absent(SERVER, gpu_claim()))
    bench.agent()
    bench.plane.wait_server(SERVER, is_gone)
    wait_state(bench, DeviceState.QUARANTINED)
    bench.plane.assign(devices=(DeviceWant(name=GPU_NAME, release_count=1),))
    wait_state(bench, DeviceState.FREE)
    assert bench.leaks() == []


def test_a_journal_entry_that_was_damaged_while_its_device_was_cleaned_is_mended(bench: Bench) -> None:
    numbered = gpu_claim().model_copy(update={"generation": 1})
    first = bench.agent()
    bench.plane.assign(want(claims=(numbered,)))
    bench.plane.wait_server(SERVER, runs)
    first.stop()
    DeviceLedger(bench.state / "devices").release(GPU_NAME, "boot")
    (bench.state / "journal" / f"{CLAIM}.json").write_text("{")
    bench.plane.assign(absent(SERVER, numbered))
    bench.agent()
    bench.plane.wait_server(SERVER, is_gone)
    wait_state(bench, DeviceState.FREE)
    assert [leak for leak in bench.leaks() if "override" not in leak] == []


# --- a host that cannot be read ------------------------------------------------------------------------


def test_a_host_that_cannot_be_read_at_first_loses_neither_server_nor_device(bench: Bench) -> None:
    first = bench.agent()
    bench.plane.assign(want())
    bench.plane.wait_server(SERVER, runs)
    first.stop()
    bench.plane.assign(absent(SERVER, gpu_claim()))
    bench.host.fail_read(f"sys/bus/pci/devices/{GPU[0]}/uevent", 13, times=3)
    bench.agent()
    bench.plane.wait_server(SERVER, is_gone)
    wait_state(bench, DeviceState.FREE)
    assert bench.leaks() == []


def test_a_hypervisor_that_falls_silent_during_a_cleaning_delays_it_only(bench: Bench) -> None:
    bench.agent()
    bench.plane.assign(want())
    bench.plane.wait_server(SERVER, runs)
    root = bench.host.sysfs().root
    group = (root / f"sys/bus/pci/devices/{GPU[0]}/iommu_group").resolve().name
    process = root / "proc/4711"
    (process / "fd").mkdir(parents=True)
    (process / "fd/9").symlink_to(f"/dev/vfio/{group}")
    bench.plane.assign(absent(SERVER, gpu_claim()))
    wait_state(bench, DeviceState.SANITISING)
    bench.driver.lose_connection()
    shutil.rmtree(process)
    bench.plane.wait("it is told", lambda: bool(bench.plane.reports[-1].problems))
    bench.driver.find_connection()
    bench.plane.wait_server(SERVER, is_gone)
    wait_state(bench, DeviceState.FREE)
    assert bench.leaks() == []


# --- layouts -------------------------------------------------------------------------------------------


def test_a_slice_whose_server_leaves_while_its_host_is_down_is_cleaned_after_the_reboot(
    bench_on: BenchOn,
) -> None:
    bench = bench_on("t4-x1")
    wanted = halves("t4-x1")
    bench.agent()
    server, first = serving(bench, wanted)
    bench.reboot_host()
    bench.plane.assign(leaving(server))  # the layout was withdrawn meanwhile, too
    bench.agent()
    bench.plane.wait_server(SERVER, is_gone)
    bench.plane.wait("whole", lambda: [each.card for each in devices(bench).values()] == [""])
    records = DeviceLedger(bench.state / "devices").all()
    assert {record.state for record in records.values()} == {State.FREE}
    assert records[first.name].head.generation == 1


def test_a_card_is_not_cut_under_a_server_that_is_to_get_it(bench_on: BenchOn) -> None:
    bench = bench_on("t4-x1")
    wanted = halves("t4-x1")
    bench.agent()
    bench.plane.wait("a report", lambda: bool(bench.plane.reports and bench.plane.reports[-1].devices))
    card = bench.plane.reports[-1].devices[0]
    server = holding(card, UUID(int=0x5E07))
    bench.plane.assign(server, layout=wanted)
    bench.plane.wait_server(server.id, runs)
    bench.plane.wait("drift", lambda: bool(bench.plane.reports[-1].cards[0].drift))
    bench.plane.assign(leaving(server), layout=wanted)
    bench.plane.wait_server(server.id, is_gone)
    bench.plane.wait("it is cut", lambda: len(devices(bench)) == 2)


def test_a_quarantined_slice_does_not_become_part_of_a_free_card_by_a_reboot(bench_on: BenchOn) -> None:
    bench = bench_on("rngd-x1")
    wanted = halves("rngd-x1")
    agent = bench.agent()
    server, first = serving(bench, wanted)
    bench.host.fail("*/reset", 5, times=9)
    bench.plane.assign(leaving(server), layout=wanted)
    bench.plane.wait_server(SERVER, is_gone)
    agent.stop()
    bench.host.relent()
    bench.host.reboot()
    bench.plane.assign()
    before = len(bench.plane.reports)
    bench.agent()
    bench.plane.wait(
        "it is seen again", lambda: len(bench.plane.reports) > before and first.name in devices(bench)
    )
    assert devices(bench)[first.name].state is DeviceState.QUARANTINED
    assert DeviceState.FREE not in {each.state for each in devices(bench).values()}
    assert "quarantined" in bench.plane.reports[-1].cards[0].drift
    bench.plane.assign(devices=(DeviceWant(name=first.name, release_count=1),))
    bench.plane.wait("whole", lambda: [each.card for each in devices(bench).values()] == [""])
    assert DeviceLedger(bench.state / "devices").of(first.name).state is State.FREE
