"""Reads what hosts have said of their machines: NUMA nodes, hugepages, address bits."""

from collections.abc import Collection, Mapping
from uuid import UUID

from sqlmodel import Session, col, select

from kcloud_api.hosts.tables import HostRow
from kcloud_api.scheduler.machine import Machine, Node, Pages
from kcloud_common.wire import MachineReport


def machines_of(session: Session, host_ids: Collection[UUID]) -> Mapping[UUID, Machine]:
    """Of hosts that are there; one that has not said anything of its machine is one about which nothing is
    known."""
    rows = session.exec(select(HostRow.id, HostRow.report).where(col(HostRow.id).in_(list(host_ids))))
    return {host_id: _machine(report.get("machine")) for host_id, report in rows}


def _machine(told: object) -> Machine:
    if told is None:
        return Machine()
    report = MachineReport.model_validate(told)
    nodes = tuple(
        Node(
            node.number, node.cpus, node.memory_mib,
            {each.size_kib: Pages(each.total, each.free) for each in node.pages},
        )
        for node in report.nodes
    )  # fmt: skip
    return Machine(nodes, report.phys_bits)
