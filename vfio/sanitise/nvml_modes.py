"""Reads and sets the modes of NVIDIA's cards through the host driver's library, as nvml.h declares it.

The library is let go after each use: while it holds a card open, the card cannot be taken from its driver.
"""

import ctypes
import errno
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from vfio.sanitise.modes import Mode
from vfio.slices.nvml import LIBRARY

_UINT = ctypes.c_uint
_NOT_SUPPORTED = 3
MIG, ECC, POWER = "MIG mode", "ECC mode", "power limit in mW"


class NvmlModes:
    """Thread-safe: the library counts who uses it."""

    def __init__(self, load: Callable[[str], ctypes.CDLL] = ctypes.CDLL) -> None:
        self._load = load

    def read(self, address: str) -> Mapping[str, Mode]:
        with self._card(address) as (library, card):
            found = {
                MIG: _pair(library, "nvmlDeviceGetMigMode", card),
                ECC: _pair(library, "nvmlDeviceGetEccMode", card),
                POWER: _one(library, "nvmlDeviceGetPowerManagementLimit", card),
            }
        return {name: mode for name, mode in found.items() if mode is not None}

    def set(self, address: str, name: str, value: int) -> None:
        with self._card(address) as (library, card):
            if name == MIG:
                at_once = _UINT()
                _call(library, "nvmlDeviceSetMigMode", card, _UINT(value), ctypes.byref(at_once))
            elif name == ECC:
                _call(library, "nvmlDeviceSetEccMode", card, _UINT(value))
            else:
                _call(library, "nvmlDeviceSetPowerManagementLimit", card, _UINT(value))

    @contextmanager
    def _card(self, address: str) -> Iterator[tuple[ctypes.CDLL, ctypes.c_void_p]]:
        try:
            library = self._load(LIBRARY)
        except OSError as error:
            raise OSError(errno.ENOENT, f"{LIBRARY} is not on this host") from error
        _call(library, "nvmlInit_v2")
        try:
            card = ctypes.c_void_p()
            name = ctypes.c_char_p(address.encode())
            _call(library, "nvmlDeviceGetHandleByPciBusId_v2", name, ctypes.byref(card))
            yield library, card
        finally:
            library.nvmlShutdown()


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


def _call(library: ctypes.CDLL, name: str, *arguments: object) -> None:
    function = getattr(library, name, None)
    if function is None:
        raise OSError(errno.ENOSYS, f"{LIBRARY} has no {name}")
    if code := function(*arguments):
        raise OSError(errno.EIO, f"{name} answers {code}")
