"""What the rest of kcloud asks of placement: keep hosts' trees, find candidates, claim, release.

Nothing here commits: a claim stands or falls with the caller's transaction. Every writer of a provider tree
first takes the lock of the tree (generations.py): claimants queue, and the second sees what the first did.
"""

import random
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from uuid import UUID

from sqlalchemy import delete
from sqlmodel import Session, col, select

from kcloud_api.placement import claiming, consumers, finding, generations, syncing
from kcloud_api.placement.claim_plan import AllocationWant, Amounts, ConsumerRecord
from kcloud_api.placement.ground import Options
from kcloud_api.placement.inventory import HostInventory
from kcloud_api.placement.races import Raced
from kcloud_api.placement.request import HOST_DOWN, HOST_NOT_READY, ResourceRequest
from kcloud_api.placement.snapshot import journal
from kcloud_api.placement.snapshot.keeper import Keeper
from kcloud_api.placement.tables import Origin, ProviderTraitRow
from kcloud_api.placement.ways import Candidate, Way, ways
from kcloud_api.placement.ways import all_ways as all_ways_of
from kcloud_common.errors import StaleGeneration

__all__ = [
    "ConsumerRecord",
    "all_ways",
    "allocations",
    "candidates",
    "claim",
    "release",
    "remove_host",
    "serving",
    "set_host_available",
    "sync_host",
]  # fmt: skip

STATUS_TRAITS = {"host_down": {HOST_DOWN, HOST_NOT_READY}, "host_not_ready": {HOST_NOT_READY}}
"""What shuts a root provider, by the reason that a refusal gives. Other clients know HOST_NOT_READY."""


def sync_host(session: Session, host: HostInventory) -> None:
    """Make the host's tree say what its report says. Idempotent; generations rise only where something
    changed. AlreadyExists when another provider has one of the names."""
    syncing.sync_host(session, host)


def remove_host(session: Session, host_id: UUID) -> None:
    """Take the host's tree away. What holds allocations or was put there by an API client stays, under a name
    that nobody wants: a new host may have the old one. Idempotent."""
    syncing.remove_host(session, host_id)


def set_host_available(
    session: Session, host_id: UUID, available: bool, *, reason: str = "host_down"
) -> None:
    """Record whether the control plane lets the host have new servers; `reason` (`host_down` or
    `host_not_ready`) is what refusals will say.

    Independent of what the host itself reports: `sync_host` with the trait COMPUTE_STATUS_DISABLED says "not
    ready" and holds until the next sync_host. Idempotent; a host that was never synced is ignored.
    """
    wanted = set() if available else STATUS_TRAITS[reason]
    mine = (
        col(ProviderTraitRow.provider_id) == host_id,
        col(ProviderTraitRow.origin) == Origin.STATUS,
    )
    if set(session.exec(select(ProviderTraitRow.trait).where(*mine))) == wanted:
        return
    generations.lock(session, [host_id])
    if not generations.bump(session, [host_id]):
        return
    session.exec(delete(ProviderTraitRow).where(*mine))
    syncing.register_traits(session, wanted)
    session.add_all(
        ProviderTraitRow(provider_id=host_id, trait=trait, origin=Origin.STATUS) for trait in sorted(wanted)
    )
    session.flush()
    journal.touch(session, [host_id])


def candidates(
    session: Session,
    request: ResourceRequest,
    *,
    limit: int,
    order: str = "spread",
    keeper: Keeper | None = None,
) -> tuple[Candidate, ...]:
    """At most `limit` hosts that can serve the request, each with one way to do it, in the order of the
    policy `order` (orders.ORDERS). With `keeper` hosts are found in its snapshot. Why there is none,
    explaining.py says."""
    found = islice(serving(session, request, order=order, keeper=keeper), limit)
    return tuple(way.candidate() for way in found)


def serving(
    session: Session, request: ResourceRequest, *, order: str = "spread", keeper: Keeper | None = None
) -> Iterator[Way]:
    """Every host that can serve the request, with one way to do it, one by one as they are taken, in the
    order of the policy `order` (orders.ORDERS)."""
    for tree in finding.trees(session, request, order=order, keeper=keeper):
        way = next(ways(tree, request), None)
        if way is not None:
            yield way


def all_ways(
    session: Session, request: ResourceRequest, *, order: str = finding.CREATED, keeper: Keeper | None = None
) -> Iterator[Way]:
    """What the Placement API answers: every way on every host, one by one as they are taken, in the order of
    trees or, with `finding.RANDOM`, in any."""
    trees = finding.trees(session, request, order=order, keeper=keeper)
    return all_ways_of(trees, request, shuffle=_shuffled if order == finding.RANDOM else None)


def _shuffled(options: Options) -> Options:
    return tuple(random.sample(options, len(options)))


def claim(session: Session, consumer: ConsumerRecord, candidate: Candidate) -> None:
    """Take what the candidate says, in the caller's transaction.

    StaleGeneration: a provider changed since the candidate was read; search again. OutOfCapacity: it does
    not fit. AlreadyExists: the consumer holds allocations. After any of them the transaction must be
    rolled back.
    """
    want = AllocationWant(consumer, candidate.allocations, generation=None)
    try:
        claiming.claim(session, want, candidate.generations)
    except Raced as error:
        raise StaleGeneration(error.message) from error


def release(session: Session, consumer_id: UUID) -> None:
    """Give back all that the consumer holds. Idempotent."""
    claiming.release(session, [consumer_id])


def allocations(session: Session, consumer_ids: Iterable[UUID]) -> Mapping[UUID, Amounts]:
    """What these consumers hold: consumer to provider to class to amount; those that hold nothing lack."""
    session.flush()
    return consumers.held(session.connection(), list(consumer_ids))
