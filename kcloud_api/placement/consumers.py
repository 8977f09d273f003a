"""Keeps the rows of consumers: locks them, finds what they hold, raises their generations."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from uuid import UUID

from sqlalchemy import Connection

from kcloud_api.db.columns import utcnow
from kcloud_api.placement import claim_statements as statements
from kcloud_api.placement.claim_plan import AllocationWant, Amounts, ConsumerRecord
from kcloud_api.placement.races import Raced
from kcloud_common.errors import StaleGeneration


def take(connection: Connection, wants: Sequence[AllocationWant]) -> Mapping[UUID, int]:
    """Lock the consumers of these wants until the transaction ends, making those that are new; the
    generations of the others.

    StaleGeneration where a client did not know a consumer's generation.
    """
    fresh = [want for want in wants if want.amounts and _may_be_new(want)]
    made = make(connection, [want.consumer for want in fresh])
    others = [want for want in wants if want.consumer.id not in made]
    known = lock(connection, [want.consumer.id for want in others])
    for want in others:
        _check(want, known.get(want.consumer.id))
    return known


def make(connection: Connection, consumers: Iterable[ConsumerRecord]) -> frozenset[UUID]:
    """Insert those that do not exist; which they were. Who asks for the same one meanwhile waits here."""
    rows = [
        {
            "id": each.id, "project_id": each.project_id, "user_id": each.user_id,
            "generation": 1, "type": each.type, "updated_at": utcnow(),
        }
        for each in sorted(consumers, key=lambda each: each.id)
    ]  # fmt: skip
    if not rows:
        return frozenset()
    statement = statements.make_consumer(connection.dialect.name)
    return frozenset(connection.execute(statement, rows).scalars())


def lock(connection: Connection, consumer_ids: Collection[UUID]) -> Mapping[UUID, int]:
    """Hold these consumers until the transaction ends; the generations of those that exist."""
    if not consumer_ids:
        return {}
    rows = connection.execute(statements.LOCK_CONSUMERS, {"ids": sorted(consumer_ids)})
    return dict(rows.all())


def held(connection: Connection, consumer_ids: Collection[UUID]) -> Mapping[UUID, Amounts]:
    """What these consumers hold; those that hold nothing lack."""
    if not consumer_ids:
        return {}
    found: dict[UUID, dict[UUID, dict[str, int]]] = {}
    rows = connection.execute(statements.HELD, {"ids": sorted(consumer_ids)})
    for consumer_id, provider_id, name, used in rows:
        found.setdefault(consumer_id, {}).setdefault(provider_id, {})[name] = used
    return found


def advance(connection: Connection, consumers: Sequence[ConsumerRecord]) -> None:
    """Raise the generations (call `lock` first) and write whose the consumers now are."""
    if not consumers:
        return
    rows = [
        {
            "key": each.id, "project": each.project_id, "user": each.user_id, "kind": each.type,
            "now": utcnow(),
        }
        for each in consumers
    ]  # fmt: skip
    connection.execute(statements.RAISE_CONSUMER, rows)


def write(connection: Connection, wants: Iterable[AllocationWant]) -> None:
    """Insert what consumers shall hold; what they held before has been forgotten."""
    now = utcnow()
    rows = [
        {
            "consumer_id": want.consumer.id, "provider_id": provider_id,
            "resource_class": name, "used": used, "updated_at": now,
        }
        for want in wants
        for provider_id, classes in want.amounts.items()
        for name, used in classes.items()
    ]  # fmt: skip
    if rows:
        connection.execute(statements.WRITE, rows)


def forget(connection: Connection, consumer_ids: Collection[UUID]) -> None:
    """Remove what these consumers hold."""
    if consumer_ids:
        connection.execute(statements.FORGET, {"ids": sorted(consumer_ids)})


def remove(connection: Connection, consumer_ids: Collection[UUID]) -> None:
    """Remove consumers that hold nothing any more."""
    if consumer_ids:
        connection.execute(statements.REMOVE_CONSUMERS, {"ids": sorted(consumer_ids)})


def _may_be_new(want: AllocationWant) -> bool:
    return want.generation is None or not want.check_generation


def _check(want: AllocationWant, known: int | None) -> None:
    if not want.check_generation:
        if known is None and want.amounts:
            raise Raced(f"consumer {want.consumer.id} went while it was looked at")
        return
    if known != want.generation:
        expected = "null" if known is None else known
        raise StaleGeneration(f"consumer generation conflict - expected {expected} but got {want.generation}")
