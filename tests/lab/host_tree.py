"""What a kernel shows of its host's PCI functions and mediated devices, to compare. Runs on the lab host."""

import os
from collections.abc import Iterator
from pathlib import Path

DEVICES = Path("/sys/bus/pci/devices")
MDEVS = Path("/sys/bus/mdev/devices")
UNSTEADY = frozenset({"irq", "msi_irqs", "net", "pools", "config"})
"""What a binding gives anew: numbers of interrupts, interfaces, memory; and a space with status bits."""
GONE = "waiting_for_supplier"
"""The kernel has it only until a function's first driver ever, whoever binds that."""
UNREADABLE = ("resource", "rom", "vpd")
"""Windows to a function's memory and PROM; `resource` itself is text."""
RELATED = ("driver", "iommu_group", "physfn", "virtfn", "mdev_type")
"""Links that say what goes with what."""
FOLDERS = frozenset({"link", "mdev_supported_types"})
"""Looked into; of others the names in them are taken, for they are counters or subsystems' own."""


def tree(*cards: str) -> dict[str, str]:
    """Every attribute by path: of all functions on the cards' buses, or of the whole host."""
    seen = {str(mdev): _resolved(mdev) for mdev in MDEVS.glob("*")}
    buses = {card.rpartition(":")[0] for card in cards}
    for function in sorted(DEVICES.iterdir()):
        if not buses or function.name.rpartition(":")[0] in buses:
            seen[str(function)] = _resolved(function)
            seen.update(_attributes(function))
    return seen


def _attributes(folder: Path) -> Iterator[tuple[str, str]]:
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        path = Path(entry.path)
        if entry.name == GONE:
            continue
        if entry.is_symlink():
            if entry.name.startswith(RELATED):
                yield entry.path, _resolved(path)
        elif entry.name in UNSTEADY or (entry.name != "resource" and entry.name.startswith(UNREADABLE)):
            yield entry.path, ""
        elif entry.is_file():
            yield entry.path, _text(path)
        elif entry.name in FOLDERS or folder.name in FOLDERS:
            yield from _attributes(path)
        else:
            names = {each.name for each in path.iterdir()} - {GONE}
            # The kernel numbers controllers in the order in which a boot has probed them.
            yield entry.path, str(len(names)) if entry.name == "nvme" else " ".join(sorted(names))


def _resolved(path: Path) -> str:
    return str(path.resolve())


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8", "backslashreplace")
    except OSError as error:
        return f"errno {error.errno}"
