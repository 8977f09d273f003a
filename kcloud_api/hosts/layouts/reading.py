"""Reads layouts, and which of them counts for a host: its own, else its group's, else the one for all."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, Select, bindparam, or_
from sqlalchemy import select as select_columns
from sqlmodel import Session, col, select

from kcloud_api.hosts.layouts.bodies import Target
from kcloud_api.hosts.layouts.records import LayoutRecord, want
from kcloud_api.hosts.layouts.tables import LayoutRow, LayoutTargetRow, LayoutVersionRow
from kcloud_common.wire import CardLayoutWant, LayoutWant

RANK = {"host": 0, "group": 1, "all": 2}
"""The lower goes first."""


Asked = TypeVar("Asked", bound=Select[*tuple[Any, ...]])


def is_newest() -> ColumnElement[bool]:
    return (col(LayoutVersionRow.layout_id) == LayoutRow.id) & (
        col(LayoutVersionRow.version) == LayoutRow.version
    )


def _for_host(statement: Asked) -> Asked:
    """Of the layouts that are for the host `host_name`: one for each kind of target at most."""
    name = col(LayoutTargetRow.host_name)
    return (
        statement.join(LayoutRow, col(LayoutRow.id) == LayoutTargetRow.layout_id)
        .join(LayoutVersionRow, is_newest())
        # As the key has them.
        .where(col(LayoutTargetRow.kind).in_(RANK), or_(name == bindparam("host_name"), name == ""))
    )


# Made once: every host asks this whenever it reads its assignment, and making it takes longer than asking. No
# targets: that of a group names all its hosts.
_WANTED = _for_host(
    select_columns(
        col(LayoutTargetRow.kind), col(LayoutVersionRow.layout_id), col(LayoutVersionRow.version),
        col(LayoutVersionRow.cards),
    )
)  # fmt: skip
_RECORDS = _for_host(select(LayoutTargetRow.kind, LayoutRow, LayoutVersionRow))


def want_of_host(session: Session, host_name: str) -> LayoutWant | None:
    """What the host is told of the layout that counts for it; None: its cards are whole."""
    rows = session.connection().execute(_WANTED, {"host_name": host_name})
    found = min(rows, key=lambda row: RANK[row.kind], default=None)
    return want(found.layout_id, found.version, _cards(found.cards)) if found is not None else None


def of_host(session: Session, host_name: str) -> LayoutRecord | None:
    """The layout that counts for the host: its own, else its group's, else the one for all."""
    rows = session.exec(_RECORDS, params={"host_name": host_name}).all()
    found = min(rows, key=lambda row: RANK[row[0]], default=None)
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
    # One that was deleted since the first statement counts for nobody.
    return {name: records.get(found[1]) if found is not None else None for name, found in ids.items()}


def version_of(session: Session, layout_id: UUID, version: int) -> LayoutVersionRow:
    return session.exec(
        select(LayoutVersionRow).where(
            LayoutVersionRow.layout_id == layout_id, LayoutVersionRow.version == version
        )
    ).one()


def record_of(row: LayoutRow, version: LayoutVersionRow) -> LayoutRecord:
    return LayoutRecord(
        id=row.id, name=row.name, version=version.version, target=Target.model_validate(version.target),
        cards=_cards(version.cards), user_id=version.user_id, created_at=version.created_at,
    )  # fmt: skip


def _cards(kept: Sequence[object]) -> tuple[CardLayoutWant, ...]:
    return tuple(map(CardLayoutWant.model_validate, kept))
