"""Files of the agent's that a power cut, a bad disk or another release has spoilt: each ends in a defined
state with evidence, keeps nobody else from anything, and is never dropped without a word."""

import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest

from kcloud_common.wire import DeviceState, DeviceWant
from tests.functional.agent_bench import (
    CLAIM,
    GPU_NAME,
    OTHER,
    SERVER,
    Bench,
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
from tests.functional.agent_slices import cut, halves, holding, leaving

__all__ = ["bench", "bench_on", "plane"]

Spoil = Callable[[str], str]


def half(text: str) -> str:
    return text[: len(text) // 2]


def no_json(text: str) -> str:
    return text.replace(":", "")


def of_tomorrow(text: str) -> str:
    return json.dumps(json.loads(text) | {"version": 99})


def empty(text: str) -> str:
    return ""


SPOILT = (half, no_json, of_tomorrow, empty)


def entry(bench: Bench, claim: UUID = CLAIM) -> Path:
    return bench.state / "journal" / f"{claim}.json"


def orphaned(bench: Bench) -> None:
    """A device was prepared, and nobody knows its server any more: no want, no domain, no folder."""
    numbered = gpu_claim().model_copy(update={"generation": 4})
    first = bench.agent()
    bench.plane.assign(want(claims=(numbered,)))
    bench.plane.wait_server(SERVER, runs)
    first.stop()
    bench.driver.undefine(SERVER)
    shutil.rmtree(bench.folder())
    bench.plane.assign()


def generations(bench: Bench) -> list[int]:
    found = [each.certificate for report in bench.plane.reports for each in report.devices]
    return sorted({each.generation for each in found if each is not None})


@pytest.mark.parametrize("spoil", SPOILT)
def test_a_spoilt_entry_of_a_forgotten_lease_is_mended_and_its_device_cleaned(
    bench: Bench, spoil: Spoil
) -> None:
    orphaned(bench)
    entry(bench).write_text(spoil(entry(bench).read_text()))
    bench.agent()
    wait_state(bench, DeviceState.FREE)
    bench.plane.wait("a certificate", lambda: generations(bench) == [4])
    bench.plane.wait("no entry", lambda: list((bench.state / "journal").iterdir()) == [])
    assert [leak for leak in bench.leaks() if "override" not in leak] == []


@pytest.mark.parametrize("spoil", [half, of_tomorrow])
def test_a_spoilt_entry_that_still_names_its_device_is_settled_without_a_ledger(
    bench: Bench, spoil: Spoil
) -> None:
    orphaned(bench)
    shutil.rmtree(bench.state / "devices")
    text = entry(bench).read_text()
    named = json.loads(text)
    text = json.dumps({"version": 2, "slice": named.pop("slice"), **named})
    entry(bench).write_text(spoil(text) if spoil is of_tomorrow else text[:120])
    bench.agent()
    wait_state(bench, DeviceState.FREE)
    bench.plane.wait("the first lease is over", lambda: generations(bench) == [1])
    bench.plane.wait("no entry", lambda: list((bench.state / "journal").iterdir()) == [])


def test_a_forgotten_claim_of_before_leases_were_numbered_ends_as_the_device_s_first_lease(
    bench: Bench,
) -> None:
    """As which the control plane's migration counts it: a certificate of lease 0 would end nothing there."""
    orphaned(bench)
    shutil.rmtree(bench.state / "devices")
    old = json.loads(entry(bench).read_text())
    del old["slice"]
    entry(bench).write_text(json.dumps(old | {"version": 1}))
    bench.agent()
    wait_state(bench, DeviceState.FREE)
    bench.plane.wait("the first lease is over", lambda: generations(bench) == [1])
    assert device(bench).generation == 1
    assert bench.leaks() == []


def test_an_empty_entry_that_nobody_knows_keeps_the_device_that_looks_taken_from_guests(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    orphaned(bench)
    shutil.rmtree(bench.state / "devices")
    entry(bench).write_text("")
    with caplog.at_level(logging.ERROR):
        bench.agent()
        wait_state(bench, DeviceState.QUARANTINED)
        bench.plane.wait("set aside", entry(bench).with_suffix(".damaged").exists)
    assert str(CLAIM) in device(bench).reason
    assert "vfio-pci" in device(bench).reason
    assert "journal_entry_set_aside" in caplog.messages
    bench.plane.assign(devices=(DeviceWant(name=GPU_NAME, release_count=1),))
    wait_state(bench, DeviceState.FREE)


def test_an_entry_for_a_device_that_is_free_by_the_ledger_is_quarantine_with_both_sides(
    bench: Bench,
) -> None:
    first = bench.agent()
    numbered = gpu_claim().model_copy(update={"generation": 4})
    bench.plane.assign(want(claims=(numbered,)))
    bench.plane.wait_server(SERVER, runs)
    kept = entry(bench).read_text()
    bench.plane.assign(leaving(want(claims=(numbered,))))
    bench.plane.wait_server(SERVER, is_gone)
    wait_state(bench, DeviceState.FREE)
    bench.plane.assign()
    first.stop()
    entry(bench).write_text(kept)  # say, from a backup
    bench.agent()
    wait_state(bench, DeviceState.QUARANTINED)
    assert str(CLAIM) in device(bench).reason
    bench.plane.wait("no entry", lambda: list((bench.state / "journal").iterdir()) == [])
    bench.plane.assign(devices=(DeviceWant(name=GPU_NAME, release_count=1),))
    wait_state(bench, DeviceState.FREE)
    assert bench.leaks() == []


@pytest.mark.parametrize("spoil", SPOILT)
def test_a_spoilt_entry_keeps_no_other_server_from_anything(bench: Bench, spoil: Spoil) -> None:
    (bench.state / "journal").mkdir(parents=True)
    entry(bench).write_text(spoil('{"version": 2, "claim_id": "none of ours"}'))
    bench.agent()
    bench.plane.assign(want(OTHER, gpu=False))
    bench.plane.wait_server(OTHER, runs)
    bench.plane.wait("set aside", entry(bench).with_suffix(".damaged").exists)
    assert bench.plane.reports[-1].problems == ()
    assert device(bench).state is DeviceState.FREE


def test_an_entry_that_the_disk_does_not_give_back_keeps_no_other_server_from_anything(bench: Bench) -> None:
    entry(bench).mkdir(parents=True)  # reading it is an error of the operating system
    bench.agent()
    bench.plane.assign(want(OTHER, gpu=False))
    bench.plane.wait_server(OTHER, runs)
    bench.plane.wait("set aside", entry(bench).with_suffix(".damaged").exists)


@pytest.mark.parametrize("spoil", [half, empty, of_tomorrow])
def test_a_server_s_spoilt_record_keeps_nobody_from_anything_and_is_told_once(
    bench: Bench, spoil: Spoil, caplog: pytest.LogCaptureFixture
) -> None:
    first = bench.agent()
    bench.plane.assign(want(gpu=False))
    bench.plane.wait_server(SERVER, runs)
    first.stop()
    record = bench.folder() / "record.json"
    record.write_text(spoil(record.read_text()))
    (bench.folder(UUID(int=0x5EEE))).mkdir()
    (bench.folder(UUID(int=0x5EEE)) / "record.json").write_text("{")
    bench.agent()
    bench.plane.assign(want(gpu=False), want(OTHER, gpu=False))
    bench.plane.wait_server(OTHER, runs)
    bench.plane.assign(want(OTHER, gpu=False), leaving(want(gpu=False)))
    bench.plane.wait_server(SERVER, is_gone)
    told = [vars(each)["reason"] for each in caplog.records if each.getMessage() == "server_record_damaged"]
    assert len(told) == len(set(told)) >= 1


@pytest.mark.parametrize("spoil", SPOILT)
def test_a_layout_s_spoilt_record_is_drift_while_it_stands_and_the_card_is_cut_anew_after_a_reboot(
    bench_on: BenchOn, plane: ControlPlane, spoil: Spoil, caplog: pytest.LogCaptureFixture
) -> None:
    bench = bench_on("t4-x1")
    wanted = halves("t4-x1")
    first = bench.agent()
    cut(bench, wanted)
    first.stop()
    (record,) = (bench.state / "layouts").iterdir()
    record.write_text(spoil(record.read_text()))
    before = len(plane.reports)
    bench.agent()
    plane.wait("drift", lambda: len(plane.reports) > before and bool(plane.reports[-1].cards[0].drift))
    assert "reboot the host" in plane.reports[-1].cards[0].drift
    bench.reboot_host()
    bench.agent()
    plane.wait("cut", lambda: len(devices(bench)) == 2 and not plane.reports[-1].problems)
    assert record.with_suffix(".damaged").exists()
    assert caplog.messages.count("layout_record_damaged") == 1 + 1  # once by each agent


def test_a_layout_s_record_that_the_disk_does_not_give_back_is_told_and_keeps_no_server(
    bench_on: BenchOn, plane: ControlPlane
) -> None:
    bench = bench_on("t4-x1")
    wanted = halves("t4-x1")
    first = bench.agent()
    cut(bench, wanted)
    first.stop()
    (record,) = (bench.state / "layouts").iterdir()
    record.unlink()
    record.mkdir()
    bench.agent()
    plane.assign(want(OTHER, gpu=False), layout=wanted)
    plane.wait_server(OTHER, runs)
    plane.wait("drift", lambda: "cannot be read" in plane.reports[-1].cards[0].drift)


def test_a_spoilt_entry_of_a_slice_is_mended_by_the_ledger(bench_on: BenchOn, plane: ControlPlane) -> None:
    bench = bench_on("t4-x1")
    wanted = halves("t4-x1")
    agent = bench.agent()
    first, _ = cut(bench, wanted)
    server = holding(first, lease=2)
    plane.assign(server, layout=wanted)
    plane.wait_server(SERVER, runs)
    agent.stop()
    bench.driver.undefine(SERVER)
    shutil.rmtree(bench.folder())
    entry(bench, server.claims[0].id).write_text("{")
    plane.assign(layout=wanted)
    bench.agent()
    plane.wait("free", lambda: devices(bench)[first.name].state is DeviceState.FREE)
    plane.wait("a certificate", lambda: generations(bench) == [2])
