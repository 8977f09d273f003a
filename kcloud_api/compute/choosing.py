"""Finds hosts for a server, each with the devices that its policy chooses there.

Placement knows amounts and traits, accelerator where devices sit: here they come together.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from sqlmodel import Session

from kcloud_api.accelerator import service as accelerator
from kcloud_api.accelerator.records import DeviceRecord
from kcloud_api.placement import service as placement
from kcloud_api.placement.request import ResourceRequest
from kcloud_api.placement.ways import Candidate, Way
from kcloud_api.scheduler.apart import Apart, miss
from kcloud_api.scheduler.choose import Sites, choose_devices, has_choice
from kcloud_api.scheduler.device_tree import Device
from kcloud_api.scheduler.topology import Impossible, Policy
from kcloud_common.wire import DeviceState

BATCH = 64
"""Hosts whose devices are read at once, when the first ones do not do."""


@dataclass(frozen=True, slots=True)
class Found:
    """`candidates` in the order of hosts; `apart`: hosts that a hard policy has passed over."""

    candidates: tuple[Candidate, ...]
    apart: Apart


def candidates(session: Session, request: ResourceRequest, policy: Policy, *, limit: int) -> Found:
    """At most `limit` hosts. When there is none, every host that could serve was passed over."""
    found: list[Candidate] = []
    apart = Apart()
    for way, sites in _with_sites(session, placement.serving(session, request), first=limit):
        outcome = choose_devices(way, sites, policy)
        if isinstance(outcome, Impossible):
            apart = apart.and_one(miss(way, sites, policy, outcome))
            continue
        found.append(outcome.candidate())
        if len(found) == limit:
            break
    return Found(tuple(found), apart)


def _with_sites(session: Session, ways: Iterator[Way], *, first: int) -> Iterator[tuple[Way, Sites]]:
    """Sites are looked up only where a device is taken."""
    size = first
    while batch := list(islice(ways, size)):
        hosts = [way.tree.root.id for way in batch if has_choice(way)]
        devices = accelerator.devices_of(session, hosts)
        for way in batch:
            yield way, _sites(devices.get(way.tree.root.id, ()))
        size = BATCH


def _sites(records: Sequence[DeviceRecord]) -> Sites:
    open_ = (r.provider_id for r in records if r.state == DeviceState.FREE and r.claim is None)
    return Sites(tuple(_device(record) for record in records), frozenset(open_))


def _device(record: DeviceRecord) -> Device:
    return Device(
        record.provider_id,
        record.addresses[0] if record.addresses else record.name,
        record.numa_node,
        record.pci_path,
        bandwidth=int(record.link.speed * 10) * record.link.width if record.link else 0,
    )
