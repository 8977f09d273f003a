"""The guest's NUMA cells, and where on the host each has its memory and runs. Pure."""

from collections.abc import Iterator, Sequence
from xml.etree.ElementTree import Element, SubElement

from hypervisor_drivers.spec import CellSpec


def cpu_numa(cells: Sequence[CellSpec]) -> Iterator[Element]:
    """What goes into <cpu>: nothing without cells."""
    if not cells:
        return
    numa = Element("numa")
    for number, cell in enumerate(cells):
        where = {"id": str(number), "cpus": ",".join(str(vcpu) for vcpu in cell.vcpus)}
        SubElement(numa, "cell", {**where, "memory": str(cell.memory_mib), "unit": "MiB"})
    yield numa


def numa_tuning(cells: Sequence[CellSpec]) -> Iterator[Element]:
    """What goes beside <vcpu>. Strict: memory that silently comes from afar is what was to be avoided."""
    if any(cell.host_cpus for cell in cells):
        tune = Element("cputune")
        for cell in cells:
            for vcpu in cell.vcpus if cell.host_cpus else ():
                SubElement(tune, "vcpupin", {"vcpu": str(vcpu), "cpuset": cell.host_cpus})
        yield tune
    placed = [(number, cell.host_node) for number, cell in enumerate(cells) if cell.host_node is not None]
    if placed:
        numa = Element("numatune")
        for number, node in placed:
            SubElement(numa, "memnode", {"cellid": str(number), "mode": "strict", "nodeset": str(node)})
        yield numa
