"""Reads what the kernel says of itself: its modules and their parameters, its command line, its IOMMUs."""

import re

from vfio.doctor.facts import CpuFacts, IommuFacts, KernelFacts
from vfio.errors import Denied, Vanished
from vfio.reading import lines, names
from vfio.scan import GROUPS
from vfio.sysfs import Sysfs

_DRIVERS = "sys/bus/pci/drivers"
_WATCHED = ("vfio", "vfio_pci", "vfio_iommu_type1", "kvm", "kvm_intel", "kvm_amd", "iommufd")
"""Modules whose parameters are read."""
_TABLES = ("DMAR", "IVRS", "IORT")
_CHIP = re.compile(r"\b((?:IR-)?(?:IO-APIC|PCI-MSIX?|DMAR-MSI)[\w-]*)")


def read_kernel(sysfs: Sysfs) -> KernelFacts:
    release = first(sysfs, "proc/sys/kernel/osrelease")
    tainted = first(sysfs, "proc/sys/kernel/tainted")
    return KernelFacts(
        release=release,
        command_line=first(sysfs, "proc/cmdline"),
        loaded=_loaded(sysfs),
        installed=_installed(sysfs, release),
        drivers=frozenset(names(sysfs, _DRIVERS)),
        parameters=_parameters(sysfs),
        module_options=_module_options(sysfs),
        tainted=int(tainted) if tainted.isdecimal() else 0,
        lockdown=_lockdown(first(sysfs, "sys/kernel/security/lockdown")),
        interrupt_chips=frozenset(_CHIP.findall("\n".join(lines(sysfs, "proc/interrupts")))),
    )


def read_iommu(sysfs: Sysfs) -> IommuFacts:
    types = {}
    for group in names(sysfs, GROUPS):
        if group.isdecimal() and (kind := first(sysfs, f"{GROUPS}/{group}/type")):
            types[int(group)] = kind
    tables = set(names(sysfs, "sys/firmware/acpi/tables"))
    return IommuFacts(
        units=names(sysfs, "sys/class/iommu"),
        group_types=types,
        firmware_table=next((table for table in _TABLES if table in tables), ""),
    )


def read_cpu(sysfs: Sysfs) -> CpuFacts:
    """Of the first processor: the others are like it."""
    fields: dict[str, str] = {}
    for line in lines(sysfs, "proc/cpuinfo"):
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


def first(sysfs: Sysfs, path: str) -> str:
    """A file's first line; empty when it is not there or not for us."""
    try:
        return next(iter(lines(sysfs, path)), "")
    except Denied:
        return ""


def _loaded(sysfs: Sysfs) -> frozenset[str] | None:
    listed = {line.split()[0] for line in lines(sysfs, "proc/modules") if line.strip()}
    known = names(sysfs, "sys/module")
    return frozenset({*listed, *known}) if listed or known else None


def _installed(sysfs: Sysfs, release: str) -> frozenset[str] | None:
    folder = f"lib/modules/{release}"
    if not release or not names(sysfs, folder):
        return None
    paths = [line.partition(":")[0] for line in lines(sysfs, f"{folder}/modules.dep")]
    paths += lines(sysfs, f"{folder}/modules.builtin")
    return frozenset(path.rpartition("/")[2].partition(".ko")[0].replace("-", "_") for path in paths)


def _parameters(sysfs: Sysfs) -> dict[str, str]:
    found = {}
    for module in _WATCHED:
        folder = f"sys/module/{module}/parameters"
        for name in names(sysfs, folder):
            found[f"{module}.{name}"] = first(sysfs, f"{folder}/{name}")
    return found


def _module_options(sysfs: Sysfs) -> tuple[str, ...]:
    found = []
    for name in names(sysfs, "etc/modprobe.d"):
        if not name.endswith(".conf"):
            continue
        try:
            found += lines(sysfs, f"etc/modprobe.d/{name}")
        except (Denied, Vanished):
            continue
    return tuple(line.strip() for line in found if line.strip() and not line.lstrip().startswith("#"))


def _lockdown(text: str) -> str:
    """`none [integrity] confidentiality` has its state in brackets."""
    found = re.search(r"\[(\w+)\]", text)
    return found[1] if found else ""
