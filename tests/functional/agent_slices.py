"""What tests ask of an agent whose cards are cut: layouts, the slices that come of them, servers with one."""

from uuid import UUID

from kcloud_common.certificate import Grade
from kcloud_common.wire import (
    CardLayoutWant,
    ClaimWant,
    CutWant,
    DeviceReport,
    LayoutWant,
    ServerWant,
    SliceKind,
)
from tests.functional.agent_bench import SERVER, Bench, absent, devices, runs, want

CUTS = {
    "t4-x1": (CutWant(kind=SliceKind.MDEV, type="nvidia-231", count=2), "10de:1eb8", Grade.B),
    "flex170-x1": (CutWant(kind=SliceKind.XE_VF, count=2, memory_mib=4096), "8086:56c0", Grade.C),
    "rngd-x1": (CutWant(kind=SliceKind.VF, count=2), "1ed2:0001", Grade.C),
    "l40s-x1": (CutWant(kind=SliceKind.VENDOR_VF, type="1148", count=2), "10de:26b9", Grade.B),
}
"""Of each simulated machine: how its card is cut in two, what matches it, how well its slices are cleaned."""


def layout(match: str, *cuts: CutWant, version: str = "1") -> LayoutWant:
    return LayoutWant(version=version, cards=(CardLayoutWant(match=match, cuts=cuts),))


def halves(tree: str) -> LayoutWant:
    """By which that machine's card is cut in two."""
    cuts, match, _ = CUTS[tree]
    return layout(match, cuts)


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


def serving(bench: Bench, wanted: LayoutWant) -> tuple[ServerWant, DeviceReport]:
    """A server that runs with the first slice that the layout makes."""
    first = cut(bench, wanted)[0]
    server = holding(first)
    bench.plane.assign(server, layout=wanted)
    bench.plane.wait_server(SERVER, runs)
    return server, first


def leaving(wanted: ServerWant) -> ServerWant:
    return absent(wanted.id, *wanted.claims)
