"""Writes allocations: what consumers hold, what of each inventory is used, and the generations of both.

Few statements, whatever the number of consumers and providers, and all reads that decide are made under the
locks of generations.py. Nothing here commits.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import cast
from uuid import UUID

from sqlalchemy import Connection, CursorResult, select
from sqlmodel import Session, col

from kcloud_api.placement import claim_plan, consumers, generations, quick_claim
from kcloud_api.placement import claim_statements as statements
from kcloud_api.placement.capacity import Stock
from kcloud_api.placement.claim_plan import AllocationWant, Amounts, Key, Misfit, Move
from kcloud_api.placement.conflicts import UnknownClass, UnknownProvider
from kcloud_api.placement.names import STANDARD_CLASSES
from kcloud_api.placement.races import Raced, until_won
from kcloud_api.placement.snapshot import journal
from kcloud_api.placement.tables import ResourceClassRow
from kcloud_common.errors import AlreadyExists, OutOfCapacity, StaleGeneration

EASED = -(2**62)
"""Below any `free`: what gives back needs no room."""


@dataclass(frozen=True, slots=True)
class Grounds:
    """What a decision rests on, read under the locks."""

    generations: Mapping[UUID, int]
    roots: Mapping[UUID, UUID]
    stocks: Mapping[Key, Stock]


@dataclass(frozen=True, slots=True)
class Hold:
    """The consumers of a write, locked, with what they hold before it."""

    wants: Sequence[AllocationWant]
    known: Mapping[UUID, int]
    """Generations of those that there were."""
    held: Mapping[UUID, Amounts]


def replace(session: Session, wants: Sequence[AllocationWant]) -> None:
    """Let each consumer hold what it wants and nothing else; one that wants nothing ends.

    StaleGeneration: a client did not know a consumer's generation. UnknownProvider, UnknownClass,
    OutOfCapacity. Raced: begin the transaction again. After any of them the transaction must be rolled back.
    """
    carry_out(session, take_hold(session, wants))


def put(session: Session, want: AllocationWant) -> None:
    """What replace does, for one consumer and as the only work of its transaction, begun again as often as
    it takes. What races.until_won and replace raise, but for Raced."""
    first = quick_claim.is_usual(session, want)

    def work() -> None:
        nonlocal first
        if first:
            first = False
            if quick_claim.claimed(session, want):
                return
            session.rollback()
        replace(session, [want])

    until_won(session, work)


def take_hold(session: Session, wants: Sequence[AllocationWant]) -> Hold:
    """The first half of replace: StaleGeneration, Raced."""
    session.flush()
    connection = session.connection()
    taken = consumers.take(connection, wants)
    return Hold(wants, taken, consumers.held(connection, taken))


def carry_out(session: Session, hold: Hold) -> None:
    """The second half of replace; between them a caller may change inventories."""
    connection = session.connection()
    _settle(session, hold.wants, hold.held)
    consumers.forget(connection, hold.held)
    consumers.write(connection, hold.wants)
    stay = [want.consumer for want in hold.wants if want.amounts and want.consumer.id in hold.known]
    consumers.advance(connection, stay)
    consumers.remove(connection, hold.known.keys() - {each.id for each in stay})


def claim(session: Session, want: AllocationWant, read: Mapping[UUID, int]) -> None:
    """What replace does, for a new consumer. AlreadyExists when there is one, StaleGeneration when `read`
    (providers' generations) is out of date; the others of replace."""
    session.flush()
    connection = session.connection()
    if not consumers.make(connection, [want.consumer]):
        raise AlreadyExists(f"consumer {want.consumer.id} has allocations", consumer=str(want.consumer.id))
    _settle(session, [want], {}, read=read)
    consumers.write(connection, [want])


def _settle(
    session: Session,
    wants: Sequence[AllocationWant],
    held: Mapping[UUID, Amounts],
    *,
    read: Mapping[UUID, int] | None = None,
) -> None:
    """Move what is used of inventories from what is held to what is wanted, and raise the generations of
    the providers that the wants speak of: not of those that only get something back, as upstream does not."""
    wanted = [want.amounts for want in wants]
    changes = claim_plan.moves(held.values(), wanted)
    grounds = _under_lock(session, [*wanted, *held.values()])
    for provider_id in (each for amounts in wanted for each in amounts):
        if provider_id not in grounds.generations:
            raise UnknownProvider(f"Allocation for resource provider '{provider_id}' that does not exist.")
    _refuse_unread(grounds, read or {})
    connection = session.connection()
    _refuse_unfit(connection, claim_plan.misfit(wanted, changes, grounds.stocks))
    _move(connection, changes)
    emptied = [held.get(want.consumer.id, {}) for want in wants if not want.amounts]
    generations.bump(session, {each for amounts in (*wanted, *emptied) for each in amounts})
    journal.touch(session, set(grounds.roots.values()), journal.USAGE)


def release(session: Session, consumer_ids: Collection[UUID]) -> bool:
    """Give back all that these consumers hold; was there any? Generations stay: nobody's plan is spoilt by
    more room. Idempotent."""
    session.flush()
    connection = session.connection()
    held = consumers.held(connection, consumers.lock(connection, consumer_ids))
    if not held:
        return False
    grounds = _under_lock(session, list(held.values()))
    _move(connection, claim_plan.moves(held.values(), ()))
    consumers.forget(connection, held)
    consumers.remove(connection, held)
    journal.touch(session, set(grounds.roots.values()), journal.USAGE)
    return True


def _under_lock(session: Session, sides: Sequence[Amounts]) -> Grounds:
    """Lock the trees and read them as they stand then."""
    providers = {provider_id for amounts in sides for provider_id in amounts}
    classes = {name for amounts in sides for named in amounts.values() for name in named}
    connection = session.connection()
    locked: Mapping[UUID, UUID] | None = None
    if connection.dialect.name != "sqlite":
        locked = generations.lock(session, providers)
    grounds = _read(connection, providers, classes)
    if locked is not None and locked != grounds.roots:
        raise Raced("a resource provider went into another tree, came or went")
    return grounds


def _read(connection: Connection, providers: Collection[UUID], classes: Collection[str]) -> Grounds:
    rows = connection.execute(statements.GROUNDS, {"ids": sorted(providers), "names": sorted(classes)})
    read: dict[UUID, int] = {}
    roots: dict[UUID, UUID] = {}
    stocks: dict[Key, Stock] = {}
    for provider_id, root_id, generation, name, *amounts in rows:
        read[provider_id] = generation
        roots[provider_id] = root_id
        if name is not None:
            stocks[provider_id, name] = Stock(*amounts)
    return Grounds(read, roots, stocks)


def _refuse_unread(grounds: Grounds, read: Mapping[UUID, int]) -> None:
    for provider_id, generation in read.items():
        if grounds.generations.get(provider_id) != generation:
            raise StaleGeneration(
                "resource provider generation conflict: read it again, then retry", provider=str(provider_id)
            )


def _refuse_unfit(connection: Connection, found: Misfit | None) -> None:
    if found is None:
        return
    if found.reason == "no_inventory":
        refuse_unknown(connection, found.resource_class.split(", "))
    raise OutOfCapacity(
        found.sentence, provider=str(found.provider_id), resource_class=found.resource_class,
        needed=found.amount, reason=found.reason,
    )  # fmt: skip


def refuse_unknown(connection: Connection, classes: Collection[str]) -> None:
    """UnknownClass: a class that does not exist is another mistake than one that a provider lacks."""
    asked = sorted(set(classes).difference(STANDARD_CLASSES))
    if not asked:
        return
    named = select(col(ResourceClassRow.name)).where(col(ResourceClassRow.name).in_(asked))
    unknown = set(asked).difference(connection.execute(named).scalars())
    if unknown:
        raise UnknownClass(f"No such resource class {min(unknown)}.")


def _move(connection: Connection, changes: Sequence[Move]) -> None:
    if not changes:
        return
    rows = [
        {
            "provider": move.provider_id, "name": move.resource_class, "change": move.change,
            "room": move.change if move.change > 0 else EASED,
        }
        for move in changes
    ]  # fmt: skip
    moved = cast("CursorResult[object]", connection.execute(statements.MOVE, rows))
    if moved.rowcount != len(rows):
        raise Raced("an inventory changed under its lock")
