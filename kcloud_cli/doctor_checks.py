"""Decides what is wrong with a host and which command mends it. Pure: facts in, findings out.

A check is a named function in CHECKS; adding one is adding a function. `code` is stable, texts are not.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from vfio.device import Snapshot
from vfio.offer import OfferResult


class Severity(StrEnum):
    OK = "ok"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    """Servers, or servers with accelerators where the host has some, cannot run here."""


@dataclass(frozen=True, slots=True)
class Finding:
    """`evidence` is what was seen and where; `mend` the command or step that would change it."""

    check: str
    code: str
    severity: Severity
    summary: str
    evidence: str = ""
    mend: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """All that the checks may know. None for what was not looked at."""

    snapshot: Snapshot
    result: OfferResult
    kernel: str
    command_line: str
    vfio_loaded: bool
    vfio_installed: bool
    cpu_flags: frozenset[str] = frozenset()
    kvm: str | None = None
    """`usable`, `absent`, or why it cannot be opened."""
    libvirt: str | None = None
    """Version when it answers."""
    libvirt_error: str | None = None
    libvirt_missing: bool = False
    """The Python binding is not installed."""


Check = Callable[[Facts], Iterator[Finding]]


def examine(facts: Facts) -> tuple[Finding, ...]:
    """All findings, in the order of the checks."""
    return tuple(finding for check in CHECKS.values() for finding in check(facts))


def exit_status(findings: Sequence[Finding]) -> int:
    return int(any(finding.severity is Severity.ERROR for finding in findings))


def check_iommu(facts: Facts) -> Iterator[Finding]:
    groups = facts.snapshot.groups
    if groups:
        yield Finding("iommu", "iommu_on", Severity.OK, f"the IOMMU is on: {len(groups)} groups")
        return
    wanted = any(refusal.code == "no_iommu_group" for refusal in facts.result.refusals)
    yield Finding(
        "iommu",
        "iommu_off",
        Severity.ERROR if wanted else Severity.WARNING,
        "there are no IOMMU groups: no device can be given to a guest",
        f"/sys/kernel/iommu_groups is empty; kernel command line: {facts.command_line or '(unknown)'}",
        "switch VT-d or AMD-Vi on in the firmware, then: sed -i "
        "'s/^GRUB_CMDLINE_LINUX=\"/&intel_iommu=on /' /etc/default/grub && update-grub && reboot",
    )


def check_vfio(facts: Facts) -> Iterator[Finding]:
    if facts.vfio_loaded:
        yield Finding("vfio", "vfio_loaded", Severity.OK, "the vfio-pci driver is loaded")
        return
    severity = Severity.ERROR if facts.result.offers else Severity.WARNING
    if facts.vfio_installed:
        mend = "modprobe vfio-pci && echo vfio-pci > /etc/modules-load.d/kcloud.conf"
        yield Finding(
            "vfio",
            "vfio_not_loaded",
            severity,
            "vfio-pci is not loaded",
            "/sys/bus/pci/drivers lacks it",
            mend,
        )
        return
    yield Finding(
        "vfio",
        "vfio_not_installed",
        severity,
        f"kernel {facts.kernel} has no vfio-pci module",
        f"/lib/modules/{facts.kernel} names none (kernels made for clouds often lack it)",
        "apt-get install linux-image-amd64 && reboot",
    )


def check_devices(facts: Facts) -> Iterator[Finding]:
    for offer in facts.result.offers:
        yield Finding(
            "devices",
            "device_offered",
            Severity.OK,
            f"{offer.name} ({offer.model}) is offered as {offer.resource_class}",
            f"IOMMU group {offer.iommu_group}: {', '.join(offer.addresses)}",
        )
    for refusal in facts.result.refusals:
        reason, _, way_out = refusal.reason.partition(" Way out: ")
        yield Finding(
            "devices",
            f"device_{refusal.code}",
            Severity.WARNING,
            f"{', '.join(refusal.addresses)} cannot be offered",
            reason,
            way_out,
        )
    if not facts.result.offers and not facts.result.refusals:
        count = len(facts.snapshot.devices)
        yield Finding(
            "devices",
            "no_devices",
            Severity.INFO,
            "no accelerator found",
            f"none of {count} PCI functions fits a rule",
            "name one by a rule in [devices] offer, such as class:1200 or an address",
        )


def check_kvm(facts: Facts) -> Iterator[Finding]:
    if facts.kvm is None:
        return
    if facts.kvm == "usable":
        yield Finding(
            "kvm",
            "kvm_present",
            Severity.OK,
            "/dev/kvm can be opened",
            "the agent tries a guest on it at start",
        )
    elif facts.kvm != "absent":
        mend = "run as root, or: usermod -aG kvm USER"
        yield Finding("kvm", "kvm_denied", Severity.WARNING, "/dev/kvm cannot be opened", facts.kvm, mend)
    elif module := next((name for flag, name in _KVM_MODULES.items() if flag in facts.cpu_flags), None):
        summary = "no /dev/kvm though the processor has virtualisation: guests will be emulated, and slow"
        yield Finding("kvm", "kvm_not_loaded", Severity.WARNING, summary, "", f"modprobe {module}")
    else:
        yield Finding(
            "kvm",
            "kvm_absent",
            Severity.WARNING,
            "no hardware virtualisation: guests will be emulated, and slow",
            "neither vmx nor svm in /proc/cpuinfo",
            "switch it on in the firmware (or nested virtualisation in the hypervisor above)",
        )


_KVM_MODULES = {"vmx": "kvm_intel", "svm": "kvm_amd"}


def check_libvirt(facts: Facts) -> Iterator[Finding]:
    if facts.libvirt is not None:
        yield Finding("libvirt", "libvirt_answers", Severity.OK, f"libvirt answers: {facts.libvirt}")
    elif facts.libvirt_missing:
        summary = "the Python binding of libvirt is not installed here"
        mend = "apt-get install libvirt-dev pkg-config gcc && pip install 'kcloud[libvirt]'"
        yield Finding("libvirt", "libvirt_binding_missing", Severity.ERROR, summary, "import libvirt", mend)
    elif facts.libvirt_error is not None:
        mend = "systemctl enable --now libvirtd (apt-get install libvirt-daemon-system when it is missing)"
        yield Finding(
            "libvirt", "libvirt_silent", Severity.ERROR, "libvirt does not answer", facts.libvirt_error, mend
        )


CHECKS: Mapping[str, Check] = {
    "iommu": check_iommu,
    "vfio": check_vfio,
    "devices": check_devices,
    "kvm": check_kvm,
    "libvirt": check_libvirt,
}
