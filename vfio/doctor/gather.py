"""Reads a host once into `Facts`; the only entry to this package that touches files."""

from collections.abc import Sequence
from dataclasses import replace

from vfio.catalogue import Catalogue, builtin
from vfio.doctor.card_addresses import card_addresses, looked_at
from vfio.doctor.facts import Facts
from vfio.doctor.read_functions import read_errors, read_function
from vfio.doctor.read_kernel import read_cpu, read_iommu, read_kernel
from vfio.doctor.read_memory import read_memory
from vfio.doctor.read_processes import read_daemons, read_holders
from vfio.doctor.reading import is_there, listed
from vfio.hostuse import in_use
from vfio.rules import OfferRule
from vfio.scan import scan
from vfio.slices.offering import offers
from vfio.sysfs import Sysfs

_PROGRAM_FOLDERS = ("usr/local/sbin", "usr/local/bin", "usr/sbin", "usr/bin", "usr/libexec", "sbin", "bin")
_DEVICE_FILES = ("kvm", "net/tun", "vfio/vfio", "iommu")

LAYOUTS = "var/lib/kcloud/compute/layouts"
"""Where an agent keeps its layouts unless its configuration says otherwise: one file for each card."""
_LAYOUT = ".json"


def gather(
    sysfs: Sysfs,
    rules: Sequence[OfferRule] = (),
    *,
    catalogue: Catalogue | None = None,
    layouts: str = LAYOUTS,
) -> Facts:
    """Raises SysfsError where even the list of PCI functions cannot be read."""
    catalogue = catalogue or builtin()
    snapshot = scan(sysfs)
    result = offers(snapshot, rules, in_use(sysfs), catalogue=catalogue)
    cards = card_addresses(snapshot, result)
    functions = {address: read_function(sysfs, address) for address in looked_at(snapshot, cards)}
    kernel = read_kernel(sysfs)
    facts = Facts(
        snapshot=snapshot,
        result=result,
        products={address: catalogue.describe(snapshot.devices[address]) for address in cards},
        kernel=kernel,
        iommu=read_iommu(sysfs),
        memory=read_memory(sysfs, kernel.command_line),
        cpu=read_cpu(sysfs),
        holders=read_holders(sysfs, cards),
        daemons=read_daemons(sysfs),
        cut=_cut(sysfs, layouts),
        pim_ranks=len(listed(sysfs, "sys/class/dpu_rank")),
        programs=_programs(sysfs),
        device_files=_device_files(sysfs),
    )
    # Last, so that counters have had time to move since `functions` was read.
    later = {
        address: replace(found, aer_later=read_errors(sysfs, address)) for address, found in functions.items()
    }
    return replace(facts, functions=later)


def _cut(sysfs: Sysfs, layouts: str) -> frozenset[str]:
    """Beside the layouts may lie what the agent has set aside or not finished: nothing is cut by that."""
    return frozenset(name.removesuffix(_LAYOUT) for name in listed(sysfs, layouts) if name.endswith(_LAYOUT))


def _programs(sysfs: Sysfs) -> frozenset[str] | None:
    found = {name for folder in _PROGRAM_FOLDERS for name in listed(sysfs, folder)}
    return frozenset(found) or None


def _device_files(sysfs: Sysfs) -> frozenset[str] | None:
    if "null" not in listed(sysfs, "dev"):
        return None  # no /dev of a running system: a recorded tree, or a container's
    return frozenset(name for name in _DEVICE_FILES if is_there(sysfs, f"dev/{name}"))
