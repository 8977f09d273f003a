"""The statements of a write of allocations, built once: building one costs as much as running it.

Lists are bound as `ids` and `names`; a statement that is run for many rows has names of its own for theirs.
"""

from functools import cache

from sqlalchemy import BindParameter, Insert, and_, bindparam, delete, func, insert, select, update
from sqlmodel import SQLModel

from kcloud_api.placement import tables

_tables = SQLModel.metadata.tables
PROVIDER = _tables[str(tables.ProviderRow.__tablename__)]
INVENTORY = _tables[str(tables.InventoryRow.__tablename__)]
CONSUMER = _tables[str(tables.ConsumerRow.__tablename__)]
ALLOCATION = _tables[str(tables.AllocationRow.__tablename__)]
ROOT = PROVIDER.alias("root")

IDS: BindParameter[object] = bindparam("ids", expanding=True)
NAMES: BindParameter[object] = bindparam("names", expanding=True)

LOCK_TREES = (
    select(PROVIDER.c.id, ROOT.c.id)
    .join(ROOT, PROVIDER.c.root_id == ROOT.c.id)
    .where(PROVIDER.c.id.in_(IDS))
    .order_by(ROOT.c.id)
    .with_for_update(of=ROOT)
)
RAISE_PROVIDERS = (
    update(PROVIDER)
    .where(PROVIDER.c.id.in_(IDS))
    .values(generation=PROVIDER.c.generation + bindparam("by"), updated_at=bindparam("now"))
)

LOCK_CONSUMERS = (
    select(CONSUMER.c.id, CONSUMER.c.generation)
    .where(CONSUMER.c.id.in_(IDS))
    .order_by(CONSUMER.c.id)
    .with_for_update()
)
RAISE_CONSUMER = (
    update(CONSUMER)
    .where(CONSUMER.c.id == bindparam("key"))
    .values(
        generation=CONSUMER.c.generation + 1,
        project_id=bindparam("project"),
        user_id=bindparam("user"),
        # Who does not say leaves the type as it is.
        type=func.coalesce(bindparam("kind", type_=CONSUMER.c.type.type), CONSUMER.c.type),
        updated_at=bindparam("now"),
    )
)
REMOVE_CONSUMERS = delete(CONSUMER).where(CONSUMER.c.id.in_(IDS))

HELD = select(
    ALLOCATION.c.consumer_id, ALLOCATION.c.provider_id, ALLOCATION.c.resource_class, ALLOCATION.c.used
).where(ALLOCATION.c.consumer_id.in_(IDS))
FORGET = delete(ALLOCATION).where(ALLOCATION.c.consumer_id.in_(IDS))
WRITE = insert(ALLOCATION)

GROUNDS = (
    select(
        PROVIDER.c.id, PROVIDER.c.root_id, PROVIDER.c.generation, INVENTORY.c.resource_class,
        INVENTORY.c.total, INVENTORY.c.reserved, INVENTORY.c.min_unit, INVENTORY.c.max_unit,
        INVENTORY.c.step_size, INVENTORY.c.allocation_ratio, INVENTORY.c.used,
    )
    .select_from(
        PROVIDER.outerjoin(
            INVENTORY, and_(INVENTORY.c.provider_id == PROVIDER.c.id, INVENTORY.c.resource_class.in_(NAMES))
        )
    )
    .where(PROVIDER.c.id.in_(IDS))
)  # fmt: skip
"""The last columns are in the order of Stock's fields."""
MOVE = (
    update(INVENTORY)
    .where(
        INVENTORY.c.provider_id == bindparam("provider"),
        INVENTORY.c.resource_class == bindparam("name"),
        # The condition is repeated here, where it counts: in the statement that takes.
        INVENTORY.c.free >= bindparam("room"),
    )
    .values(used=INVENTORY.c.used + bindparam("change"), free=INVENTORY.c.free - bindparam("change"))
)


@cache
def make_consumer(dialect: str) -> Insert:
    """Insert a consumer unless there is one; answers the id if there was none."""
    # Only the dialect in use is imported: PostgreSQL's alone is a tenth of a second of a start on SQLite.
    if dialect == "postgresql":
        from sqlalchemy.dialects import postgresql

        return postgresql.insert(CONSUMER).on_conflict_do_nothing().returning(CONSUMER.c.id)
    from sqlalchemy.dialects import sqlite

    return sqlite.insert(CONSUMER).on_conflict_do_nothing().returning(CONSUMER.c.id)
