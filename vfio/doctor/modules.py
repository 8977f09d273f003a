"""Checks of the kernel's modules: vfio and mdev are there, well set, and take only what is ours. Pure."""

import re
from collections.abc import Iterator

from vfio.doctor.facts import VFIO_PCI, Facts
from vfio.doctor.finding import Finding, Severity
from vfio.doctor.ports import kernel_option

_TYPE1 = "vfio_iommu_type1"
_USUAL_DMA_ENTRIES = 65535
_IDS = re.compile(r"([0-9a-f]{4}):([0-9a-f]{4})", re.I)
_MDEV_UNTIL = (6, 8)


def vfio_not_loaded(facts: Facts) -> Iterator[Finding]:
    """The kernel has vfio-pci but nobody loaded it."""
    if VFIO_PCI not in facts.kernel.drivers and "vfio_pci" in (facts.kernel.installed or ()):
        yield Finding(
            _severity(facts),
            "vfio-pci is not loaded",
            "no device can be given to a guest until it is",
            "/sys/bus/pci/drivers has no vfio-pci",
            "modprobe vfio-pci && echo vfio-pci > /etc/modules-load.d/kcloud.conf",
        )


def vfio_not_installed(facts: Facts) -> Iterator[Finding]:
    """The kernel has no vfio-pci at all."""
    if VFIO_PCI not in facts.kernel.drivers and "vfio_pci" not in (facts.kernel.installed or ()):
        yield Finding(
            _severity(facts),
            f"kernel {facts.kernel.release} has no vfio-pci module",
            "no device can be given to a guest on this kernel",
            f"/lib/modules/{facts.kernel.release} names none (kernels made for clouds often lack it)",
            "apt-get install linux-image-amd64 && reboot",
        )


def _severity(facts: Facts) -> Severity:
    return Severity.ERROR if facts.result.offers else Severity.WARNING


def vfio_type1_missing(facts: Facts) -> Iterator[Finding]:
    """Neither of the two modules that map a guest's memory for devices is loaded."""
    kernel = facts.kernel
    if VFIO_PCI not in kernel.drivers or kernel.loaded is None or kernel.loaded & {_TYPE1, "iommufd"}:
        return
    installed = kernel.installed is None or _TYPE1 in kernel.installed
    yield Finding(
        Severity.ERROR,
        "vfio_iommu_type1 is not loaded, nor is iommufd",
        "a guest with a device does not start: nothing maps its memory for the device",
        f"neither is in /proc/modules or /sys/module{'' if installed else ', nor in /lib/modules'}",
        f"modprobe {_TYPE1}" if installed else "apt-get install linux-image-amd64 && reboot",
    )


def vfio_ids_steal(facts: Facts) -> Iterator[Finding]:
    """vfio-pci is told to take ids that devices have which are not for guests."""
    for text, where, mend in _ids_told(facts):
        for vendor, product in _IDS.findall(text):
            ids = int(vendor, 16), int(product, 16)
            taken = [d for d in facts.snapshot.devices.values() if (d.vendor, d.product) == ids]
            foreign = [device.address for device in taken if device.address not in facts.products]
            if foreign:
                yield Finding(
                    Severity.WARNING,
                    f"vfio-pci takes {', '.join(foreign)} by id {vendor}:{product}, which no rule offers",
                    "the host cannot use them, and after the next boot may lack a disk or its network",
                    where,
                    mend,
                    foreign[0],
                )


def vfio_ids_hold_cut_cards(facts: Facts) -> Iterator[Finding]:
    """vfio-pci holds at boot a card whose own driver is needed to cut it."""
    told = " ".join(text for text, _, _ in _ids_told(facts)).lower()
    for card in facts.cards:
        cut = facts.products[card.address].partitions
        if cut and card.physfn is None and f"{card.vendor:04x}:{card.product:04x}" in told:
            _, where, mend = _ids_told(facts)[0]
            yield Finding(
                Severity.WARNING,
                f"vfio-pci takes {card.address} at boot",
                f"it can only be given whole: {', '.join(sorted(cut))} needs its own driver",
                where,
                mend,
                card.address,
            )


def _ids_told(facts: Facts) -> list[tuple[str, str, str]]:
    """Ids, where they stand, and what takes them away there."""
    found = []
    for value in facts.kernel.options("vfio_pci.ids"):
        mend = kernel_option("vfio[-_]pci.ids", take_off=True)
        found.append((value, f"/proc/cmdline: vfio-pci.ids={value}", mend))
    for line in facts.kernel.module_options:
        if matched := re.match(r"options\s+vfio[-_]pci\s.*\bids=(\S+)", line):
            mend = "sed -i '/vfio[-_]pci.*ids=/d' /etc/modprobe.d/*.conf && update-initramfs -u && reboot"
            found.append((matched[1], f"/etc/modprobe.d: {line}", mend))
    if not found and (value := facts.kernel.parameters.get("vfio_pci.ids", "")):
        where = f"/sys/module/vfio_pci/parameters/ids: {value}"
        found.append((value, where, "modprobe -r vfio-pci && modprobe vfio-pci"))
    return found


def dma_entry_limit_low(facts: Facts) -> Iterator[Finding]:
    """VFIO may hold fewer mappings than usual: large guests fail to start or stop in the middle of work."""
    text = facts.kernel.parameters.get(f"{_TYPE1}.dma_entry_limit", "")
    if text.isdecimal() and int(text) < _USUAL_DMA_ENTRIES:
        yield Finding(
            Severity.WARNING,
            f"VFIO may map only {text} pieces of memory",
            "guests with much memory or many devices fail with ENOSPC",
            f"/sys/module/{_TYPE1}/parameters/dma_entry_limit: {text}",
            f"echo {_USUAL_DMA_ENTRIES} > /sys/module/{_TYPE1}/parameters/dma_entry_limit; "
            "sed -i /dma_entry_limit/d /etc/modprobe.d/*.conf",
        )


def vfio_hugepages_off(facts: Facts) -> Iterator[Finding]:
    """VFIO is told to map page by page although the IOMMU could map large ones."""
    if facts.kernel.parameters.get(f"{_TYPE1}.disable_hugepages") in ("1", "Y"):
        yield Finding(
            Severity.WARNING,
            "VFIO maps all memory in small pages",
            "guests with devices take minutes to start, and their DMA is slower",
            f"/sys/module/{_TYPE1}/parameters/disable_hugepages: Y",
            f"echo 0 > /sys/module/{_TYPE1}/parameters/disable_hugepages; "
            "sed -i /disable_hugepages/d /etc/modprobe.d/*.conf",
        )


def mdev_module_missing(facts: Facts) -> Iterator[Finding]:
    """The host has a vGPU driver that needs the mdev module, and that module is not there."""
    kernel = facts.kernel
    if kernel.loaded is None or "mdev" in kernel.loaded or "nvidia_vgpu_vfio" not in kernel.loaded:
        return
    if (0, 0) < kernel.version < _MDEV_UNTIL and any("mdev" in p.partitions for p in facts.products.values()):
        yield Finding(
            Severity.ERROR,
            "the mdev module is not loaded",
            "no vGPU can be made: before kernel 6.8 they are mediated devices",
            f"/proc/modules has nvidia_vgpu_vfio but no mdev; kernel {kernel.release}",
            "modprobe mdev && systemctl restart nvidia-vgpu-mgr",
        )


def mdevctl_missing(facts: Facts) -> Iterator[Finding]:
    """Cards can be cut into mediated devices, and the tool that shows them to people is not installed."""
    types = [address for address, found in facts.functions.items() if found.mdev_types]
    if types and facts.programs is not None and "mdevctl" not in facts.programs:
        yield Finding(
            Severity.NOTE,
            "mdevctl is not installed",
            "libvirt lists no mediated devices of this host; kcloud makes them without it",
            f"/sys/bus/pci/devices/{types[0]}/mdev_supported_types is there, mdevctl in no /usr/sbin",
            "apt-get install mdevctl",
        )
