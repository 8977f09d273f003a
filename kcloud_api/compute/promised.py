"""Reads how many hugepages of hosts are promised to the servers that they have.

Placement counts no pages. What is read here holds until the claim all the same: every promise raises the
generation of the host's provider, and a claim that knows an older one is refused (placement/claiming.py).
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from uuid import UUID

from sqlmodel import Session, col, select

from kcloud_api.compute.guest_shape import guest_of
from kcloud_api.compute.records import FlavorSnapshot
from kcloud_api.compute.states import State
from kcloud_api.compute.tables import ServerRow
from kcloud_api.compute.wants import ON_HOST
from kcloud_api.scheduler.machine import Machine

AT_REST = {(State.ACTIVE, True), (State.SHUTOFF, False)}
"""States, with whether the server is wanted on, in which its host's report counts its pages right."""


def added(session: Session, machines: Mapping[UUID, Machine]) -> dict[UUID, Machine]:
    """The same machines, with what is promised there."""
    promised: dict[UUID, Counter[int]] = {host: Counter() for host in machines}
    moving: dict[UUID, Counter[int]] = {host: Counter() for host in machines}
    sizes = {
        host: {size: pages.total for size, pages in machine.pages().items()}
        for host, machine in machines.items()
    }
    there = [host for host in machines if sizes[host]]
    rows = session.exec(
        select(ServerRow.host_id, ServerRow.state, ServerRow.power_on, ServerRow.flavor).where(
            col(ServerRow.host_id).in_(there), col(ServerRow.state).in_(sorted(ON_HOST))
        )
    )
    for host, state, wanted_on, flavor in rows if there else ():
        if host is None:
            continue
        taken = guest_of(FlavorSnapshot.model_validate(flavor).shape).pages_of(sizes[host])
        if taken is None:
            continue
        size, count = taken
        promised[host][size] += count
        if (State(state), wanted_on) not in AT_REST:
            moving[host][size] += count
    return {
        host: replace(machine, promised=promised[host], moving=moving[host])
        for host, machine in machines.items()
    }
