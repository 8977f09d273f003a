"""The agent cuts cards as its layout says, gives slices to servers and cleans them: on simulated machines."""

import logging
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from uuid import UUID

import pytest

from kcloud_common.certificate import Grade
from kcloud_common.wire import (
    CardLayoutWant,
    ClaimWant,
    CutWant,
    DeviceReport,
    DeviceState,
    LayoutWant,
    PowerState,
    ServerReport,
    ServerWant,
    SliceKind,
)
from tests.functional.agent_bench import SERVER, Bench, absent, is_gone, runs, want
from tests.functional.agent_control_plane import ControlPlane
from vfio.sim.trees import build

OTHER = UUID(int=0x5E02)


@pytest.fixture
def plane() -> Iterator[ControlPlane]:
    with ControlPlane() as plane:
        yield plane


def bench_on(tree: str, folder: Path, plane: ControlPlane) -> Bench:
    return Bench(folder, plane, partial(build, tree))


def layout(match: str, *cuts: CutWant, version: str = "1") -> LayoutWant:
    return LayoutWant(version=version, cards=(CardLayoutWant(match=match, cuts=cuts),))


def devices(bench: Bench) -> dict[str, DeviceReport]:
    return {device.name: device for device in bench.plane.reports[-1].devices}


def cut(bench: Bench, wanted: LayoutWant) -> list[DeviceReport]:
    """The slices of cards that the layout cuts, once it stands."""
    bench.plane.assign(layout=wanted)

    def stands() -> bool:
        if not bench.plane.reports:
            return False
        last = bench.plane.reports[-1]
        found = [device for device in last.devices if device.kind is wanted.cards[0].cuts[0].kind]
        return last.layout_version == wanted.version and bool(found) and not last.problems

    bench.plane.wait("the layout stands", stands)
    return [device for device in devices(bench).values() if device.kind is wanted.cards[0].cuts[0].kind]


def holding(device: DeviceReport, server_id: UUID = SERVER, *, lease: int = 1) -> ServerWant:
    claim = ClaimWant(
        id=UUID(int=server_id.int + 0x10000), device=device.name, addresses=device.addresses,
        kind=device.kind, mdev=device.mdev, generation=lease,
    )  # fmt: skip
    return want(server_id, claims=(claim,))


def leaving(wanted: ServerWant) -> ServerWant:
    return absent(wanted.id, *wanted.claims)


def is_off(seen: ServerReport) -> bool:
    return seen.power_state is PowerState.SHUTOFF and not seen.busy


CUTS = {
    "t4-x1": (CutWant(kind=SliceKind.MDEV, type="nvidia-231", count=2), "10de:1eb8", Grade.B),
    "flex170-x1": (CutWant(kind=SliceKind.XE_VF, count=2, memory_mib=4096), "8086:56c0", Grade.C),
    "rngd-x1": (CutWant(kind=SliceKind.VF, count=2), "1ed2:0001", Grade.C),
    "l40s-x1": (CutWant(kind=SliceKind.VENDOR_VF, type="1148", count=2), "10de:26b9", Grade.B),
}


@pytest.mark.parametrize("tree", CUTS)
def test_a_slice_is_made_given_away_cleaned_and_unmade(
    tree: str, tmp_path: Path, plane: ControlPlane
) -> None:
    bench = bench_on(tree, tmp_path, plane)
    wanted, match, grade = CUTS[tree]
    try:
        bench.agent()
        first, second = cut(bench, layout(match, wanted))
        assert {first.state, second.state} == {DeviceState.FREE}
        assert first.card == second.card != ""
        assert 0 < first.share < 1000
        server = holding(first)
        bench.plane.assign(server, layout=layout(match, wanted))
        bench.plane.wait_server(SERVER, runs)
        bench.plane.wait("attached", lambda: devices(bench)[first.name].state is DeviceState.ATTACHED)
        domain = bench.driver.domains()[SERVER]
        assert (domain.hostdevs, domain.mdevs) == (first.addresses, (first.mdev,) if first.mdev else ())

        # A layout that wants the used card otherwise waits, and says so.
        other = LayoutWant(version="2")
        bench.plane.assign(server, layout=other)
        bench.plane.wait("drift", lambda: bool(bench.plane.reports[-1].cards[0].drift))
        assert devices(bench)[second.name].state is DeviceState.MAINTENANCE
        bench.plane.assign(server, layout=layout(match, wanted))
        bench.plane.wait("settled", lambda: devices(bench)[second.name].state is DeviceState.FREE)

        bench.plane.assign(leaving(server), layout=layout(match, wanted))
        bench.plane.wait_server(SERVER, is_gone)
        certificates = [
            device.certificate
            for report in bench.plane.reports
            for device in report.devices
            if device.certificate is not None
        ]
        assert {(each.device, each.grade, each.generation) for each in certificates} == {
            (first.name, grade, 1)
        }
        bench.plane.assign(layout=other)
        bench.plane.wait(
            "whole again", lambda: [device.kind for device in devices(bench).values()] == [SliceKind.WHOLE]
        )
        bench.plane.wait("well", lambda: bench.plane.reports[-1].problems == ())
        assert bench.leaks() == []
    finally:
        bench.close()


def test_many_cards_are_cut_once_each(
    tmp_path: Path, plane: ControlPlane, caplog: pytest.LogCaptureFixture
) -> None:
    """More than there are workers: while the last are cut, the first are not taken for uncut."""
    bench = bench_on("flex170-x16", tmp_path, plane)
    _, match, _ = CUTS["flex170-x1"]
    try:
        bench.agent()
        with caplog.at_level(logging.INFO):
            found = cut(bench, layout(match, CutWant(kind=SliceKind.XE_VF, count=2)))
        assert len(found) == 32
        assert [each.getMessage() for each in caplog.records].count("card_cut") == 16
    finally:
        bench.close()


def test_after_a_reboot_the_card_is_cut_before_the_host_is_ready_and_the_server_has_its_slice_again(
    tmp_path: Path, plane: ControlPlane
) -> None:
    bench = bench_on("t4-x1", tmp_path, plane)
    wanted, match, _ = CUTS["t4-x1"]
    try:
        agent = bench.agent()
        first, _second = cut(bench, layout(match, wanted))
        server = holding(first)
        bench.plane.assign(server, layout=layout(match, wanted))
        bench.plane.wait_server(SERVER, runs)
        agent.stop()
        bench.host.reboot()
        bench.driver.reboot_host()
        before = len(bench.plane.reports)
        bench.agent(resume_guests_state_on_host_boot=True)
        bench.plane.wait_server(SERVER, lambda seen: runs(seen) and len(bench.plane.reports) > before)
        after = bench.plane.reports[before:]
        assert after[0].problems != (), "the host is not ready before its cards are cut"
        bench.plane.wait("attached", lambda: devices(bench)[first.name].state is DeviceState.ATTACHED)
        assert bench.plane.reports[-1].problems == ()
        assert devices(bench)[first.name].mdev == first.mdev
    finally:
        bench.close()


def test_a_layout_that_the_card_cannot_hold_is_drift_with_the_kernels_numbers(
    tmp_path: Path, plane: ControlPlane
) -> None:
    bench = bench_on("t4-x1", tmp_path, plane)
    try:
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
    finally:
        bench.close()
