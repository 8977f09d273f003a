"""Checks of SR-IOV: can virtual functions be made, and who takes them. Pure."""

from collections.abc import Iterator

from vfio.config_space import SRIOV, damage, parse
from vfio.device import PciDevice
from vfio.doctor.facts import VFIO_PCI, Facts, FunctionFacts
from vfio.doctor.finding import Finding, Severity

_VF_BARS = range(7, 13)
"""Their lines in a `resource` file."""
_VF_BAR_OFFSET = 0x24
_TOTAL_VFS = 0x0E
_STAY = "vfs_stay_on_driver"


def vf_bars_unassigned(facts: Facts) -> Iterator[Finding]:
    """The firmware left no addresses for virtual functions (Above 4G decoding, ARI or SR-IOV is off)."""
    for card in facts.cards:
        found = facts.of(card.address)
        if (why := _without_room(found)) is not None:
            yield Finding(
                Severity.WARNING,
                f"{card.address} has SR-IOV but no addresses for its virtual functions",
                "none can be made (sriov_numvfs answers ENOMEM): it can only be given whole",
                f"/sys/bus/pci/devices/{card.address}/{why}",
                "switch Above 4G Decoding, SR-IOV and ARI on in the firmware, or: "
                "add pci=realloc to the kernel's command line && reboot",
                card.address,
            )


def _without_room(found: FunctionFacts) -> str | None:
    windows = {resource.index: resource for resource in found.resources if resource.index in _VF_BARS}
    for index, window in windows.items():
        if window.start == 0 and window.size > 1:
            return f"resource: line {index + 1} has a size and no address"
    offset = _sriov_offset(found)
    if offset is None or windows:
        return None
    for number in range(6):
        at = offset + _VF_BAR_OFFSET + 4 * number
        # The low bits say what kind of window it is, whether or not it has an address.
        if len(found.config) >= at + 4 and found.config[at] & 0x0C:
            return f"resource: lines 8 to 13 are empty, and config has BAR {number} of a virtual function"
    return None


def _sriov_offset(found: FunctionFacts) -> int | None:
    if damage(found.config) is not None:
        return None
    return next((offset for known, offset in parse(found.config).extended if known == SRIOV), None)


def sriov_switched_off(facts: Facts) -> Iterator[Finding]:
    """The card has SR-IOV, and its firmware or driver gives no virtual functions."""
    for card in facts.cards:
        found, offset = facts.of(card.address), None
        if card.physfn is None and not found.vfs_offered:
            offset = _sriov_offset(found)
        if offset is None:
            continue
        able = int.from_bytes(found.config[offset + _TOTAL_VFS : offset + _TOTAL_VFS + 2], "little")
        if able == 0:
            continue
        shown = "is not there" if found.vfs_offered is None else "0"
        yield Finding(
            Severity.WARNING,
            f"{card.address} has SR-IOV, and gives no virtual functions",
            "it can only be given whole",
            f"/sys/bus/pci/devices/{card.address}/sriov_totalvfs: {shown}; its capability says {able}",
            "switch SR-IOV on in the host's firmware and in the card's (its vendor's tool), then reboot",
            card.address,
        )


def vf_stolen(facts: Facts) -> Iterator[Finding]:
    """Drivers of the host take virtual functions as soon as they are made."""
    for card in facts.cards:
        taken = [vf for vf in facts.vfs(card.address) if _stolen(facts, card, vf)]
        if taken and facts.of(card.address).autoprobe:
            folder = f"/sys/bus/pci/devices/{card.address}"
            yield Finding(
                Severity.WARNING,
                f"driver {taken[0].driver} took {len(taken)} virtual functions of {card.address}",
                "the host uses them as its own: whoever is given one fights with that driver",
                f"{folder}/sriov_drivers_autoprobe: 1; {taken[0].address}/driver -> {taken[0].driver}",
                f"echo 0 > {folder}/sriov_numvfs; echo 0 > {folder}/sriov_drivers_autoprobe",
                card.address,
            )


def _stolen(facts: Facts, card: PciDevice, vf: PciDevice) -> bool:
    if vf.driver in (None, VFIO_PCI) or facts.of(vf.address).vendor_vgpu or facts.of(vf.address).mdev_types:
        return False
    return _STAY not in facts.products[card.address].quirks
