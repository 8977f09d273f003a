"""Checks of the IOMMU and of isolation: is it on, in which mode, and what shares a group. Pure."""

from collections.abc import Iterator

from vfio.doctor.facts import Facts
from vfio.doctor.finding import Finding, Severity
from vfio.doctor.ports import AcsBits, acs_of, kernel_option

_GROUPS = "/sys/kernel/iommu_groups"
_NEEDED = (
    AcsBits.SOURCE_VALIDATION | AcsBits.REQUEST_REDIRECT | AcsBits.COMPLETION_REDIRECT | AcsBits.UPSTREAM
)
_YES = frozenset({"1", "Y", "y"})


def iommu_off(facts: Facts) -> Iterator[Finding]:
    """No IOMMU is at work: nothing can be given to a guest."""
    if facts.snapshot.groups or facts.iommu.group_types:
        return
    wanted = any(refusal.code == "no_iommu_group" for refusal in facts.result.refusals)
    yield Finding(
        Severity.ERROR if wanted else Severity.WARNING,
        "the IOMMU is off: there are no IOMMU groups",
        "no device can be given to a guest",
        f"{_GROUPS} is empty; /proc/cmdline: {facts.kernel.command_line or '(unknown)'}",
        _switch_on(facts),
    )


def _switch_on(facts: Facts) -> str:
    """In the firmware only where it announces none; in the kernel only where that was not told already."""
    option = f"{_vendor_option(facts)}=on"
    told = f"{option}" in facts.kernel.command_line.split() and not facts.kernel.options("iommu")
    steps = [] if facts.iommu.firmware_table else ["switch VT-d or AMD-Vi on in the firmware"]
    if not told:
        steps.append(kernel_option(option))
    return (
        ", then: ".join(steps)
        or "look into the kernel's log for DMAR or AMD-Vi: dmesg | grep -iE 'dmar|amd-vi'"
    )


def _vendor_option(facts: Facts) -> str:
    amd = facts.cpu.vendor == "AuthenticAMD" or facts.iommu.firmware_table == "IVRS"
    return "amd_iommu" if amd else "intel_iommu"


def iommu_passthrough(facts: Facts) -> Iterator[Finding]:
    """Devices on the host's own drivers reach all memory (`iommu=pt`)."""
    groups = {card.iommu_group for card in facts.cards if card.iommu_group is not None}
    found = sorted(group for group in groups if facts.iommu.group_types.get(group) == "identity")
    if found:
        yield Finding(
            Severity.NOTE,
            f"{len(found)} groups with cards are in passthrough mode while the host has them",
            "guests are isolated all the same, but a card on its host driver can reach all memory",
            f"{_GROUPS}/{found[0]}/type: identity",
            f"to change it: {kernel_option('iommu.passthrough=0')}",
        )


def interrupt_remapping_off(facts: Facts) -> Iterator[Finding]:
    """Interrupts of devices are not remapped: the kernel refuses to give devices away."""
    chips = facts.kernel.interrupt_chips
    if not facts.snapshot.groups or not chips or any(chip.startswith("IR-") for chip in chips):
        return
    if _unsafe(facts):
        return
    off = next((word for word in ("intremap", "nointremap") if facts.kernel.options(word)), None)
    mend = (
        f"take {off} off the kernel's command line"
        if off
        else "switch interrupt remapping (x2APIC) on in the firmware"
    )
    yield Finding(
        Severity.ERROR,
        "interrupts are not remapped",
        "starting a guest with a device fails: a guest could raise any interrupt of the host",
        f"/proc/interrupts names {', '.join(sorted(chips))}, none with IR-",
        mend,
    )


def unsafe_interrupts(facts: Facts) -> Iterator[Finding]:
    """`allow_unsafe_interrupts` is set: guests with devices can raise interrupts of the host."""
    if _unsafe(facts):
        yield Finding(
            Severity.WARNING,
            "unsafe interrupts are allowed",
            "a guest with a device can raise any interrupt of the host",
            "/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts: Y",
            "echo 0 > /sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts; "
            "sed -i /allow_unsafe_interrupts/d /etc/modprobe.d/*.conf",
        )


def _unsafe(facts: Facts) -> bool:
    return facts.kernel.parameters.get("vfio_iommu_type1.allow_unsafe_interrupts") in _YES


def noiommu_mode(facts: Facts) -> Iterator[Finding]:
    """VFIO may work without an IOMMU: a device reaches all of the host's memory."""
    if facts.kernel.parameters.get("vfio.enable_unsafe_noiommu_mode") in _YES:
        yield Finding(
            Severity.ERROR,
            "VFIO's mode without an IOMMU is allowed",
            "whoever holds a device can read and write all memory of the host",
            "/sys/module/vfio/parameters/enable_unsafe_noiommu_mode: Y",
            "echo 0 > /sys/module/vfio/parameters/enable_unsafe_noiommu_mode; "
            "sed -i /enable_unsafe_noiommu_mode/d /etc/modprobe.d/*.conf",
        )


def acs_override(facts: Facts) -> Iterator[Finding]:
    """Groups were split by a kernel patch, not by hardware: they promise an isolation that is not there."""
    for value in facts.kernel.options("pcie_acs_override"):
        yield Finding(
            Severity.WARNING,
            "IOMMU groups are split by pcie_acs_override",
            "devices in different groups may reach each other: tenants are not apart",
            f"/proc/cmdline: pcie_acs_override={value}",
            kernel_option("pcie_acs_override", take_off=True),
        )


def acs_missing(facts: Facts) -> Iterator[Finding]:
    """A port without ACS puts what is below it into one group."""
    for address, below in _shared_ports(facts).items():
        bits = acs_of(facts.of(address).config)
        if bits is not None and bits.of_a_port and not bits.can:
            yield Finding(
                Severity.WARNING,
                f"port {address} cannot keep apart what is below it (no ACS)",
                f"{', '.join(below)} share a group and can only go to one guest together",
                f"/sys/bus/pci/devices/{address}/config has no ACS capability",
                "move a card to a slot below another port, or switch ACS on in the firmware",
                address,
            )


def _shared_ports(facts: Facts) -> dict[str, list[str]]:
    """Ports whose group, or a group below them, has functions of more than one slot; with these functions."""
    found: dict[str, list[str]] = {}
    for card in facts.cards:
        members = [
            facts.snapshot.devices[member]
            for member in facts.snapshot.groups.get(-1 if card.iommu_group is None else card.iommu_group, ())
            if member in facts.snapshot.devices
        ]
        endpoints = [member for member in members if not member.is_bridge]
        if len({member.slot for member in endpoints}) > 1:
            for member in endpoints:
                for port in member.pci_path:
                    found[port] = sorted(endpoint.address for endpoint in endpoints)
    return dict(sorted(found.items()))


def acs_disabled(facts: Facts) -> Iterator[Finding]:
    """A port could redirect traffic between devices to the IOMMU, and was told not to."""
    # Without an IOMMU the kernel leaves ACS off, and that is told by iommu_off.
    ports = sorted({port for card in facts.cards if facts.snapshot.groups for port in card.pci_path})
    for address in ports:
        bits = acs_of(facts.of(address).config)
        if bits is None or not bits.of_a_port or not (missing := bits.can & _NEEDED & ~bits.on):
            continue
        yield Finding(
            Severity.WARNING,
            f"ACS of port {address} is switched off though groups were made as if it were on",
            "cards below it reach each other past the IOMMU: guests are not apart",
            f"/sys/bus/pci/devices/{address}/config: ACS can {bits.can:#06x}, on {bits.on:#06x}",
            f"setpci -s {address} ECAP_ACS+6.w={bits.on | missing:04x}",
            address,
        )
