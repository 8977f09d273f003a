"""vGPU types on VFs that stay on the vendor's driver: the files below `nvidia/` (kernel 6.8 and newer)."""

import errno
import shutil
from collections.abc import Iterable

from vfio.sim.boards import Placed, place, room
from vfio.sim.drivers import Drivers, refused
from vfio.sim.files import write_raw
from vfio.sim.function import Board, Cutting
from vfio.sim.sriov import VirtualFunctions, number
from vfio.sim.tree import FakeTree

_HEADER = "ID    : vGPU Name"
_FREE = 0
_IDS = 1 << 32
_ANYWHERE = 0xFFFF
"""placement_id of a VF that has no place of its own wish."""


class VendorVfio:
    def __init__(self, tree: FakeTree, drivers: Drivers, functions: VirtualFunctions) -> None:
        self._tree = tree
        self._functions = functions
        self.lies: set[str] = set()
        """PFs whose VFs list every type, whatever there is room for."""
        drivers.bound.append(self._comes)
        drivers.leaving.append(self._leaves)

    def set_type(self, address: str, text: str) -> None:
        """An id makes a vGPU on a VF that has none; 0 takes it away again."""
        card, board = self._board(address)
        folder = self._tree.by_address / address / "nvidia"
        if board is None or not folder.exists():
            raise refused(errno.ENOENT)
        wanted, now = number(text, _IDS), self._now(address)
        if address in self._tree.opened():
            raise refused(errno.EBUSY)
        if wanted == _FREE:
            start = _ANYWHERE
        elif now != _FREE:
            raise refused(errno.EBUSY)
        else:
            start = self._start(card, board, address, wanted)
        write_raw(f"{folder}/current_vgpu_type", b"%d\n" % wanted)
        write_raw(f"{folder}/placement_id", b"%d\n" % start)
        if wanted == _FREE:
            write_raw(f"{folder}/vgpu_params", b"\n")
        self._refresh(card, board)

    def set_params(self, address: str, text: str) -> None:
        """Only of a vGPU that is there and not in use."""
        folder = self._tree.by_address / address / "nvidia"
        if not folder.exists():
            raise refused(errno.ENOENT)
        if address in self._tree.opened():
            raise refused(errno.EBUSY)
        if self._now(address) == _FREE:
            raise refused(errno.EINVAL)
        write_raw(f"{folder}/vgpu_params", text.strip().encode() + b"\n")

    def set_placement(self, address: str, text: str) -> None:
        """Where the VF's next vGPU shall begin, in MiB here; only where sizes may be mixed."""
        _, board = self._board(address)
        folder = self._tree.by_address / address / "nvidia"
        if board is None or not folder.exists():
            raise refused(errno.ENOENT)
        if not board.mixed:
            raise refused(errno.EPERM)
        if self._now(address) != _FREE:
            raise refused(errno.EBUSY)
        write_raw(f"{folder}/placement_id", b"%d\n" % number(text, _IDS))

    def _start(self, card: str, board: Board, address: str, wanted: int) -> int:
        kind = next((each for each in board.types if each.number == wanted), None)
        if kind is None:
            raise refused(errno.EINVAL)
        asked = int(self._read(address, "placement_id"))
        placed = place(board, self._placed(card, board), kind, None if asked == _ANYWHERE else asked)
        if placed is None:
            raise refused(errno.ENOSPC)
        return placed.start

    # --- the files -----------------------------------------------------------------------------------

    def _comes(self, address: str, driver: str) -> None:
        card, board = self._board(address)
        if board is None or driver != board.driver:
            return
        folder = self._tree.home(address) / "nvidia"
        folder.mkdir()
        for name, text in (
            ("current_vgpu_type", "0\n"),
            ("placement_id", f"{_ANYWHERE}\n"),
            ("vgpu_params", "\n"),
            ("gpu_instance_id", "4294967295\n"),
        ):
            write_raw(f"{folder}/{name}", text.encode())
        write_raw(f"{folder}/creatable_vgpu_types", self._listing(card, board))

    def _leaves(self, address: str, driver: str) -> None:
        folder = self._tree.home(address) / "nvidia"
        card, board = self._board(address)
        if board is None or not folder.exists():
            return
        had = self._now(address)
        shutil.rmtree(folder)
        if had != _FREE:
            self._refresh(card, board)

    def _refresh(self, card: str, board: Board) -> None:
        text = self._listing(card, board)
        for address in self._functions.of(card):
            folder = self._tree.by_address / address / "nvidia"
            if folder.exists():
                taken = self._now(address) != _FREE
                shown = _table(()) if taken else text
                write_raw(f"{folder}/creatable_vgpu_types", shown)

    def _listing(self, card: str, board: Board) -> bytes:
        placed = self._placed(card, board)
        return _table(
            (each.number, each.name)
            for each in board.types
            if card in self.lies or room(board, placed, each) > 0
        )

    def _placed(self, card: str, board: Board) -> list[Placed]:
        kinds = {each.number: each for each in board.types}
        return [
            Placed(kinds[now], int(self._read(address, "placement_id")))
            for address in self._functions.of(card)
            if (self._tree.by_address / address / "nvidia").exists() and (now := self._now(address))
        ]

    def _now(self, address: str) -> int:
        return int(self._read(address, "current_vgpu_type"))

    def _read(self, address: str, name: str) -> str:
        return (self._tree.by_address / address / "nvidia" / name).read_text()

    def _board(self, address: str) -> tuple[str, Board | None]:
        card = self._tree.function(address).physfn
        board = self._tree.function(card).board if card else None
        return card or address, board if board and board.cutting is Cutting.VENDOR_VFIO else None


def _table(rows: Iterable[tuple[int, str]]) -> bytes:
    lines = [_HEADER, *(f"{number:<6}: {name}" for number, name in rows)]
    return ("\n".join(lines) + "\n").encode()
