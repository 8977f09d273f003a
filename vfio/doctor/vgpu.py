"""Checks of vGPU modes: what this kernel and driver ought to show for them. Pure."""

from collections.abc import Iterator

from vfio.doctor.facts import Facts
from vfio.doctor.finding import Finding, Severity

_NVIDIA = 0x10DE
_VENDOR_VFIO_FROM = (6, 8)


def vgpu_mode_mismatch(facts: Facts) -> Iterator[Finding]:
    """Virtual functions are there, and none shows the files by which a vGPU is made on this kernel."""
    for card in facts.cards:
        vfs = facts.vfs(card.address)
        if card.vendor != _NVIDIA or card.driver != "nvidia" or not vfs or facts.kernel.version == (0, 0):
            continue
        shown = [facts.of(address) for address in (card.address, *(vf.address for vf in vfs))]
        # What is there counts, whichever it is: distributions carry the newer mode back to older kernels.
        if any(found.mdev_types or found.vendor_vgpu for found in shown):
            continue
        newer = facts.kernel.version >= _VENDOR_VFIO_FROM
        files = "nvidia/creatable_vgpu_types" if newer else "mdev_supported_types"
        yield Finding(
            Severity.ERROR,
            f"{card.address} has {len(vfs)} virtual functions and no vGPU types",
            "no vGPU can be made: the driver is not NVIDIA's for hosts, or not made for this kernel",
            f"/sys/bus/pci/devices/{vfs[0].address}/{files} is not there; kernel {facts.kernel.release}",
            "install a vGPU host driver that "
            + (
                "knows kernel 6.8 and later (vendor VFIO)"
                if newer
                else "fits this kernel, and: modprobe mdev"
            ),
            card.address,
        )
