"""Reads what the kernel says of itself: its modules and their parameters, its command line, its IOMMUs."""

import re

from vfio.doctor.facts import CpuFacts, IommuFacts, KernelFacts
from vfio.doctor.reading import first, listed, told
from vfio.scan import GROUPS
from vfio.sysfs import Sysfs

_DRIVERS = "sys/bus/pci/drivers"
_WATCHED = ("vfio", "vfio_pci", "vfio_iommu_type1", "kvm", "kvm_intel", "kvm_amd", "iommufd")
"""Modules whose parameters are read."""
_TABLES = ("DMAR", "IVRS", "IORT")
_RELEASE = re.compile(r"[\w.+~-]+\Z", re.ASCII)
_CHIP = re.compile(r"\b((?:IR-)?(?:IO-APIC|PCI-MSIX?|DMAR-MSI)[\w-]*)")


def read_kernel(sysfs: Sysfs) -> KernelFacts:
    release = first(sysfs, "proc/sys/kernel/osrelease")
    if not _RELEASE.match(release):
        release = ""
    tainted = first(sysfs, "proc/sys/kernel/tainted")
    return KernelFacts(
        release=release,
        command_line=first(sysfs, "proc/cmdline"),
        loaded=_loaded(sysfs),
        installed=_installed(sysfs, release),
        drivers=frozenset(listed(sysfs, _DRIVERS)),
        parameters=_parameters(sysfs),
        module_options=_module_options(sysfs),
        tainted=int(tainted) if tainted.isdecimal() else 0,
        lockdown=_lockdown(first(sysfs, "sys/kernel/security/lockdown")),
        interrupt_chips=frozenset(_CHIP.findall("\n".join(told(sysfs, "proc/interrupts")))),
    )


def read_iommu(sysfs: Sysfs) -> IommuFacts:
    types = {}
    for group in listed(sysfs, GROUPS):
        if group.isdecimal() and (kind := first(sysfs, f"{GROUPS}/{group}/type")):
            types[int(group)] = kind
    tables = set(listed(sysfs, "sys/firmware/acpi/tables"))
    return IommuFacts(
        units=listed(sysfs, "sys/class/iommu"),
        group_types=types,
        firmware_table=next((table for table in _TABLES if table in tables), ""),
    )


def read_cpu(sysfs: Sysfs) -> CpuFacts:
    """Of the first processor: the others are like it."""
    fields: dict[str, str] = {}
    for line in told(sysfs, "proc/cpuinfo"):
        if not line.strip():
            break
        name, _, value = line.partition(":")
        fields[name.strip()] = value.strip()
    bits = re.match(r"(\d+) bits physical", fields.get("address sizes", ""))
    return CpuFacts(
        vendor=fields.get("vendor_id", ""),
        flags=frozenset(fields.get("flags", "").split()),
        phys_bits=int(bits[1]) if bits else None,
    )


def _loaded(sysfs: Sysfs) -> frozenset[str] | None:
    named = {line.split()[0] for line in told(sysfs, "proc/modules") if line.strip()}
    known = listed(sysfs, "sys/module")
    return frozenset({*named, *known}) if named or known else None


def _installed(sysfs: Sysfs, release: str) -> frozenset[str] | None:
    folder = f"lib/modules/{release}"
    if not release or not listed(sysfs, folder):
        return None
    paths = [line.partition(":")[0] for line in told(sysfs, f"{folder}/modules.dep")]
    paths += told(sysfs, f"{folder}/modules.builtin")
    return frozenset(path.rpartition("/")[2].partition(".ko")[0].replace("-", "_") for path in paths)


def _parameters(sysfs: Sysfs) -> dict[str, str]:
    found = {}
    for module in _WATCHED:
        folder = f"sys/module/{module}/parameters"
        for name in listed(sysfs, folder):
            found[f"{module}.{name}"] = first(sysfs, f"{folder}/{name}")
    return found


def _module_options(sysfs: Sysfs) -> tuple[str, ...]:
    found = []
    for name in listed(sysfs, "etc/modprobe.d"):
        if name.endswith(".conf"):
            found += told(sysfs, f"etc/modprobe.d/{name}")
    return tuple(line.strip() for line in found if line.strip() and not line.lstrip().startswith("#"))


def _lockdown(text: str) -> str:
    """`none [integrity] confidentiality` has its state in brackets."""
    found = re.search(r"\[(\w+)\]", text)
    return found[1] if found else ""
