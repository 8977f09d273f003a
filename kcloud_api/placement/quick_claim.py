"""The usual claim: writes what a new consumer shall hold in one statement of PostgreSQL, if all of it fits.

It does what claiming.replace does, in the same order: it locks the trees, takes only what is free when it
takes it, and only then makes the consumer. Where anything is not as it should be it answers no, and
claiming.replace, in a transaction of its own, finds out what and says it.

Each part reads the tables as they were when the statement began, perhaps before it waited for a lock; but
rows that it changes are looked at again as they are then, and with them every condition on them. So the
conditions are all on rows that it changes. A tree that lost or got a provider meanwhile has other roots in
its inventories.
"""

import orjson
from sqlmodel import Session

from kcloud_api.db import straight
from kcloud_api.db.columns import utcnow
from kcloud_api.placement.claim_plan import AllocationWant
from kcloud_api.placement.snapshot import journal

MOST = 2**62
"""A larger amount fits nowhere, and is no number of the database's."""

CLAIM = """
WITH asked AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset(%(asked)s::jsonb)
        AS one (provider uuid, class text, amount bigint)
), trees AS MATERIALIZED (
    SELECT p.id AS provider, root.id AS root
    FROM placement_provider p JOIN placement_provider root ON root.id = p.root_id
    WHERE p.id = ANY(ARRAY(SELECT provider FROM asked))
    ORDER BY root.id
    FOR UPDATE OF root
), taken AS (
    UPDATE placement_inventory i SET used = i.used + asked.amount, free = i.free - asked.amount
    FROM asked JOIN trees USING (provider)
    WHERE i.provider_id = asked.provider AND i.resource_class = asked.class AND i.root_id = trees.root
        AND i.free >= asked.amount AND asked.amount BETWEEN i.min_unit AND i.max_unit
        AND asked.amount %% i.step_size = 0
    RETURNING 1
), made AS (
    INSERT INTO placement_consumer (id, project_id, user_id, generation, type, updated_at)
    SELECT %(consumer)s::uuid, %(project)s, %(user)s, 1, %(type)s, %(now)s::timestamptz
    WHERE (SELECT count(*) FROM taken) = %(count)s::bigint
    ON CONFLICT DO NOTHING
    RETURNING 1
), raised AS (
    UPDATE placement_provider p SET generation = p.generation + 1, updated_at = %(now)s::timestamptz
    FROM trees, made
    WHERE p.id = trees.provider
), held AS (
    INSERT INTO placement_allocation (consumer_id, provider_id, resource_class, used, updated_at)
    SELECT %(consumer)s::uuid, asked.provider, asked.class, asked.amount, %(now)s::timestamptz
    FROM asked, made
)
INSERT INTO placement_change (transaction, root_id, kind, created_at)
SELECT DISTINCT pg_current_xact_id()::text::bigint, trees.root, %(kind)s, %(now)s::timestamptz
FROM trees, made
RETURNING root_id
"""
"""Nothing in it lets PostgreSQL guess anything from the parameters: it would believe a plan of their own to
be worth making each time, and that takes twice as long as all the rest."""


def is_usual(session: Session, want: AllocationWant) -> bool:
    """Whether it is worth an attempt: a consumer that its client believes to be new, on PostgreSQL."""
    return (
        bool(want.amounts)
        and want.generation is None
        and want.check_generation
        and session.get_bind().dialect.name == "postgresql"
        and all(amount <= MOST for classes in want.amounts.values() for amount in classes.values())
    )


def claimed(session: Session, want: AllocationWant) -> bool:
    """Whether it was done. Else the transaction must be rolled back: it may have taken a part."""
    asked = [
        {"provider": provider, "class": name, "amount": amount}
        for provider, classes in want.amounts.items()
        for name, amount in classes.items()
    ]
    consumer = want.consumer
    said = {
        "asked": orjson.dumps(asked).decode(),
        "count": len(asked),
        "consumer": str(consumer.id),
        "project": consumer.project_id,
        "user": consumer.user_id,
        "type": consumer.type,
        "now": utcnow(),
        "kind": journal.USAGE,
    }
    roots = straight.rows(session.connection(), CLAIM, said)
    journal.remember(session, (root for (root,) in roots))
    return bool(roots)
