"""Decides what a failure means: worth another turn or not, and how to say it to tenant and operator. Pure.

What the tenant reads names no host, path or address; the error's own words are the operator's.
"""

from dataclasses import dataclass

from hypervisor_drivers.driver import DriverError, DriverJammed, DriverRefused
from kcloud_common.errors import KcloudError, PermanentError
from kcloud_common.wire import Fault
from vfio.errors import (
    BindingError,
    DeviceBusy,
    DeviceGone,
    DriverMissing,
    LayoutRefused,
    NotRestored,
    NotViable,
    SysfsError,
)
from vfio.lifecycle import NotAllowed
from vfio.sanitise.pipeline import NotYet


@dataclass(frozen=True, slots=True)
class Failure:
    """`permanent`: the same want will fail the same way."""

    fault: Fault
    permanent: bool
    words: str = ""
    """The error's own, for an operator who reads what a device or card waits for."""


@dataclass(frozen=True, slots=True)
class _Meaning:
    code: str
    message: str
    permanent: bool = False


_DEVICE = "Its host could not make the device ready."
_MEANINGS: dict[type[BaseException], _Meaning] = {
    DriverJammed: _Meaning("hypervisor_jammed", "The hypervisor is stuck; an operator must mend it.", True),
    DriverRefused: _Meaning("hypervisor_refused", "The hypervisor refuses this server.", True),
    DriverError: _Meaning("hypervisor_failed", "The hypervisor could not do it."),
    DeviceGone: _Meaning("device_gone", "The device is no longer there.", True),
    NotViable: _Meaning("device_not_viable", "The device cannot be given to a server on its host.", True),
    DriverMissing: _Meaning("vfio_missing", _DEVICE, True),
    DeviceBusy: _Meaning("device_busy", "The device is still in use."),
    NotAllowed: _Meaning("device_not_free", "The device is not free on its host.", True),
    NotYet: _Meaning("device_busy", "The device is still in use."),
    LayoutRefused: _Meaning("layout_refused", "The card cannot be cut as its layout says.", True),
    NotRestored: _Meaning("device_not_restored", "The device could not be returned to a clean state."),
    BindingError: _Meaning("device_not_bound", _DEVICE),
    SysfsError: _Meaning("device_unreadable", _DEVICE),
    OSError: _Meaning("host_io", "The host could not read or write the server's files."),
    ValueError: _Meaning("bad_want", "The server's description is not understood by its host.", True),
}
_UNEXPECTED = _Meaning("internal_error", "Something unexpected happened on the server's host.")
_TENANT_WORDS = {
    "bad_image": "The image cannot be booted: it is not what it says, or refers to other files.",
    "image_damaged": "The image did not arrive whole.",
    "unavailable": "The image could not be fetched.",
    "refused_by_control_plane": "The image could not be fetched.",
    "tool_failed": "The server's disks could not be made.",
    "tool_missing": "The server's disks could not be made.",
}


def failure(error: BaseException) -> Failure:
    """By class, the nearest ancestor that is known."""
    details = f"{type(error).__name__}: {error}"[:2000]
    if isinstance(error, KcloudError):
        words = _TENANT_WORDS.get(error.code, _UNEXPECTED.message)
        fault = Fault(code=error.code, message=words, details=details)
        return Failure(fault, isinstance(error, PermanentError), str(error)[:2000])
    meaning = next((_MEANINGS[kind] for kind in type(error).__mro__ if kind in _MEANINGS), _UNEXPECTED)
    words = details if meaning is _UNEXPECTED else str(error)[:2000]
    fault = Fault(code=meaning.code, message=meaning.message, details=details)
    return Failure(fault, meaning.permanent, words)


def is_expected(error: BaseException) -> bool:
    """Whether its class says all; what is not expected deserves a traceback in the log."""
    return isinstance(error, KcloudError) or any(kind in _MEANINGS for kind in type(error).__mro__)
