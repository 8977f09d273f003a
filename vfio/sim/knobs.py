"""Plain attributes of a function that the kernel checks and then shows as it understood them."""

import errno
from collections.abc import Callable

from vfio.sim.drivers import refused
from vfio.sim.files import write_raw
from vfio.sim.sriov import number
from vfio.sim.tree import FakeTree

_TRUE, _FALSE = frozenset({"1", "y", "Y", "t", "on"}), frozenset({"0", "n", "N", "f", "off"})
_ULONG = 1 << 64


def _override(text: str) -> str:
    return text.partition("\n")[0] or "(null)"


def _switch(text: str) -> str:
    """kstrtobool."""
    word = text.strip()
    if word not in _TRUE | _FALSE:
        raise refused(errno.EINVAL)
    return str(int(word in _TRUE))


def _flag(text: str) -> str:
    return str(int(bool(number(text, _ULONG))))


def _power(text: str) -> str:
    if text.strip() not in ("auto", "on"):
        raise refused(errno.EINVAL)
    return text.strip()


KNOBS: dict[str, Callable[[str], str]] = {
    "driver_override": _override,
    "sriov_drivers_autoprobe": _switch,
    "d3cold_allowed": _flag,
    "power/control": _power,
}


def turn(tree: FakeTree, address: str, name: str, text: str) -> None:
    path = tree.home(address) / name
    if not path.exists():
        raise refused(errno.ENOENT)
    write_raw(str(path), f"{KNOBS[name](text)}\n".encode())


def resize_bar(tree: FakeTree, address: str, index: str, text: str) -> None:
    """Size 2^n MiB for n. Only while no driver holds the function."""
    folder = tree.home(address)
    path = folder / f"resource{index}_resize"
    if not path.exists():
        raise refused(errno.ENOENT)
    power = number(text, 64)
    if tree.driver_of(address) is not None:
        raise refused(errno.EBUSY)
    if not int(path.read_text(), 16) >> power & 1:
        raise refused(errno.EINVAL)
    rows = (folder / "resource").read_text().splitlines()
    start, _, flags = rows[int(index)].split()
    rows[int(index)] = f"{start} 0x{int(start, 16) + (1 << power + 20) - 1:016x} {flags}"
    write_raw(f"{folder}/resource", ("\n".join(rows) + "\n").encode())
