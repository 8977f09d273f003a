"""Reads of which none may end the doctor: what cannot be read, for whatever reason, is not known."""

from vfio.errors import SysfsError
from vfio.sysfs import Sysfs


def told(sysfs: Sysfs, path: str) -> list[str]:
    """A file's lines; none when it is not there, not for us, or answers with an error."""
    try:
        return sysfs.read_text(path).splitlines()
    except SysfsError:
        return []


def first(sysfs: Sysfs, path: str) -> str:
    return next(iter(told(sysfs, path)), "")


def listed(sysfs: Sysfs, path: str) -> tuple[str, ...]:
    try:
        return sysfs.listdir(path)
    except SysfsError:
        return ()


def data(sysfs: Sysfs, path: str) -> bytes:
    try:
        return sysfs.read_bytes(path)
    except SysfsError:
        return b""


def is_there(sysfs: Sysfs, path: str) -> bool:
    try:
        return sysfs.exists(path)
    except SysfsError:
        return False
