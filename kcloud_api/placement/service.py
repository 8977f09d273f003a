"""What the rest of kcloud asks of placement: keep hosts' trees, find candidates, claim, release.

Nothing here commits: a claim stands or falls with the caller's transaction. Every writer of a provider tree
first takes the lock of the tree (generations.py): claimants queue, and the second sees what the first did.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from uuid import UUID

from sqlalchemy import delete, update
from sqlmodel import Session, col, select

from kcloud_api.placement import generations, narrowing, reading, syncing
from kcloud_api.placement.candidates import Candidate, CandidateResult, Refusal, ways
from kcloud_api.placement.capacity import misfit
from kcloud_api.placement.inventory import HostInventory
from kcloud_api.placement.refusing import refuse
from kcloud_api.placement.request import HOST_DOWN, HOST_NOT_READY, ResourceRequest
from kcloud_api.placement.snapshot import journal
from kcloud_api.placement.tables import (
    AllocationRow,
    ConsumerRow,
    InventoryRow,
    Origin,
    ProviderTraitRow,
)
from kcloud_api.placement.tree import Tree
from kcloud_common.errors import AlreadyExists, OutOfCapacity

INSTANCE = "INSTANCE"
"""Consumer type of a server (upstream's word)."""
STATUS_TRAITS = {"host_down": {HOST_DOWN, HOST_NOT_READY}, "host_not_ready": {HOST_NOT_READY}}
"""What shuts a root provider, by the reason that a refusal gives. Other clients know HOST_NOT_READY."""


@dataclass(frozen=True, slots=True)
class ConsumerRecord:
    """Who claims: a server's id, with whose it is."""

    id: UUID
    project_id: str
    user_id: str
    type: str = INSTANCE


def sync_host(session: Session, host: HostInventory) -> None:
    """Make the host's tree say what its report says. Idempotent; generations rise only where something
    changed. AlreadyExists when another provider has one of the names."""
    syncing.sync_host(session, host)


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
    session: Session, request: ResourceRequest, *, limit: int, order: str = "spread"
) -> CandidateResult:
    """At most `limit` hosts that can serve the request, each with one way to do it, in the order of the
    policy `order` (candidates.ORDERS). When there is none, every host is looked at and `refusals` says why
    each cannot."""
    found: list[Candidate] = []
    refusals: list[Refusal] = []
    for tree in _fitting_trees(session, request, order):
        way = next(ways(tree, request), None)
        if way is None:
            refusals.append(refuse(tree, request))
            continue
        found.append(way)
        if len(found) == limit:
            break
    if not found:
        refusals += _explain(session, request, {refusal.host_id for refusal in refusals})
    return CandidateResult(tuple(found), tuple(refusals))


def all_ways(session: Session, request: ResourceRequest, *, limit: int) -> tuple[Candidate, ...]:
    """What the Placement API answers: every way on every host, equal devices permuted, up to `limit`."""
    found = (
        way
        for tree in _fitting_trees(session, request, "spread")
        for way in ways(tree, request, distinct=False)
    )
    return tuple(islice(found, limit))


def claim(session: Session, consumer: ConsumerRecord, candidate: Candidate) -> None:
    """Take what the candidate says, in the caller's transaction.

    StaleGeneration: a provider changed since the candidate was read; search again. OutOfCapacity: it does
    not fit. AlreadyExists: the consumer holds allocations. After any of them the transaction must be
    rolled back.
    """
    if session.exec(select(ConsumerRow.id).where(ConsumerRow.id == consumer.id)).first() is not None:
        raise AlreadyExists(f"consumer {consumer.id} has allocations", consumer=str(consumer.id))
    generations.lock(session, candidate.allocations)
    for provider_id in sorted(candidate.allocations):
        generations.advance(session, provider_id, candidate.generations[provider_id])
    taken = [
        _Take(provider_id, resource_class, amount)
        for provider_id, amounts in sorted(candidate.allocations.items())
        for resource_class, amount in sorted(amounts.items())
    ]
    _take_stocks(session, taken)
    session.add_all(
        AllocationRow(
            consumer_id=consumer.id, provider_id=take.provider_id,
            resource_class=take.resource_class, used=take.amount,
        )
        for take in taken
    )  # fmt: skip
    session.add(
        ConsumerRow(
            id=consumer.id,
            project_id=consumer.project_id,
            user_id=consumer.user_id,
            generation=1,
            type=consumer.type,
        )
    )
    session.flush()


def release(session: Session, consumer_id: UUID) -> None:
    """Give back all that the consumer holds. Idempotent."""
    held = allocations(session, [consumer_id]).get(consumer_id, {})
    generations.lock(session, held)
    # Read again under the lock: another release of the same consumer may have been first.
    held = allocations(session, [consumer_id]).get(consumer_id, {})
    generations.bump(session, held)
    for provider_id, amounts in sorted(held.items()):
        for resource_class, amount in sorted(amounts.items()):
            session.exec(
                update(InventoryRow)
                .where(
                    col(InventoryRow.provider_id) == provider_id,
                    col(InventoryRow.resource_class) == resource_class,
                )
                .values(used=InventoryRow.used - amount, free=InventoryRow.free + amount)
                .execution_options(synchronize_session=False)
            )
    session.exec(delete(AllocationRow).where(col(AllocationRow.consumer_id) == consumer_id))
    session.exec(delete(ConsumerRow).where(col(ConsumerRow.id) == consumer_id))


def allocations(
    session: Session, consumer_ids: Iterable[UUID]
) -> Mapping[UUID, Mapping[UUID, Mapping[str, int]]]:
    """What these consumers hold: consumer to provider to class to amount; those that hold nothing lack."""
    found: dict[UUID, dict[UUID, dict[str, int]]] = {}
    rows = session.exec(
        select(
            AllocationRow.consumer_id,
            AllocationRow.provider_id,
            AllocationRow.resource_class,
            AllocationRow.used,
        ).where(col(AllocationRow.consumer_id).in_(list(consumer_ids)))
    )
    for consumer_id, provider_id, resource_class, used in rows:
        found.setdefault(consumer_id, {}).setdefault(provider_id, {})[resource_class] = used
    return found


def _fitting_trees(session: Session, request: ResourceRequest, order: str) -> Iterator[Tree]:
    for root_ids in narrowing.fitting_roots(session, request, order):
        yield from reading.trees(session, root_ids, request)


def _explain(session: Session, request: ResourceRequest, known: set[UUID]) -> Iterator[Refusal]:
    """Why each host cannot, but for those of which it is known."""
    for root_ids in narrowing.all_roots(session, request):
        others = [root_id for root_id in root_ids if root_id not in known]
        for tree in reading.trees(session, others, request):
            yield refuse(tree, request)


@dataclass(frozen=True, slots=True)
class _Take:
    """So much of one class from one provider."""

    provider_id: UUID
    resource_class: str
    amount: int


def _take_stocks(session: Session, taken: Iterable[_Take]) -> None:
    """Move each amount from free to used, or OutOfCapacity."""
    taken = tuple(taken)
    providers = sorted({take.provider_id for take in taken})
    rows = session.exec(
        select(InventoryRow)
        .where(col(InventoryRow.provider_id).in_(providers))
        .execution_options(populate_existing=True)
    )
    stocks = {(row.provider_id, row.resource_class): reading.stock_of(row) for row in rows}
    for take in taken:
        stock = stocks.get((take.provider_id, take.resource_class))
        code = misfit(stock, take.amount) if stock is not None else "resource_class_short"
        if code is not None or not _move(session, take):
            raise OutOfCapacity(
                f"{take.amount} {take.resource_class} no longer fit into "
                f"resource provider {take.provider_id}",
                provider=str(take.provider_id), resource_class=take.resource_class, needed=take.amount,
                reason=code or "resource_class_short",
            )  # fmt: skip


def _move(session: Session, take: _Take) -> bool:
    """The condition is repeated here, where it counts: in the statement that takes."""
    moved = session.exec(
        update(InventoryRow)
        .where(
            col(InventoryRow.provider_id) == take.provider_id,
            col(InventoryRow.resource_class) == take.resource_class,
            col(InventoryRow.free) >= take.amount,
        )
        .values(used=InventoryRow.used + take.amount, free=InventoryRow.free - take.amount)
        .execution_options(synchronize_session=False)
    )
    return bool(moved.rowcount == 1)
