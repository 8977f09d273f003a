"""Intel xe's administration of VFs (Documentation/ABI/testing/sysfs-driver-intel-xe-sriov)."""

import errno
import shutil

from vfio.sim.drivers import Drivers, refused
from vfio.sim.files import write_raw
from vfio.sim.function import Cutting
from vfio.sim.sriov import VirtualFunctions, number
from vfio.sim.tree import FakeTree

_U32 = 1 << 32
_U64 = 1 << 64
_PRIORITIES = ("low", "normal", "high")
_NUMBERS = {"exec_quantum_ms": _U32, "preempt_timeout_us": _U32, "vram_quota": _U64}
_MIB = 1 << 20
_PF = "pf"


class XeAdministration:
    """The VFs' folders are there from the driver's start on, also of VFs that are not enabled."""

    def __init__(self, tree: FakeTree, drivers: Drivers, functions: VirtualFunctions) -> None:
        self._tree = tree
        self._functions = functions
        functions.changed.append(self._functions_changed)
        drivers.bound.append(self._comes)
        drivers.leaving.append(self._leaves)

    def set_profile(self, address: str, who: str, name: str, text: str) -> None:
        """Of the PF (`pf`) or a VF (`vf3`). Only the PF's priority can be changed alone."""
        path = self._profile(address, who, name)
        if name == "sched_priority":
            if who != _PF:
                raise refused(errno.EACCES)
            write_raw(path, _choice(_priority(text, _PRIORITIES)))
            return
        value = number(text, _NUMBERS[name])
        if name == "vram_quota":
            self._check_quota(address, {who: value})
        write_raw(path, b"%d\n" % value)

    def set_all(self, address: str, name: str, text: str) -> None:
        """`.bulk_profile`: the same for every VF."""
        total = self._tree.function(address).total_vfs
        everyone = [f"vf{index}" for index in range(1, total + 1)]
        self._profile(address, everyone[0], name)
        if name == "sched_priority":
            data = _choice(_priority(text, _PRIORITIES[:-1]))
        else:
            value = number(text, _NUMBERS[name])
            if name == "vram_quota":
                self._check_quota(address, dict.fromkeys(everyone, value))
            data = b"%d\n" % value
        for who in everyone:
            write_raw(self._profile(address, who, name), data)

    def stop(self, address: str, who: str, text: str) -> None:
        """The VF does nothing more until its next function level reset."""
        if text.strip().lower() not in ("1", "y", "on"):
            raise refused(errno.EINVAL)
        index = int(who.removeprefix("vf"))
        if index > len(self._functions.of(address)):
            raise refused(errno.ENOENT)
        (self._tree.root / f".sim/stopped-{self._functions.of(address)[index - 1]}").touch()

    def stopped(self, address: str) -> bool:
        return (self._tree.root / f".sim/stopped-{address}").exists()

    def after_reset(self, address: str) -> None:
        (self._tree.root / f".sim/stopped-{address}").unlink(missing_ok=True)

    def _functions_changed(self, address: str, count: int) -> None:
        """Without a quota of their own, VFs get equal parts; those parts go with them."""
        for mark in (self._tree.root / ".sim").glob("stopped-*"):
            if self._tree.folder(mark.name.removeprefix("stopped-")) is None:
                mark.unlink()
        top = self._tree.home(address) / "sriov_admin"
        if not top.exists():
            return
        everyone = range(1, self._tree.function(address).total_vfs + 1)
        quotas = [top / f"vf{index}/profile/vram_quota" for index in everyone]
        board, automatic = self._tree.function(address).board, self._tree.root / f".sim/automatic-{address}"
        if count and board is not None and not any(int(each.read_text()) for each in quotas):
            automatic.touch()
            for quota in quotas[:count]:
                write_raw(str(quota), f"{board.memory_mib // count * _MIB}\n".encode())
        elif not count and automatic.exists():
            automatic.unlink()
            for quota in quotas:
                write_raw(str(quota), b"0\n")
        for index in everyone:
            (top / f"vf{index}/device").unlink(missing_ok=True)
            if index <= count:
                (top / f"vf{index}/device").symlink_to(f"../../virtfn{index - 1}")

    def _check_quota(self, address: str, wanted: dict[str, int]) -> None:
        """EBUSY when the VF runs, ENOSPC when the card has not that much."""
        folder = self._tree.home(address)
        enabled = len(self._functions.of(address))
        if any(int(who.removeprefix("vf")) <= enabled for who in wanted):
            raise refused(errno.EBUSY)
        total = 0
        for index in range(1, self._tree.function(address).total_vfs + 1):
            who = f"vf{index}"
            held = int((folder / f"sriov_admin/{who}/profile/vram_quota").read_text())
            total += wanted.get(who, held)
        board = self._tree.function(address).board
        if board is not None and total > board.memory_mib * _MIB:
            raise refused(errno.ENOSPC)

    def _profile(self, address: str, who: str, name: str) -> str:
        path = self._tree.home(address) / f"sriov_admin/{who}/profile/{name}"
        if not path.exists():
            raise refused(errno.ENOENT)
        return str(path)

    def _comes(self, address: str, driver: str) -> None:
        function = self._tree.function(address)
        board = function.board
        if board is None or board.cutting is not Cutting.XE or driver != board.driver:
            return
        top = self._tree.home(address) / "sriov_admin"
        for who in (_PF, *(f"vf{index}" for index in range(1, function.total_vfs + 1))):
            profile = top / who / "profile"
            profile.mkdir(parents=True)
            write_raw(f"{profile}/exec_quantum_ms", b"0\n")
            write_raw(f"{profile}/preempt_timeout_us", b"0\n")
            write_raw(f"{profile}/sched_priority", _choice("low"))
            if who != _PF:
                write_raw(f"{profile}/vram_quota", b"0\n")
                write_raw(f"{top}/{who}/stop", b"")
        (top / "pf/device").symlink_to("../..")
        (top / ".bulk_profile").mkdir()
        for name in (*_NUMBERS, "sched_priority"):
            write_raw(f"{top}/.bulk_profile/{name}", b"")

    def _leaves(self, address: str, driver: str) -> None:
        top = self._tree.home(address) / "sriov_admin"
        if top.exists():
            shutil.rmtree(top)


def _priority(text: str, allowed: tuple[str, ...]) -> str:
    if text.strip() not in allowed:
        raise refused(errno.EINVAL)
    return text.strip()


def _choice(chosen: str) -> bytes:
    """As the driver prints it: all, the one that holds in brackets."""
    return (" ".join(f"[{each}]" if each == chosen else each for each in _PRIORITIES) + "\n").encode()
