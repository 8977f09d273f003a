"""Notes what may be changed of a device while it is let, and brings it back after the lease."""

import logging
from collections.abc import Callable

from kcloud_compute.lease_notes import LeaseNotes
from vfio.device import address_of
from vfio.driver import VFIO_PCI
from vfio.errors import SysfsError
from vfio.sanitise.modes import Modes, put_back
from vfio.sanitise.steps import Outcome
from vfio.sanitise.xe_knobs import read_knobs
from vfio.scan import read_device
from vfio.slices.model import Kind, Slice
from vfio.sysfs import Sysfs

log = logging.getLogger(__name__)

_NVIDIA = 0x10DE
_DISPLAY = 0x03
_WHAT = "MIG mode, ECC mode and power limit were not checked"


def knobs_of(sysfs: Sysfs, leased: Slice) -> dict[str, str]:
    """Attributes of a slice that its driver lets be changed at any time, by path."""
    card = address_of(leased.card)
    if leased.kind is not Kind.XE_VF or card is None:
        return {}
    return read_knobs(sysfs, card, leased.addresses[0])


def modes_of(sysfs: Sysfs, leased: Slice, modes: Modes | None) -> dict[str, dict[str, int]]:
    """Of a whole card that its own driver still has. Nothing where nobody can tell: that is no reason to keep
    it from its guest, and the certificate says it."""
    found: dict[str, dict[str, int]] = {}
    if modes is None:
        return found
    for address in _cards(sysfs, leased):
        try:
            if read_device(sysfs, address).driver not in (None, VFIO_PCI):
                found[address] = {name: mode.next for name, mode in modes.read(address).items()}
        except (OSError, SysfsError) as error:
            log.info("modes_not_noted", extra={"device": leased.name, "reason": str(error)})
    return found


def settle(
    sysfs: Sysfs, leased: Slice, notes: LeaseNotes, modes: Modes, note: Callable[[str], None]
) -> tuple[Outcome, str] | None:
    """Bring the modes back, with the card on its own driver again; None for what has no such modes. Raises as
    vfio.sanitise.modes.put_back."""
    cards = _cards(sysfs, leased)
    if not cards and not notes.modes:
        return None
    # What was noted is held against it, whatever its guest has made it look like.
    if not notes.modes:
        return Outcome.NONE, f"{_WHAT}: {_why_not(sysfs, cards[0], modes)}"
    changed = dict.fromkeys(notes.put_back)

    def noted(what: str) -> None:
        note(what)
        changed[what] = None

    told = put_back(modes, notes.modes, noted)
    return Outcome.DONE, "; ".join((*changed, told))


def _why_not(sysfs: Sysfs, address: str, modes: Modes) -> str:
    try:
        modes.read(address)
    except OSError as error:
        return error.strerror or str(error)
    return "nobody noted what they were when the lease began"


def _cards(sysfs: Sysfs, leased: Slice) -> tuple[str, ...]:
    """NVIDIA's functions of a whole card, without its companions."""
    if leased.kind is not Kind.WHOLE or leased.vendor_id != f"{_NVIDIA:04x}":
        return ()
    found = []
    for address in leased.addresses:
        try:
            device = read_device(sysfs, address)
        except SysfsError:
            continue
        if device.vendor == _NVIDIA and device.class_code >> 16 == _DISPLAY:
            found.append(address)
    return tuple(found)
