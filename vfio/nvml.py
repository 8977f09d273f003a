"""One card's use of NVIDIA's management library, as nvml.h declares it; loaded when asked for, never linked.

The library is let go after each use: while it holds a card open, the card cannot be taken from its driver.
Thread-safe: the library counts who uses it.
"""

import ctypes
import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager

LIBRARY = "libnvidia-ml.so.1"
Load = Callable[[str], ctypes.CDLL]


@contextmanager
def opened(load: Load, address: str) -> Iterator[tuple[ctypes.CDLL, ctypes.c_void_p]]:
    """The library and its handle of the card at a PCI address; OSError where either is not to be had."""
    try:
        library = load(LIBRARY)
    except OSError as error:
        raise OSError(errno.ENOENT, f"{LIBRARY} is not on this host") from error
    call(library, "nvmlInit_v2")
    try:
        card = ctypes.c_void_p()
        name = ctypes.c_char_p(address.encode())
        call(library, "nvmlDeviceGetHandleByPciBusId_v2", name, ctypes.byref(card))
        yield library, card
    finally:
        library.nvmlShutdown()


def call(library: ctypes.CDLL, name: str, *arguments: object) -> None:
    """OSError for any answer but success, and for a library too old to have the function."""
    function = getattr(library, name, None)
    if function is None:
        raise OSError(errno.ENOSYS, f"{LIBRARY} has no {name}")
    if code := function(*arguments):
        raise OSError(errno.EIO, f"{name} answers {code}")
