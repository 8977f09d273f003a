"""Decides what a report says of the machines that this host can make for guests. Pure."""

from kcloud_common.wire import MachineReport, NodeReport, PagesReport
from kcloud_compute.guest_shape import HostNode, HostShape


def machine_report(shape: HostShape, virt_type: str) -> MachineReport:
    """Emulated processors may have other address bits than the host's."""
    return MachineReport(
        nodes=tuple(map(_node, shape.nodes)), phys_bits=shape.phys_bits if virt_type == "kvm" else None
    )


def _node(node: HostNode) -> NodeReport:
    pages = (
        PagesReport(size_kib=size, total=total, free=node.hugepages_free.get(size, 0))
        for size, total in sorted(node.hugepages.items())
    )
    return NodeReport(number=node.number, cpus=node.cpu_count, memory_mib=node.memory_mib, pages=tuple(pages))
