"""A host in a folder whose kernel answers writes, can be told to fail, and under which a process can die."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from vfio.sim import furnishing
from vfio.sim.kernel import FakeKernel
from vfio.sim.reset import Harm
from vfio.sim.tree import FakeFunction, FakeTree
from vfio.sysfs import Sysfs


class Crash(BaseException):
    """The process is gone. No code under test may handle it, hence no Exception."""


@dataclass
class _Fault:
    pattern: str
    errno: int
    times: int


@dataclass
class _CrashPlan:
    writes_left: int
    after: bool


@dataclass
class _Surprise:
    pattern: str
    happens: Callable[[], None]


@dataclass
class _Plans:
    faults: list[_Fault] = field(default_factory=list)
    unreadable: list[_Fault] = field(default_factory=list)
    surprises: list[_Surprise] = field(default_factory=list)
    crash: _CrashPlan | None = None


class FakeHost:
    """A fake host over a folder, made there when it is empty, found again when it is not."""

    def __init__(self, folder: Path) -> None:
        self._tree = FakeTree(folder)
        self._kernel = FakeKernel(self._tree)
        self._plans = _Plans()
        self.writes: list[tuple[str, str]] = []
        """Every write that reached the kernel: path and text."""

    def sysfs(self) -> Sysfs:
        """A view for one process: after a Crash all its calls raise Crash; a new view works again."""
        return Sysfs(self._tree.root, _Process(self))

    # --- what the host has ---------------------------------------------------------------------------

    def add(self, *functions: FakeFunction) -> None:
        for function in functions:
            self._kernel.arrive(function)

    def addresses(self) -> tuple[str, ...]:
        return self._tree.addresses()

    def add_disk(self, name: str, address: str, mounted_at: str) -> None:
        furnishing.add_disk(self._tree, name, address, mounted_at)

    def add_nic(self, name: str, address: str, *, up: bool) -> None:
        furnishing.add_nic(self._tree, name, address, up=up)

    def nics(self) -> tuple[str, ...]:
        """Addresses of functions with a network interface."""
        return furnishing.nics(self._tree)

    def put(self, path: str, text: str) -> None:
        """Write a file as the kernel itself would change it."""
        self._tree.put(path, text)

    def load_driver(self, driver: str) -> None:
        self._tree.add_driver(driver)

    def unload_driver(self, driver: str) -> None:
        """Its functions lose it."""
        self._tree.remove_driver(driver)

    def driver_of(self, address: str) -> str | None:
        return self._tree.driver_of(address)

    def picture(self) -> dict[str, str]:
        """All of /sys and /proc, for comparing before and after."""
        return furnishing.picture(self._tree.root)

    def reboot(self) -> None:
        """Bindings, virtual functions, mdevs, types and settings are gone, native drivers are back."""
        self._kernel.reboot()

    def open(self, name: str) -> None:
        """A process (a guest's) holds a function, by address, or an mdev, by uuid, from now on."""
        self._tree.open(name)

    def close(self, name: str) -> None:
        self._tree.close(name)

    def resets(self) -> tuple[tuple[str, str], ...]:
        """Address and method of each reset of a function that was done."""
        return tuple(self._kernel.resets.done)

    def stopped(self, address: str) -> bool:
        """Whether xe has stopped this VF."""
        return self._kernel.xe.stopped(address)

    # --- what goes wrong -----------------------------------------------------------------------------

    def fail(self, pattern: str, number: int, *, times: int = 1) -> None:
        """The next writes to paths like `pattern` (fnmatch) get this errno; other writes pass."""
        self._plans.faults.append(_Fault(pattern, number, times))

    def fail_read(self, pattern: str, number: int, *, times: int = 1) -> None:
        """The next reads, listings and links of paths like `pattern` get this errno."""
        self._plans.unreadable.append(_Fault(pattern, number, times))

    def refuse(self, driver: str, address: str, number: int) -> None:
        """The driver's probe of this function fails from now on."""
        self._kernel.drivers.refusals[driver, address] = number

    def relent(self) -> None:
        """Forget every planned failure."""
        self._kernel.relent()
        self._plans = _Plans()

    def harm_reset(self, address: str, harm: Harm) -> None:
        """The function's next reset leaves it like this. (A reset that is refused: `fail`.)"""
        self._kernel.resets.harms[address] = harm

    def die(self, address: str) -> None:
        """The function answers nothing any more: its config space reads as ones until the host boots."""
        self._kernel.resets.die(address)

    def count_errors(self, address: str, **errors: int) -> None:
        """AER counts so many more: `correctable=3`, `nonfatal=1`, `fatal=1`."""
        self._kernel.resets.count_errors(address, errors)

    def train_link(self, address: str, speed: float, width: int) -> None:
        """The function's link is only this fast and wide now."""
        self._kernel.resets.train(address, speed, width)

    def overstate(self, address: str, more: int = 1) -> None:
        """The card says that so many more mdevs or types can be made than it can make, from its next change
        of capacity on."""
        self._kernel.mdevs.lies[address] = more
        self._kernel.vendor.lies.add(address)

    def short_of_functions(self, address: str, most: int) -> None:
        """No more VFs than these can be enabled (ENOMEM), whatever sriov_totalvfs says."""
        self._kernel.functions.short_of[address] = most

    def vanish(self, address: str) -> None:
        """Surprise removal."""
        self._tree.remove(address)

    def vanish_at(self, pattern: str, address: str) -> None:
        """Surprise removal just before the first read or write of a path like `pattern`."""
        self._plans.surprises.append(_Surprise(pattern, lambda: self._tree.remove(address)))

    def unbind_at(self, pattern: str, address: str) -> None:
        """The driver lets go of a function just before the first read or write of a path like `pattern`."""
        self._plans.surprises.append(_Surprise(pattern, lambda: self._tree.detach(address)))

    def crash_at_write(self, index: int, *, after: bool = False) -> None:
        """The process dies at its write number `index` from now (0 is the next), before or after it."""
        self._plans.crash = _CrashPlan(index, after)

    # --- the kernel's side, called by _Process -------------------------------------------------------

    def before_read(self, path: str) -> None:
        self.touched(path)
        if self._plans.unreadable:
            _strike(self._plans.unreadable, path)

    def touched(self, path: str) -> None:
        if not self._plans.surprises:
            return
        for surprise in [plan for plan in self._plans.surprises if fnmatchcase(path, plan.pattern)]:
            self._plans.surprises.remove(surprise)
            surprise.happens()

    def written(self, path: str, data: bytes) -> None:
        crash = self._plans.crash
        due = crash is not None and crash.writes_left == 0
        if crash is not None:
            crash.writes_left -= 1
        if due and crash is not None and not crash.after:
            raise self._crash()
        self._perform(path, data)
        if due:
            raise self._crash()

    def _perform(self, path: str, data: bytes) -> None:
        self.touched(path)
        _strike(self._plans.faults, path)
        self.writes.append((path, data.decode()))
        self._kernel.write(path, data)

    def _crash(self) -> Crash:
        self._plans.crash = None
        return Crash()


def _strike(faults: list[_Fault], path: str) -> None:
    for fault in faults:
        if fault.times > 0 and fnmatchcase(path, fault.pattern):
            fault.times -= 1
            raise OSError(fault.errno, os.strerror(fault.errno))


class _Process:
    """One process's way to the fake kernel (vfio.sysfs.Kernel)."""

    def __init__(self, host: FakeHost) -> None:
        self._host = host
        self._dead = False

    def before_read(self, path: str) -> None:
        if self._dead:
            raise Crash
        self._host.before_read(path)

    def write(self, path: str, data: bytes) -> None:
        if self._dead:
            raise Crash
        try:
            self._host.written(path, data)
        except Crash:
            self._dead = True
            raise
