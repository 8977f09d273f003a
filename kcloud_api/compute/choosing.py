"""Finds hosts for a server, each with the devices that its policy chooses there.

Placement knows amounts and traits, accelerator where devices sit: here they come together.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from sqlmodel import Session

from kcloud_api.accelerator import service as accelerator
from kcloud_api.accelerator.records import CardPlace
from kcloud_api.placement import service as placement
from kcloud_api.placement.request import ResourceRequest
from kcloud_api.placement.snapshot.keeper import Keeper
from kcloud_api.placement.ways import Candidate, Way
from kcloud_api.scheduler.apart import Apart, miss
from kcloud_api.scheduler.choose import Sites, choose_devices, has_choice
from kcloud_api.scheduler.device_tree import Device
from kcloud_api.scheduler.topology import Impossible, Policy

BATCH = 64
"""Hosts whose devices are read at once, when the first ones do not do."""
MOST_SLICES = 999_999


@dataclass(frozen=True, slots=True)
class Found:
    """`candidates` in the order of hosts; `apart`: hosts that a hard policy has passed over."""

    candidates: tuple[Candidate, ...]
    apart: Apart


def candidates(
    session: Session, request: ResourceRequest, policy: Policy, *, limit: int, keeper: Keeper | None = None
) -> Found:
    """At most `limit` hosts, out of the snapshot of `keeper` or out of SQL. When there is none, every host
    that could serve was passed over."""
    found: list[Candidate] = []
    apart = Apart()
    ways = placement.serving(session, request, keeper=keeper)
    for way, sites in _with_sites(session, ways, policy, first=limit):
        outcome = choose_devices(way, sites, policy)
        if isinstance(outcome, Impossible):
            apart = apart.and_one(miss(way, sites, policy, outcome))
            continue
        found.append(outcome.candidate())
        if len(found) == limit:
            break
    return Found(tuple(found), apart)


def _with_sites(
    session: Session, ways: Iterator[Way], policy: Policy, *, first: int
) -> Iterator[tuple[Way, Sites]]:
    """Sites are looked up only where a device is taken."""
    size = first
    while batch := list(islice(ways, size)):
        hosts = [way.tree.root.id for way in batch if has_choice(way)]
        places = accelerator.places_of(session, hosts)
        for way in batch:
            yield way, _sites(places.get(way.tree.root.id, ()), policy)
        size = BATCH


def _sites(places: Sequence[CardPlace], policy: Policy) -> Sites:
    devices = tuple(_device(place, policy) for place in places)
    return Sites(devices, frozenset(place.provider_id for place in places if place.free))


def _device(place: CardPlace, policy: Policy) -> Device:
    # Where nothing else tells cards apart, slices fill up a card that is in use before they break into
    # another, or the other way round; among whole cards the address decides as ever.
    filled = MOST_SLICES - place.free if policy is Policy.SPREAD else place.free
    return Device(
        place.provider_id,
        f"{filled:06} {min(place.addresses, default='')}",
        place.numa_node,
        place.pci_path,
        bandwidth=int(place.link.speed * 10) * place.link.width if place.link else 0,
    )
