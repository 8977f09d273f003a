"""Reads and sets the modes of NVIDIA's cards through the host driver's library."""

import ctypes
import errno
from collections.abc import Mapping

from vfio import nvml
from vfio.sanitise.modes import Mode

_UINT = ctypes.c_uint
_NOT_SUPPORTED = 3
MIG, ECC, POWER = "MIG mode", "ECC mode", "power limit in mW"


class NvmlModes:
    def __init__(self, load: nvml.Load = ctypes.CDLL) -> None:
        self._load = load

    def read(self, address: str) -> Mapping[str, Mode]:
        with nvml.opened(self._load, address) as (library, card):
            found = {
                MIG: _pair(library, "nvmlDeviceGetMigMode", card),
                ECC: _pair(library, "nvmlDeviceGetEccMode", card),
                POWER: _one(library, "nvmlDeviceGetPowerManagementLimit", card),
            }
        return {name: mode for name, mode in found.items() if mode is not None}

    def set(self, address: str, name: str, value: int) -> None:
        with nvml.opened(self._load, address) as (library, card):
            if name == MIG:
                at_once = _UINT()
                nvml.call(library, "nvmlDeviceSetMigMode", card, _UINT(value), ctypes.byref(at_once))
            elif name == ECC:
                nvml.call(library, "nvmlDeviceSetEccMode", card, _UINT(value))
            else:
                nvml.call(library, "nvmlDeviceSetPowerManagementLimit", card, _UINT(value))


def _pair(library: ctypes.CDLL, name: str, card: ctypes.c_void_p) -> Mode | None:
    """As it is, and as it will be after a reset; None for a card that has no such mode."""
    now, following = _UINT(), _UINT()
    has = _has(library, name, card, ctypes.byref(now), ctypes.byref(following))
    return Mode(now.value, following.value) if has else None


def _one(library: ctypes.CDLL, name: str, card: ctypes.c_void_p) -> Mode | None:
    value = _UINT()
    return Mode(value.value, value.value) if _has(library, name, card, ctypes.byref(value)) else None


def _has(library: ctypes.CDLL, name: str, *arguments: object) -> bool:
    """False for a card, or a library, that does not know of it."""
    function = getattr(library, name, None)
    code = _NOT_SUPPORTED if function is None else function(*arguments)
    if code not in (0, _NOT_SUPPORTED):
        raise OSError(errno.EIO, f"{name} answers {code}")
    return not code
