"""Finds hosts for a server, each with the devices that its policy chooses there.

Placement knows amounts and traits, accelerator where devices sit, hosts what machines they can make: here
they come together, for as many hosts as it takes and no more.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from uuid import UUID

from sqlmodel import Session

from kcloud_api.accelerator import service as accelerator
from kcloud_api.accelerator.records import CardPlace
from kcloud_api.compute import promised
from kcloud_api.placement import service as placement
from kcloud_api.placement.judging import NearestMiss
from kcloud_api.placement.request import ResourceRequest
from kcloud_api.placement.snapshot.keeper import Keeper
from kcloud_api.placement.ways import Candidate, Way
from kcloud_api.scheduler.apart import Apart, machine_miss, miss
from kcloud_api.scheduler.choose import Sites, choose_devices, has_choice
from kcloud_api.scheduler.device_tree import Device
from kcloud_api.scheduler.machine import UNTOLD, Guest, Lacking, Machine, Seats, seats
from kcloud_api.scheduler.topology import Impossible, Policy

BATCH = 64
"""Hosts whose devices are read at once, when the first ones do not do."""
MOST_SLICES = 999_999


Machines = Callable[[Session, Collection[UUID]], Mapping[UUID, Machine]]
"""What these hosts have said of themselves."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Amounts, how the devices are to sit, and the machine around them: `guest`, None where any will do.
    Without `machines` nothing is known of hosts' machines."""

    request: ResourceRequest
    policy: Policy
    guest: Guest | None = None
    machines: Machines | None = None

    @property
    def is_plain(self) -> bool:
        """Any host that has the amounts takes it."""
        return not self.policy.is_hard and (self.guest is None or self.guest.is_plain)


@dataclass(frozen=True, slots=True)
class Found:
    """`candidates` in the order of hosts; `apart`: hosts that were passed over, for their devices are apart
    or their machines do not suit."""

    candidates: tuple[Candidate, ...]
    apart: Apart


@dataclass(frozen=True, slots=True)
class PassedOver:
    """`hosts`: how many were looked at, those that do among them."""

    apart: Apart
    hosts: int


@dataclass(frozen=True, slots=True)
class _Ground:
    """What is looked up of one host."""

    places: Sequence[CardPlace]
    machine: Machine


def candidates(session: Session, wanted: Wanted, *, limit: int, keeper: Keeper | None = None) -> Found:
    """At most `limit` hosts, out of the snapshot of `keeper` or out of SQL. When there is none, every host
    that could serve was passed over."""
    found: list[Candidate] = []
    apart = Apart()
    ways = placement.serving(session, wanted.request, keeper=keeper)
    for way, ground in _with_grounds(session, ways, wanted, first=limit):
        outcome = _chosen(way, ground, wanted)
        if isinstance(outcome, NearestMiss):
            apart = apart.and_one(outcome)
            continue
        found.append(outcome.candidate())
        if len(found) == limit:
            break
    return Found(tuple(found), apart)


def passed_over(
    session: Session, wanted: Wanted, *, most: int, keep: int, keeper: Keeper | None = None
) -> PassedOver:
    """Of hosts that have the amounts, the first `most`, those that `candidates` would not take; `keep` of
    them are described."""
    apart, hosts = Apart(keep=keep), 0
    ways = islice(placement.serving(session, wanted.request, keeper=keeper), most)
    for way, ground in _with_grounds(session, ways, wanted, first=BATCH):
        hosts += 1
        outcome = _chosen(way, ground, wanted)
        if isinstance(outcome, NearestMiss):
            apart = apart.and_one(outcome)
    return PassedOver(apart, hosts)


def _chosen(way: Way, ground: _Ground, wanted: Wanted) -> Way | NearestMiss:
    """With the devices that the policy chooses, or what stands in the way."""
    seated = Seats() if wanted.guest is None else seats(wanted.guest, ground.machine)
    if isinstance(seated, Lacking):
        return machine_miss(way, seated)
    sites = _sites(ground.places, wanted.policy, seated)
    most_nodes = wanted.guest.shape.numa_nodes if wanted.guest and seated.nodes is not None else None
    outcome = choose_devices(way, sites, wanted.policy, most_nodes)
    return miss(way, sites, wanted.policy, outcome) if isinstance(outcome, Impossible) else outcome


def _with_grounds(
    session: Session, ways: Iterator[Way], wanted: Wanted, *, first: int
) -> Iterator[tuple[Way, _Ground]]:
    """Places are looked up only where a device is taken, machines only for a guest that asks for one."""
    size = first
    while batch := list(islice(ways, size)):
        places = accelerator.places_of(session, [way.tree.root.id for way in batch if has_choice(way)])
        machines = _machines(session, wanted, [way.tree.root.id for way in batch])
        for way in batch:
            host = way.tree.root.id
            yield way, _Ground(places.get(host, ()), machines.get(host, UNTOLD))
        size = BATCH


def _machines(session: Session, wanted: Wanted, hosts: Collection[UUID]) -> Mapping[UUID, Machine]:
    if wanted.guest is None or wanted.guest.is_plain or wanted.machines is None:
        return {}
    machines = wanted.machines(session, hosts)
    return promised.added(session, machines) if wanted.guest.has_pages else machines


def _sites(places: Sequence[CardPlace], policy: Policy, seated: Seats) -> Sites:
    """Devices beside a node that no guest has are near to nothing; those of a node that has no room for a
    cell of this one are not to be had."""
    devices = tuple(
        _device(place, policy, None if place.numa_node in seated.blind else place.numa_node)
        for place in places
    )
    free = {place.provider_id for place in places if place.free}
    near = {device.id for device in devices if _is_near(device, seated)}
    return Sites(devices, frozenset(free & near))


def _is_near(device: Device, seated: Seats) -> bool:
    return seated.nodes is None or device.numa_node is None or device.numa_node in seated.nodes


def _device(place: CardPlace, policy: Policy, numa_node: int | None) -> Device:
    # Where nothing else tells cards apart, slices fill up a card that is in use before they break into
    # another, or the other way round; among whole cards the address decides as ever.
    filled = MOST_SLICES - place.free if policy is Policy.SPREAD else place.free
    return Device(
        place.provider_id,
        f"{filled:06} {min(place.addresses, default='')}",
        numa_node,
        place.pci_path,
        bandwidth=int(place.link.speed * 10) * place.link.width if place.link else 0,
    )
