"""Reads the settings of a virtual function of Intel's xe driver, and puts them back after a lease."""

from collections.abc import Mapping

from vfio.errors import Vanished
from vfio.scan import DEVICES
from vfio.slices.vfs import addresses
from vfio.sysfs import Sysfs

KNOBS = ("exec_quantum_ms", "preempt_timeout_us", "vram_quota")


def read_knobs(sysfs: Sysfs, card: str, function: str) -> dict[str, str]:
    """By path; what its driver has of them."""
    try:
        number = addresses(sysfs, card).index(function) + 1
    except (Vanished, ValueError):
        return {}
    paths = (f"{DEVICES}/{card}/sriov_admin/vf{number}/profile/{name}" for name in KNOBS)
    found = ((path, _read(sysfs, path)) for path in paths)
    return {path: text for path, text in found if text is not None}


def put_back_knobs(sysfs: Sysfs, noted: Mapping[str, str]) -> str:
    """Each as it was noted; returns that in words, empty where nothing was. Raises SysfsError with the
    kernel's refusal: a quota does not change under a function that is on, and then the slice is another."""
    told = []
    for path, text in noted.items():
        name, now = path.rpartition("/")[2], _read(sysfs, path)
        if now != text:
            sysfs.write(path, text)
            told.append(f"{name} was {now} and is {text} again")
        else:
            told.append(f"{name} {text}")
    return ", ".join(told)


def _read(sysfs: Sysfs, path: str) -> str | None:
    try:
        return sysfs.read_text(path)
    except Vanished:
        return None
