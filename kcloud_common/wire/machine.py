"""What a host says of the machines that it can make for guests: NUMA nodes, hugepages, address bits."""

from typing import Annotated

from pydantic import AfterValidator

from kcloud_common.wire.base import Amount, Wire


class PagesReport(Wire):
    """Hugepages of one size on one NUMA node."""

    size_kib: Amount
    total: Amount
    free: Amount


class NodeReport(Wire):
    """One NUMA node. A kernel without NUMA shows none."""

    number: Amount
    cpus: Amount
    memory_mib: Amount
    pages: Annotated[tuple[PagesReport, ...], AfterValidator(lambda found: found[:8])] = ()


class MachineReport(Wire):
    nodes: Annotated[tuple[NodeReport, ...], AfterValidator(lambda found: found[:256])] = ()
    phys_bits: Amount | None = None
    """Physical address bits that a guest's CPUs can have; None: it cannot be said."""
