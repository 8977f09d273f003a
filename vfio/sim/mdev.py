"""Mediated devices: types, capacity, creation and removal (drivers/vfio/mdev, NVIDIA's rules of capacity)."""

import errno
import os
import shutil
from pathlib import Path
from uuid import UUID

from vfio.sim.boards import Placed, place, room
from vfio.sim.drivers import Drivers, refused
from vfio.sim.files import write_raw
from vfio.sim.function import Board, Cutting, VgpuType
from vfio.sim.sriov import VirtualFunctions
from vfio.sim.tree import FakeTree

_TYPES = "mdev_supported_types"
_DRIVER = "vfio_mdev"


class MediatedDevices:
    def __init__(self, tree: FakeTree, drivers: Drivers, functions: VirtualFunctions) -> None:
        self._tree = tree
        self._functions = functions
        self.lies: dict[str, int] = {}
        """By PF: so many more are said to be available than there are."""
        self._devices = tree.root / "sys/bus/mdev/devices"
        drivers.bound.append(self._parent_comes)
        drivers.leaving.append(self._parent_leaves)

    # --- writes --------------------------------------------------------------------------------------

    def create(self, parent: str, name: str, text: str) -> None:
        """uuid_parse, then the name must be new, then the vendor's driver must have room."""
        card, board = self._board(parent)
        folder = self._tree.home(parent)
        if board is None or not (folder / _TYPES / name).exists():
            raise refused(errno.ENOENT)
        uuid = _uuid(text)
        if (self._devices / uuid).exists():
            raise refused(errno.EEXIST)
        own = os.listdir(folder)  # noqa: PTH208
        alone = board.cutting is Cutting.VF_MDEV and any(_is_uuid(each) for each in own)
        placed = place(board, self._placed(card, board), self._type(board, name))
        if alone or placed is None:
            raise refused(errno.ENOSPC)
        self._appear(folder, uuid, name, placed)
        self._refresh(card, board)

    def remove(self, parent: str, uuid: str, text: str) -> None:
        """`1` removes; what else parses as a number does nothing. EBUSY while a process holds it open."""
        try:
            wanted = int(text.strip(), 0)
        except ValueError:
            raise refused(errno.EINVAL) from None
        if not wanted:
            return
        if uuid in self._tree.opened():
            raise refused(errno.EBUSY)
        card, board = self._board(parent)
        self._vanish(parent, uuid)
        if board is not None:
            self._refresh(card, board)

    # --- parents -------------------------------------------------------------------------------------

    def _parent_comes(self, address: str, driver: str) -> None:
        card, board = self._board(address)
        if board is None or driver != board.driver:
            return
        folder = self._tree.home(address)
        for each in board.types:
            kind = folder / _TYPES / f"{board.prefix}-{each.number}"
            (kind / "devices").mkdir(parents=True)
            for name, text in _type_files(each).items():
                write_raw(f"{kind}/{name}", text.encode())
        (self._tree.root / "sys/class/mdev_bus" / address).symlink_to(
            os.path.relpath(folder, self._tree.root / "sys/class/mdev_bus")
        )
        self._refresh(card, board, only=address)

    def _parent_leaves(self, address: str, driver: str) -> None:
        """Its devices go with it."""
        folder = self._tree.home(address)
        if not (folder / _TYPES).exists():
            return
        uuids = [each for each in os.listdir(folder) if _is_uuid(each)]  # noqa: PTH208
        if set(uuids) & set(self._tree.opened()):
            raise refused(errno.EBUSY)
        for uuid in uuids:
            self._vanish(address, uuid)
        shutil.rmtree(folder / _TYPES)
        (self._tree.root / "sys/class/mdev_bus" / address).unlink()
        card, board = self._board(address)
        if uuids and board is not None and card != address:
            self._refresh(card, board)

    def _board(self, address: str) -> tuple[str, Board | None]:
        """The card whose memory the parent's devices share, and its rules if it makes mdevs here."""
        function = self._tree.function(address)
        card = function.physfn or address
        board = self._tree.function(card).board
        fitting = Cutting.VF_MDEV if function.physfn else Cutting.PF_MDEV
        return card, board if board is not None and board.cutting is fitting else None

    # --- capacity ------------------------------------------------------------------------------------

    def _parents(self, card: str, board: Board) -> tuple[str, ...]:
        return (card,) if board.cutting is Cutting.PF_MDEV else self._functions.of(card)

    def _placed(self, card: str, board: Board) -> list[Placed]:
        found = []
        for parent in self._parents(card, board):
            folder = self._tree.by_address / parent
            for uuid in sorted(filter(_is_uuid, os.listdir(folder))):  # noqa: PTH208
                name = (folder / uuid / "mdev_type").readlink().name
                start = int((folder / uuid / "nvidia/placement_id").read_text())
                found.append(Placed(self._type(board, name), start))
        return found

    def _refresh(self, card: str, board: Board, only: str | None = None) -> None:
        """Write how many of each type each parent can still make. A VF makes one at most."""
        placed = self._placed(card, board)
        lie = self.lies.get(card, 0)
        rooms = {each.number: room(board, placed, each) + lie for each in board.types}
        for parent in [only] if only else self._parents(card, board):
            folder = self._tree.home(parent)
            if not (folder / _TYPES).exists():
                continue
            most = board.memory_mib
            if board.cutting is Cutting.VF_MDEV:
                most = 0 if any(map(_is_uuid, os.listdir(folder))) else 1  # noqa: PTH208
            for number, count in rooms.items():
                path = f"{folder}/{_TYPES}/{board.prefix}-{number}/available_instances"
                write_raw(path, b"%d\n" % min(count, most))

    def _type(self, board: Board, name: str) -> VgpuType:
        return next(each for each in board.types if f"{board.prefix}-{each.number}" == name)

    # --- one device ----------------------------------------------------------------------------------

    def _appear(self, parent: Path, uuid: str, name: str, placed: Placed) -> None:
        folder = parent / uuid
        (folder / "power").mkdir(parents=True)
        (folder / "nvidia").mkdir()
        (folder / "power/control").write_text("auto\n")
        (folder / "nvidia/placement_id").write_text(f"{placed.start}\n")
        (folder / "nvidia/vgpu_params").write_text("\n")
        (folder / "remove").touch()
        (folder / "uevent").write_text(f"DRIVER={_DRIVER}\n")
        (folder / "mdev_type").symlink_to(f"../{_TYPES}/{name}")
        (parent / _TYPES / name / "devices" / uuid).symlink_to(f"../../../{uuid}")
        (self._devices / uuid).symlink_to(os.path.relpath(folder, self._devices))
        group = self._tree.free_group()
        self._tree.join_group(folder, uuid, group)
        self._tree.put(f"dev/vfio/{group}", "")

    def _vanish(self, parent: str, uuid: str) -> None:
        folder = (self._tree.by_address / parent / uuid).resolve()
        self._tree.root.joinpath("dev/vfio", (folder / "iommu_group").resolve().name).unlink(missing_ok=True)
        self._tree.leave_group(folder, uuid)
        (folder / "mdev_type/devices" / uuid).unlink()
        (self._devices / uuid).unlink()
        shutil.rmtree(folder)
        self._tree.close(uuid)


def _type_files(kind: VgpuType) -> dict[str, str]:
    """The description has the form that NVIDIA's driver prints."""
    details = (
        "num_heads=4", "frl_config=60", f"framebuffer={kind.memory_mib}M", "max_resolution=5120x2880",
        f"max_instance={kind.most}",
    )  # fmt: skip
    return {
        "name": f"{kind.name}\n",
        "description": ", ".join(details) + "\n",
        "device_api": "vfio-pci\n",
        "available_instances": "0\n",
        "create": "",
    }


def _uuid(text: str) -> str:
    """In the kernel's one form, with hyphens; EINVAL for any other."""
    text = text.strip().lower()
    if not _is_uuid(text):
        raise refused(errno.EINVAL)
    return text


def _is_uuid(name: str) -> bool:
    if len(name) != 36:
        return False
    try:
        return str(UUID(name)) == name
    except ValueError:
        return False
