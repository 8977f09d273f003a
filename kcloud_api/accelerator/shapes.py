"""Keeps which sorts of slices there are, for tenants: classes, shares, memory and policies; no hosts, no
numbers. Kept by itself, so that no tenant's question looks through all devices."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from uuid import UUID, uuid5

from sqlalchemy import ColumnElement, Executable, delete, exists
from sqlmodel import Session, col, select

from kcloud_api.accelerator.inventory import MISSING
from kcloud_api.accelerator.records import Shape
from kcloud_api.accelerator.tables import DeviceRow, ShapeRow
from kcloud_api.db.chunks import chunks
from kcloud_api.placement.names import canonical_class
from kcloud_common.wire import DeviceReport, Sharing

SHAPES = UUID("8a0f6f0c-9b0c-4e55-8b58-2f7e2a1f4c1d")
"""Namespace of the ids."""


def shape_of(device: DeviceReport) -> Shape:
    """Equal ones have equal ids."""
    sharing = device.sharing or Sharing()
    facts = (
        canonical_class(device.resource_class), device.kind.value, device.share, device.memory_mib,
        sharing.policy.value if sharing.policy else None, sharing.quantum_us, sharing.preempt_timeout_us,
        sharing.weight,
    )  # fmt: skip
    return Shape(uuid5(SHAPES, repr(facts)), *facts)


def add(session: Session, devices: Iterable[DeviceReport]) -> None:
    """Make those that are not there yet, whoever makes them meanwhile. None of them is forgotten before this
    transaction ends."""
    found = {shape.id: shape for shape in map(shape_of, devices)}
    known: set[UUID] = set()
    for part in chunks(sorted(found)):
        held = select(ShapeRow.id).where(col(ShapeRow.id).in_(part)).order_by(col(ShapeRow.id))
        known.update(session.exec(held.with_for_update(read=True, key_share=True)))
    values = [asdict(found[id_]) for id_ in sorted(found.keys() - known)]
    if not values:
        return
    # Only the dialect in use is imported, as in placement/syncing.py.
    if session.get_bind().dialect.name == "postgresql":
        from sqlalchemy.dialects import postgresql

        statement: Executable = postgresql.insert(ShapeRow).on_conflict_do_nothing()
    else:
        from sqlalchemy.dialects import sqlite

        statement = sqlite.insert(ShapeRow).on_conflict_do_nothing()
    session.connection().execute(statement, values)


def any_unused(session: Session) -> bool:
    """Whether `forget_unused` would find one."""
    return session.exec(select(ShapeRow.id).where(~_is_used()).limit(1)).first() is not None


def forget_unused(session: Session, most: int) -> int:
    """Forget at most so many of those that no device has; how many went. Those that a report is just about
    to use stay: it holds them (see `add`)."""
    free = select(ShapeRow.id).where(~_is_used()).order_by(col(ShapeRow.id)).limit(most)
    ids = session.exec(free.with_for_update(skip_locked=True)).all()
    if not ids:
        return 0
    # Asked again: what was committed before the lock was got is visible only to a new statement.
    return session.exec(delete(ShapeRow).where(col(ShapeRow.id).in_(ids), ~_is_used())).rowcount


def page(session: Session, *, limit: int, marker: UUID | None) -> tuple[tuple[Shape, ...], bool]:
    """At most `limit` of the sorts of which some host has a slice, by id after `marker`; whether more
    follow."""
    statement = select(ShapeRow).where(_is_there()).order_by(col(ShapeRow.id)).limit(limit + 1)
    if marker is not None:
        statement = statement.where(col(ShapeRow.id) > marker)
    rows = session.exec(statement).all()
    return tuple(map(shape_record, rows[:limit])), len(rows) > limit


def of_classes(session: Session, classes: Iterable[str]) -> dict[str, list[Shape]]:
    """The sorts of which some host has a slice, by resource class."""
    found: dict[str, list[Shape]] = {}
    asked = sorted(set(classes))
    if not asked:
        return found
    rows: Sequence[ShapeRow] = session.exec(
        select(ShapeRow).where(col(ShapeRow.resource_class).in_(asked), _is_there())
    ).all()
    for row in rows:
        found.setdefault(row.resource_class, []).append(shape_record(row))
    return found


def _is_used() -> ColumnElement[bool]:
    return exists().where(col(DeviceRow.shape_id) == col(ShapeRow.id))


def _is_there() -> ColumnElement[bool]:
    return exists().where(col(DeviceRow.shape_id) == col(ShapeRow.id), col(DeviceRow.state) != MISSING)


def shape_record(row: ShapeRow) -> Shape:
    return Shape(
        row.id, row.resource_class, row.kind, row.share, row.memory_mib, row.policy, row.quantum_us,
        row.preempt_timeout_us, row.weight,
    )  # fmt: skip
