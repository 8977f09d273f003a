"""The agent cuts cards as its layout says, gives slices to servers and cleans them: on simulated machines."""

import logging

import pytest

from kcloud_common.wire import CutWant, DeviceState, LayoutWant, SliceKind
from tests.functional.agent_bench import SERVER, devices, is_gone, runs
from tests.functional.agent_fixtures import BenchOn, bench_on, plane
from tests.functional.agent_slices import CUTS, cut, halves, holding, layout, leaving, serving

__all__ = ["bench_on", "plane"]


@pytest.mark.parametrize("tree", CUTS)
def test_a_slice_is_made_given_away_cleaned_and_unmade(tree: str, bench_on: BenchOn) -> None:
    bench = bench_on(tree)
    wanted, (_, _, grade) = halves(tree), CUTS[tree]
    bench.agent()
    first, second = cut(bench, wanted)
    assert {first.state, second.state} == {DeviceState.FREE}
    assert first.card == second.card != ""
    assert 0 < first.share < 1000
    server = holding(first)
    bench.plane.assign(server, layout=wanted)
    bench.plane.wait_server(SERVER, runs)
    bench.plane.wait("attached", lambda: devices(bench)[first.name].state is DeviceState.ATTACHED)
    domain = bench.driver.domains()[SERVER]
    assert (domain.hostdevs, domain.mdevs) == (first.addresses, (first.mdev,) if first.mdev else ())

    # A layout that wants the used card otherwise waits, and says so.
    other = LayoutWant(version="2")
    bench.plane.assign(server, layout=other)
    bench.plane.wait("drift", lambda: bool(bench.plane.reports[-1].cards[0].drift))
    assert devices(bench)[second.name].state is DeviceState.MAINTENANCE
    bench.plane.assign(server, layout=wanted)
    bench.plane.wait("settled", lambda: devices(bench)[second.name].state is DeviceState.FREE)

    bench.plane.assign(leaving(server), layout=wanted)
    bench.plane.wait_server(SERVER, is_gone)
    certificates = [
        device.certificate
        for report in bench.plane.reports
        for device in report.devices
        if device.certificate is not None
    ]
    assert {(each.device, each.grade, each.generation) for each in certificates} == {(first.name, grade, 1)}
    bench.plane.assign(layout=other)
    bench.plane.wait(
        "whole again", lambda: [device.kind for device in devices(bench).values()] == [SliceKind.WHOLE]
    )
    bench.plane.wait("well", lambda: bench.plane.reports[-1].problems == ())
    assert bench.leaks() == []


def test_many_cards_are_cut_once_each(bench_on: BenchOn, caplog: pytest.LogCaptureFixture) -> None:
    """More than there are workers: while the last are cut, the first are not taken for uncut."""
    bench = bench_on("flex170-x16")
    _, match, _ = CUTS["flex170-x1"]
    bench.agent()
    with caplog.at_level(logging.INFO):
        found = cut(bench, layout(match, CutWant(kind=SliceKind.XE_VF, count=2)))
    assert len(found) == 32
    assert [each.getMessage() for each in caplog.records].count("card_cut") == 16


def test_after_a_reboot_the_card_is_cut_before_the_host_is_ready_and_the_server_has_its_slice_again(
    bench_on: BenchOn,
) -> None:
    bench = bench_on("t4-x1")
    wanted = halves("t4-x1")
    bench.agent()
    _, first = serving(bench, wanted)
    bench.reboot_host()
    before = len(bench.plane.reports)
    bench.agent(resume_guests_state_on_host_boot=True)
    bench.plane.wait_server(SERVER, lambda seen: runs(seen) and len(bench.plane.reports) > before)
    after = bench.plane.reports[before:]
    assert after[0].problems != (), "the host is not ready before its cards are cut"
    bench.plane.wait("attached", lambda: devices(bench)[first.name].state is DeviceState.ATTACHED)
    assert bench.plane.reports[-1].problems == ()
    assert devices(bench)[first.name].mdev == first.mdev


def test_a_layout_that_the_card_cannot_hold_is_drift_with_the_kernels_numbers(bench_on: BenchOn) -> None:
    bench = bench_on("t4-x1")
    bench.agent()
    many = CutWant(kind=SliceKind.MDEV, type="nvidia-231", count=9)
    bench.plane.assign(layout=layout("10de:1eb8", many))
    bench.plane.wait(
        "drift", lambda: bool(bench.plane.reports) and bool(bench.plane.reports[-1].cards[0].drift)
    )
    drift = bench.plane.reports[-1].cards[0].drift
    assert "8" in drift
    assert "nvidia-231" in drift
    assert [device.state for device in devices(bench).values()] == [DeviceState.MAINTENANCE]
    assert bench.plane.reports[-1].problems == (), "such a host serves others still"
