"""Sets NVIDIA's vGPU scheduler through the host driver's own library, where that is on the host."""

import ctypes
from typing import cast

from vfio.nvml import LIBRARY, Load, call, opened
from vfio.slices.model import Policy, Sharing
from vfio.slices.scheduler import NoScheduler, Scheduler, SchedulerAbility

_NUMBERS = {Policy.BEST_EFFORT: 1, Policy.EQUAL: 2, Policy.FIXED: 3}
_POLICIES = {number: policy for policy, number in _NUMBERS.items()}
_ADAPTIVE_OFF = 1
_ADAPTIVE_ON = 2
_NS_OF_US = 1000
_UINT = ctypes.c_uint


class _Capabilities(ctypes.Structure):
    _fields_ = (
        ("supported", _UINT * 3),
        ("longest_ns", _UINT),
        ("shortest_ns", _UINT),
        ("adaptive", _UINT),
        ("frequency_max", _UINT),
        ("frequency_min", _UINT),
        ("average_max", _UINT),
        ("average_min", _UINT),
    )


class _State(ctypes.Structure):
    """As read: with the adaptive mode on, the first parameter is its average, the second the time slice."""

    _fields_ = (("policy", _UINT), ("adaptive", _UINT), ("first", _UINT), ("second", _UINT))


class _NewState(ctypes.Structure):
    """As written: with the adaptive mode off, the first parameter is the time slice."""

    _fields_ = (("policy", _UINT), ("adaptive", _UINT), ("first", _UINT), ("second", _UINT))


def nvml_scheduler(load: Load = ctypes.CDLL) -> Scheduler:
    """The scheduler of this host's NVIDIA driver, or one that refuses with the reason."""
    try:
        load(LIBRARY)
    except OSError:
        return NoScheduler(
            f"time slicing is set through {LIBRARY}, which is not on this host (install the vGPU driver)"
        )
    return NvmlScheduler(load)


class NvmlScheduler:
    def __init__(self, load: Load) -> None:
        self._load = load

    def ability(self, address: str) -> SchedulerAbility:
        found = _Capabilities()
        try:
            with opened(self._load, address) as (library, card):
                call(library, "nvmlDeviceGetVgpuSchedulerCapabilities", card, ctypes.byref(found))
        except OSError as error:
            return SchedulerAbility(refused=f"NVIDIA's driver sets no scheduler for this card: {error}")
        numbers = sorted(set(cast(list[int], list(found.supported))) & _POLICIES.keys())
        return SchedulerAbility(
            policies=tuple(_POLICIES[number] for number in numbers),
            shortest_us=-(-found.shortest_ns // _NS_OF_US),
            longest_us=found.longest_ns // _NS_OF_US,
        )

    def read(self, address: str) -> Sharing:
        found = _State()
        with opened(self._load, address) as (library, card):
            call(library, "nvmlDeviceGetVgpuSchedulerState", card, ctypes.byref(found))
        slice_ns = found.second if found.adaptive == _ADAPTIVE_ON else found.first
        return Sharing(policy=_POLICIES.get(found.policy), quantum_us=slice_ns // _NS_OF_US or None)

    def set(self, address: str, sharing: Sharing) -> None:
        """Without a quantum: the driver's own for this policy (0 says so)."""
        if sharing.policy is None:
            return
        # A quantum counts only with the adaptive mode off, which would change it as it goes.
        wanted = _NewState(_NUMBERS[sharing.policy], _ADAPTIVE_OFF, (sharing.quantum_us or 0) * _NS_OF_US, 0)
        with opened(self._load, address) as (library, card):
            call(library, "nvmlDeviceSetVgpuSchedulerState", card, ctypes.byref(wanted))
