"""Checks of the kernel itself: harm it has taken, what it forbids, what it hides from us. Pure."""

from collections.abc import Iterator

from vfio.config_space import HEADER
from vfio.doctor.facts import Facts
from vfio.doctor.finding import Finding, Severity

_HARM = {
    4: "a machine check (hardware error)",
    5: "a damaged page of memory",
    7: "an oops",
    14: "a processor that hung",
}
"""Bits of Documentation/admin-guide/tainted-kernels that say something broke; modules of vendors are none."""
_YES = ("1", "Y")


def kernel_harmed(facts: Facts) -> Iterator[Finding]:
    """The kernel has met an error since boot after which it is not to be trusted."""
    harm = [words for bit, words in _HARM.items() if facts.kernel.tainted >> bit & 1]
    if harm:
        yield Finding(
            Severity.WARNING,
            f"the kernel has met {', '.join(harm)} since boot",
            "drivers may hang, and guests lose work: let no new ones start here",
            f"/proc/sys/kernel/tainted: {facts.kernel.tainted}",
            "move servers away, look at dmesg, then reboot",
        )


def partly_seen(facts: Facts) -> Iterator[Finding]:
    """The doctor may not read all: what it says is less than it could."""
    short = [card.address for card in facts.cards if 0 < len(facts.of(card.address).config) <= HEADER]
    if short:
        yield Finding(
            Severity.NOTE,
            "not all could be read",
            "faults of ACS, SR-IOV and of processes that hold cards stay unseen",
            f"/sys/bus/pci/devices/{short[0]}/config shows {HEADER} bytes, as to users who are not root",
            "sudo kcloud doctor",
        )


def kernel_lockdown(facts: Facts) -> Iterator[Finding]:
    """The kernel keeps even root from PCI registers."""
    if facts.kernel.lockdown in ("integrity", "confidentiality"):
        yield Finding(
            Severity.NOTE,
            f"the kernel is locked down ({facts.kernel.lockdown})",
            "vendors' tools that reset or clear cards fail, unsigned drivers do not load; guests are fine",
            f"/sys/kernel/security/lockdown: [{facts.kernel.lockdown}]",
            "nothing, unless such a tool is wanted: then switch Secure Boot off",
        )


def nested_off(facts: Facts) -> Iterator[Finding]:
    """Guests cannot run guests of their own."""
    for module in ("kvm_intel", "kvm_amd"):
        value = facts.kernel.parameters.get(f"{module}.nested")
        if value is not None and value not in _YES:
            yield Finding(
                Severity.NOTE,
                "nested virtualisation is off",
                "servers here cannot run virtual machines themselves",
                f"/sys/module/{module}/parameters/nested: {value}",
                f"echo 'options {module} nested=1' > /etc/modprobe.d/kcloud-nested.conf && "
                f"modprobe -r {module} && modprobe {module}",
            )
