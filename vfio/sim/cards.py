"""The simulated cards: ids as the public list has them, sizes of BARs as published where they are.

What has no public source is a property of the simulated card only: all numbers of VFs but MI300X's, VF
offsets, BARs of the NPUs, reset methods of the NPUs, the sizes of vGPU numbers. Code that reads a real card
must read them from the kernel.
"""

from dataclasses import replace

from vfio.sim import vgpu_types
from vfio.sim.function import Board, Cutting, FakeFunction, Sriov, VgpuType

GIB = 1 << 30
MIB = 1 << 20
_GEN3, _GEN4, _GEN5 = (8.0, 16), (16.0, 16), (32.0, 16)
_3D, _DISPLAY, _PROCESSING = 0x030200, 0x038000, 0x120000


def _nvidia(product: int, memory: int, bars: tuple[int, ...], link: tuple[float, int]) -> FakeFunction:
    return FakeFunction(
        "", 0x10DE, product, _3D, driver="nvidia", bar_sizes=bars, link=link,
        board=Board(Cutting.VENDOR_VFIO, "nvidia", memory_mib=memory),
    )  # fmt: skip


def _with(card: FakeFunction, cutting: Cutting, types: tuple[VgpuType, ...], vfs: int) -> FakeFunction:
    """A card that is cut in vGPUs, with VFs at routing ids right behind its own."""
    board = Board(cutting, "nvidia", memory_mib=card.board.memory_mib if card.board else 0, types=types)
    if not vfs:
        return replace(card, board=board)
    part = tuple(max(size // 32, 1 * MIB) for size in card.bar_sizes)
    sriov = Sriov(bar_sizes=part, driver="nvidia", offset=4, stride=1)
    return replace(card, board=board, total_vfs=vfs, vf_product=card.product, sriov=sriov)


def _xe(product: int, memory_gib: int, vfs: int, link: tuple[float, int]) -> FakeFunction:
    return FakeFunction(
        "", 0x8086, product, _DISPLAY, driver="xe", bar_sizes=(16 * MIB, memory_gib * GIB), link=link,
        total_vfs=vfs, vf_product=product,
        sriov=Sriov(bar_sizes=(16 * MIB, 512 * MIB), driver="xe", offset=1),
        board=Board(Cutting.XE, "xe", memory_mib=memory_gib * 1024),
    )  # fmt: skip


T4 = _with(_nvidia(0x1EB8, 16384, (16 * MIB, 256 * MIB, 32 * MIB), _GEN3), Cutting.PF_MDEV, vgpu_types.T4, 0)
A100 = _with(
    _nvidia(0x20B0, 40960, (16 * MIB, 64 * GIB, 32 * MIB), _GEN4), Cutting.VF_MDEV, vgpu_types.A100, 16
)
L40S = _with(
    _nvidia(0x26B9, 49152, (16 * MIB, 64 * GIB, 32 * MIB), _GEN4), Cutting.VENDOR_VFIO, vgpu_types.L40S, 32
)
H100 = _with(
    _nvidia(0x2330, 81920, (16 * MIB, 128 * GIB, 32 * MIB), _GEN5), Cutting.VENDOR_VFIO, vgpu_types.H100, 20
)
NVSWITCH = FakeFunction(
    "", 0x10DE, 0x22A3, 0x068000, driver="nvidia-nvswitch", bar_sizes=(32 * MIB,), link=(8.0, 2)
)

MI300X = FakeFunction(
    "", 0x1002, 0x74A1, _PROCESSING, driver="gim", bar_sizes=(256 * GIB, 2 * MIB, 512 << 10), link=_GEN5,
    total_vfs=1, vf_product=0x74B5, sriov=Sriov(bar_sizes=(256 * GIB, 2 * MIB, 512 << 10), offset=0x10),
    bad_resets=("flr", "bus"),
)  # fmt: skip
"""Reset by FLR or bus, it answers ones until the host boots: so it was reported; its VF is not affected."""

FLEX170 = _xe(0x56C0, 16, 31, _GEN4)
B60 = _xe(0xE211, 24, 24, (32.0, 8))

RNGD = FakeFunction(
    "", 0x1ED2, 0x0001, _PROCESSING, driver="rngd", bar_sizes=(64 * GIB,), link=_GEN5,
    total_vfs=8, vf_product=0x0001, sriov=Sriov(bar_sizes=(8 * GIB,)),
)  # fmt: skip
WARBOY = FakeFunction(
    "", 0x1ED2, 0x0000, _PROCESSING, driver="furiosa_npu", bar_sizes=(64 * MIB,), link=(16.0, 8)
)
CA22 = FakeFunction(
    "", 0x1EFF, 0x1220, _PROCESSING, driver="rebellions", bar_sizes=(64 * MIB, 16 * GIB), link=_GEN5,
    total_vfs=4, vf_product=0x1221, sriov=Sriov(bar_sizes=(16 * MIB, 4 * GIB)),
)  # fmt: skip
CA25 = FakeFunction(
    "", 0x1EFF, 0x1250, _PROCESSING, driver="rebellions", bar_sizes=(64 * MIB, 16 * GIB), link=_GEN5
)
GAUDI3 = FakeFunction(
    "", 0x1DA3, 0x1060, _PROCESSING, driver="habanalabs", bar_sizes=(16 * MIB, 4 * MIB, 128 * GIB), link=_GEN5
)
