"""Decides what keeps a host from running guests at all: KVM, libvirt, QEMU, tools, networks. Pure.

What it needs to give devices to guests is judged by `vfio.doctor`; both make the doctor's report.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from vfio.doctor.checks import CHECKS as DEVICE_CHECKS
from vfio.doctor.facts import Facts
from vfio.doctor.finding import Checks, Finding, Severity, by_gravity, examine

_KVM_MODULES = {"vmx": "kvm_intel", "svm": "kvm_amd"}
_TOOLS = {("qemu-img",): "qemu-utils", ("genisoimage", "xorriso"): "genisoimage"}
"""Programs that the agent runs, one of each line, and the packages that bring them."""


@dataclass(frozen=True, slots=True)
class Running:
    """What the running system answered besides its files. None for what was not asked."""

    facts: Facts
    kvm: str | None = None
    """`usable`, `absent`, or why it cannot be opened."""
    libvirt: str | None = None
    """Version when it answers."""
    libvirt_error: str | None = None
    libvirt_missing: bool = False
    """The Python binding is not installed."""


def kvm_absent(running: Running) -> Iterator[Finding]:
    """The processor cannot run guests by itself: they are emulated."""
    if running.kvm == "absent" and not _kvm_module(running):
        yield Finding(
            Severity.WARNING,
            "no hardware virtualisation",
            "guests are emulated, and slow",
            "no /dev/kvm; neither vmx nor svm in /proc/cpuinfo",
            "switch it on in the firmware (or nested virtualisation in the hypervisor above)",
        )


def kvm_not_loaded(running: Running) -> Iterator[Finding]:
    """The processor could run guests by itself, and the kernel's module for it is not loaded."""
    if running.kvm == "absent" and (module := _kvm_module(running)):
        yield Finding(
            Severity.WARNING,
            "there is no /dev/kvm though the processor has virtualisation",
            "guests are emulated, and slow",
            f"no /dev/kvm; /proc/cpuinfo has the flag of {module}",
            f"modprobe {module}",
        )


def kvm_denied(running: Running) -> Iterator[Finding]:
    """/dev/kvm is there and does not work."""
    if running.kvm not in (None, "usable", "absent"):
        yield Finding(
            Severity.WARNING,
            "/dev/kvm cannot be used",
            "guests are emulated, and slow",
            f"/dev/kvm: {running.kvm}",
            "run as root, or: usermod -aG kvm USER",
        )


def kvm_paravirtual(running: Running) -> Iterator[Finding]:
    """/dev/kvm is another hypervisor's imitation, on which usual guest kernels hang."""
    loaded = running.facts.kernel.loaded or frozenset()
    if running.kvm == "usable" and "kvm_pvm" in loaded and not loaded & set(_KVM_MODULES.values()):
        yield Finding(
            Severity.WARNING,
            "/dev/kvm is paravirtual (kvm_pvm)",
            "usual guest kernels hang on it: the agent tries one at start and then emulates, which is slow",
            "/proc/modules has kvm_pvm, neither kvm_intel nor kvm_amd",
            "run kcloud on hardware, or with nested virtualisation in the hypervisor above",
        )


def _kvm_module(running: Running) -> str | None:
    flags = running.facts.cpu.flags
    return next((module for flag, module in _KVM_MODULES.items() if flag in flags), None)


def libvirt_binding_missing(running: Running) -> Iterator[Finding]:
    """The agent's Python has no libvirt."""
    if running.libvirt_missing:
        yield Finding(
            Severity.ERROR,
            "the Python binding of libvirt is not installed here",
            "the agent cannot run guests",
            "import libvirt failed",
            "apt-get install libvirt-dev pkg-config gcc && pip install 'kcloud[libvirt]'",
        )


def libvirt_silent(running: Running) -> Iterator[Finding]:
    """libvirt's daemon does not answer."""
    if running.libvirt_error is not None:
        yield Finding(
            Severity.ERROR,
            "libvirt does not answer",
            "the agent cannot run guests",
            running.libvirt_error,
            "systemctl enable --now libvirtd (apt-get install libvirt-daemon-system when it is missing)",
        )


def qemu_missing(running: Running) -> Iterator[Finding]:
    """There is no QEMU for libvirt to start."""
    programs = running.facts.programs
    if programs is None or running.libvirt is not None:
        return  # libvirt that answers has found one, wherever it is
    if not any(name.startswith(("qemu-system-", "qemu-kvm")) for name in programs):
        yield Finding(
            Severity.ERROR,
            "QEMU is not installed",
            "no guest can run here",
            "no qemu-system-* in /usr/bin and its like",
            "apt-get install qemu-system-x86",
        )


def tool_missing(running: Running) -> Iterator[Finding]:
    """A program that the agent runs is not installed."""
    programs = running.facts.programs
    for names, package in _TOOLS.items():
        if programs is not None and programs.isdisjoint(names):
            yield Finding(
                Severity.ERROR,
                f"{' or '.join(names)} is not installed",
                "no server can be built here",
                f"{' and '.join(names)} are in none of /usr/bin, /usr/sbin, /usr/local",
                f"apt-get install {package}",
            )


def tun_missing(running: Running) -> Iterator[Finding]:
    """The kernel makes no taps, which every guest's network card hangs on."""
    files, installed = running.facts.device_files, running.facts.kernel.installed
    if files is not None and "net/tun" not in files and "tun" not in (installed or ()):
        yield Finding(
            Severity.ERROR,
            "the kernel has no taps",
            "guests with a network card do not start",
            "no /dev/net/tun, and no module tun in /lib/modules",
            "modprobe tun || (apt-get install linux-image-amd64 && reboot)",
        )


def bridge_missing(running: Running) -> Iterator[Finding]:
    """The kernel makes no bridges, which guests' networks are."""
    kernel = running.facts.kernel
    if kernel.installed is not None and "bridge" not in kernel.installed | (kernel.loaded or frozenset()):
        yield Finding(
            Severity.ERROR,
            "the kernel has no bridges",
            "guests have no network",
            f"no module bridge in /lib/modules/{kernel.release}",
            "apt-get install linux-image-amd64 && reboot",
        )


def firewall_missing(running: Running) -> Iterator[Finding]:
    """Neither nft nor iptables is there, with which libvirt makes a network that reaches out."""
    programs = running.facts.programs
    if programs is not None and not programs & {"nft", "iptables"}:
        yield Finding(
            Severity.WARNING,
            "neither nft nor iptables is installed",
            "guests reach nothing outside, and nothing keeps them from using each other's addresses",
            "nft and iptables are in none of /usr/bin, /usr/sbin, /usr/local",
            "apt-get install nftables iptables",
        )


def dnsmasq_missing(running: Running) -> Iterator[Finding]:
    """The program that gives guests their addresses on libvirt's own networks is not there."""
    programs = running.facts.programs
    if programs is not None and "dnsmasq" not in programs:
        yield Finding(
            Severity.WARNING,
            "dnsmasq is not installed",
            "the built-in network does not start: guests on it get no address",
            "dnsmasq is in none of /usr/bin, /usr/sbin, /usr/local",
            "apt-get install dnsmasq-base",
        )


HOST_CHECKS: Checks[Running] = {
    "kvm": (kvm_absent, kvm_not_loaded, kvm_denied, kvm_paravirtual),
    "libvirt": (libvirt_binding_missing, libvirt_silent, qemu_missing),
    "tools": (tool_missing, tun_missing, bridge_missing, firewall_missing, dnsmasq_missing),
}


def diagnose(running: Running) -> tuple[Finding, ...]:
    """Everything that is wrong, the gravest first."""
    return by_gravity(iter((*examine(running.facts, DEVICE_CHECKS), *examine(running, HOST_CHECKS))))


def exit_status(findings: tuple[Finding, ...], *, strict: bool = False) -> int:
    """1 when there is an error, or with `strict` a warning; notes never count."""
    counted = {Severity.ERROR, Severity.WARNING} if strict else {Severity.ERROR}
    return int(any(finding.severity in counted for finding in findings))
