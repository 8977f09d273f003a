"""Reads layouts, and which of them counts for a host: its own, else its group's, else the one for all."""

from collections.abc import Collection, Mapping
from typing import cast
from uuid import UUID

from sqlalchemy import ColumnElement
from sqlmodel import Session, col, select

from kcloud_api.hosts.layouts.bodies import Target
from kcloud_api.hosts.layouts.records import LayoutRecord
from kcloud_api.hosts.layouts.tables import LayoutRow, LayoutTargetRow, LayoutVersionRow
from kcloud_common.wire import CardLayoutWant

RANK = {"host": 0, "group": 1, "all": 2}
"""The lower goes first."""


def of_host(session: Session, host_name: str) -> LayoutRecord | None:
    """The layout that counts for the host: its own, else its group's, else the one for all."""
    rows = session.exec(
        select(LayoutTargetRow.kind, LayoutRow, LayoutVersionRow)
        .join(LayoutRow, col(LayoutRow.id) == LayoutTargetRow.layout_id)
        .join(LayoutVersionRow, is_newest())
        # As the key has them: every host asks this whenever it reads its assignment.
        .where(col(LayoutTargetRow.kind).in_(RANK), col(LayoutTargetRow.host_name).in_([host_name, ""]))
    ).all()
    found = min(rows, key=lambda found: RANK[found[0]], default=None)
    return record_of(found[1], found[2]) if found is not None else None


def in_force(
    session: Session, host_names: Collection[str], *, without: UUID | None = None
) -> Mapping[str, LayoutRecord | None]:
    """The layout that counts for each of these hosts, as if the layout `without` were not there. For a page
    of hosts: all of it in two statements."""
    targets = session.exec(
        select(LayoutTargetRow.kind, LayoutTargetRow.host_name, LayoutTargetRow.layout_id).where(
            col(LayoutTargetRow.kind).in_(RANK), col(LayoutTargetRow.host_name).in_([*host_names, ""])
        )
    ).all()
    best: dict[str, tuple[int, UUID]] = {}
    for kind, name, layout_id in targets:
        if layout_id != without:
            best[name] = min(best.get(name, (len(RANK), layout_id)), (RANK[kind], layout_id))
    for_all = best.get("")
    ids = {name: best.get(name, for_all) for name in host_names}
    rows = session.exec(
        select(LayoutRow, LayoutVersionRow)
        .join(LayoutVersionRow, is_newest())
        .where(col(LayoutRow.id).in_({found[1] for found in ids.values() if found is not None}))
    ).all()
    records = {row.id: record_of(row, version) for row, version in rows}
    return {name: records[found[1]] if found is not None else None for name, found in ids.items()}


def is_newest() -> ColumnElement[bool]:
    return (col(LayoutVersionRow.layout_id) == LayoutRow.id) & (
        col(LayoutVersionRow.version) == LayoutRow.version
    )


def version_of(session: Session, layout_id: UUID, version: int) -> LayoutVersionRow:
    return session.exec(
        select(LayoutVersionRow).where(
            LayoutVersionRow.layout_id == layout_id, LayoutVersionRow.version == version
        )
    ).one()


def record_of(row: LayoutRow, version: LayoutVersionRow) -> LayoutRecord:
    return LayoutRecord(
        id=row.id, name=row.name, version=version.version, target=Target.model_validate(version.target),
        cards=tuple(CardLayoutWant.model_validate(card) for card in cast("list[object]", version.cards)),
        user_id=version.user_id, created_at=version.created_at,
    )  # fmt: skip
