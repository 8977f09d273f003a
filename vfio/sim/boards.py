"""Decides which vGPUs a card can still take. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from vfio.sim.function import Board, VgpuType


@dataclass(frozen=True, slots=True)
class Placed:
    """A vGPU on a card; `start` is where its memory begins, MiB."""

    type: VgpuType
    start: int


def room(board: Board, placed: Sequence[Placed], wanted: VgpuType) -> int:
    """How many more of this type could be made, one after the other, if nothing else were."""
    if wanted.mig != board.mig:
        return 0
    same = sum(1 for each in placed if each.type == wanted)
    if wanted.mig:
        return max(wanted.most - same, 0)
    if board.mixed:
        return len(holes(board, placed, wanted))
    if any(each.type.memory_mib != wanted.memory_mib for each in placed):
        return 0  # the first one has locked the size
    free = board.memory_mib - sum(each.type.memory_mib for each in placed)
    return max(min(wanted.most - len(placed), free // wanted.memory_mib), 0)


def holes(board: Board, placed: Sequence[Placed], wanted: VgpuType) -> tuple[int, ...]:
    """Starts where it fits: multiples of its own size that nothing overlaps."""
    size = wanted.memory_mib
    return tuple(
        start
        for start in range(0, board.memory_mib - size + 1, size)
        if all(start + size <= each.start or each.start + each.type.memory_mib <= start for each in placed)
    )


def place(
    board: Board, placed: Sequence[Placed], wanted: VgpuType, start: int | None = None
) -> Placed | None:
    """Where a new one goes; None when it does not fit (there)."""
    if room(board, placed, wanted) < 1:
        return None
    if not board.mixed or wanted.mig:
        return Placed(wanted, 0)
    free = holes(board, placed, wanted)
    if start is None:
        return Placed(wanted, free[0])
    return Placed(wanted, start) if start in free else None
