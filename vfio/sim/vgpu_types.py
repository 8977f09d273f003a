"""Sizes of vGPUs of the simulated NVIDIA cards.

Names, memory and counts follow the public scheme (`A100-4C`: 4 GiB, compute); the numbers of types are those
of the simulation, for each release of the real driver may number them anew.
"""

from vfio.sim.function import VgpuType

_GIB = 1024


def plain(prefix: str, series: str, sizes: tuple[int, ...], total: int, first: int) -> tuple[VgpuType, ...]:
    """Time-sliced types of one series; sizes and the card's total in GiB."""
    return tuple(
        VgpuType(first + index, f"{prefix}-{size}{series}", size * _GIB, total // size)
        for index, size in enumerate(sizes)
    )


def instances(prefix: str, profiles: tuple[tuple[int, int, int], ...], first: int) -> tuple[VgpuType, ...]:
    """MIG-backed types: compute parts, GiB, and how many such GPU instances stand on a card in MIG mode."""
    return tuple(
        VgpuType(first + index, f"{prefix}-{parts}-{size}C", size * _GIB, standing, mig=True)
        for index, (parts, size, standing) in enumerate(profiles)
    )


T4 = (
    *plain("GRID T4", "B", (1, 2), 16, 222),
    *plain("GRID T4", "Q", (1, 2, 4, 8, 16), 16, 230),
    *plain("GRID T4", "C", (4, 8, 16), 16, 319),
)
A100 = (
    *plain("GRID A100X", "C", (4, 5, 8, 10, 20, 40), 40, 468),
    *instances("GRID A100X", ((1, 5, 0), (2, 10, 2), (3, 20, 1), (4, 20, 0), (7, 40, 0)), 474),
)
L40S = (
    *plain("NVIDIA L40S", "B", (1, 2), 32, 1145),
    *plain("NVIDIA L40S", "Q", (1, 2, 3, 4, 6, 8, 12, 16, 24, 48), 48, 1147),
    *plain("NVIDIA L40S", "C", (4, 6, 8, 12, 16, 24, 48), 48, 1167),
)
H100 = (
    *plain("NVIDIA H100XM", "C", (4, 5, 8, 10, 16, 20, 40, 80), 80, 1130),
    *instances("NVIDIA H100XM", ((1, 10, 0), (2, 20, 2), (3, 40, 1), (4, 40, 0), (7, 80, 0)), 1138),
)
