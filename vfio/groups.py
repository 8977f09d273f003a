"""Decides whether an IOMMU group can be taken whole: all of its endpoints for us, or none.

The kernel hands a group to a guest only when no member is on a host driver (bridges excepted). We ask for
more: nothing that somebody did not offer is pulled in, except the other functions of the same card.
"""

from collections.abc import Mapping, Set
from dataclasses import dataclass

from vfio.device import PciDevice, Snapshot

_BRIDGE_BASE = 0x06


@dataclass(frozen=True, slots=True)
class Blocker:
    """A member that keeps the group from being taken. `code` is stable."""

    member: str
    code: str
    why: str
    way_out: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """`endpoints` are the functions to bind when `viable`; the blockers say why not."""

    group: int
    members: tuple[str, ...]
    endpoints: tuple[str, ...]
    blockers: tuple[Blocker, ...]

    @property
    def viable(self) -> bool:
        return not self.blockers

    @property
    def reason(self) -> str:
        """For people: what is in the way, everything that is in the group, and the way out."""
        if self.viable:
            return ""
        what = "; ".join(f"{blocker.member} {blocker.why}" for blocker in self.blockers)
        ways = "; ".join(dict.fromkeys(blocker.way_out for blocker in self.blockers))
        return (
            f"IOMMU group {self.group} cannot be taken whole: {what}. "
            f"Its members: {', '.join(self.members)}. Way out: {ways}."
        )


def judge(snapshot: Snapshot, group: int, ours: Set[str], in_use: Mapping[str, str]) -> Verdict:
    """`ours` are the functions we want or offer; `in_use` says what the host does with its own devices."""
    wanted_slots = {snapshot.devices[address].slot for address in ours if address in snapshot.devices}
    names, endpoints, blockers = [], [], []
    for member in snapshot.groups.get(group, ()):
        device = snapshot.devices.get(member)
        names.append(device.described if device else member)
        if device is None:
            blockers.append(_foreign(member, "is not a PCI device"))
            continue
        if not (member in ours or _is_endpoint(device)):
            continue
        endpoints.append(member)
        if blocker := _blocker(device, wanted_slots, in_use):
            blockers.append(blocker)
    return Verdict(group, tuple(names), tuple(endpoints), tuple(blockers))


def _is_endpoint(device: PciDevice) -> bool:
    """Whether a group needs this member on vfio-pci. Host and ISA bridges without a driver do not count:
    nothing drives them and the kernel does not mind."""
    if device.is_bridge:
        return False
    return device.driver is not None or device.class_code >> 16 != _BRIDGE_BASE


def _blocker(device: PciDevice, wanted_slots: Set[str], in_use: Mapping[str, str]) -> Blocker | None:
    if why := in_use.get(device.address):
        way = "free it on the host, or put the accelerator where it has a group of its own"
        return Blocker(device.address, "in_use", f"is in use by the host ({why})", way)
    if device.slot not in wanted_slots:
        return _foreign(device.address, "is not offered by any rule")
    if device.sriov_num_vfs:
        why = f"has {device.sriov_num_vfs} virtual functions enabled"
        way = f"write 0 to /sys/bus/pci/devices/{device.address}/sriov_numvfs, or hand them out by a layout"
        return Blocker(device.address, "virtual_functions", why, way)
    return None


def _foreign(member: str, why: str) -> Blocker:
    way = (
        "offer that device too, move a card to another slot, or enable ACS in the firmware so that "
        "the devices get groups of their own"
    )
    return Blocker(member, "group_shared", why, way)
