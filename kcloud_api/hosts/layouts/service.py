"""Makes, changes and resolves layouts. Of two that would be for one host in the same way, the second is
refused: so each host has one, and who asks always gets the same."""

import logging
from dataclasses import replace
from uuid import UUID, uuid4

from sqlalchemy import delete, insert
from sqlalchemy import select as select_columns
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

from kcloud_api.compute import assigning
from kcloud_api.db.columns import utcnow
from kcloud_api.hosts.layouts.bodies import LayoutBody, LayoutChange, LayoutTrial, Target, check
from kcloud_api.hosts.layouts.reading import (
    RANK,
    is_newest,
    of_host,
    record_of,
    version_of,
    want_of_host,
)
from kcloud_api.hosts.layouts.records import LayoutRecord
from kcloud_api.hosts.layouts.tables import LayoutRow, LayoutTargetRow, LayoutVersionRow
from kcloud_api.hosts.tables import HostRow
from kcloud_common.errors import AlreadyExists, BadRequest, Conflict, NotFound, StaleGeneration
from kcloud_common.wire import CardLayoutWant

__all__ = ["change", "create", "get", "of_host", "on_trial", "page", "remove", "versions", "want_of_host"]

log = logging.getLogger(__name__)


def create(session: Session, body: LayoutBody, user_id: str) -> LayoutRecord:
    """AlreadyExists for a name that is taken, Conflict for a host that has such a layout."""
    check(body.cards)
    now = utcnow()
    row = LayoutRow(id=uuid4(), name=body.name, version=1, created_at=now, updated_at=now)
    _refuse_taken_name(session, body.name, row.id)
    session.add(row)
    _flush_name(session, body.name)
    _aim(session, row, body.target)
    record = _add_version(session, row, (body.target, body.cards), user_id)
    _wake(session, body.target)
    _tell("layout_made", record)
    return record


def change(session: Session, layout_id: UUID, asked: LayoutChange, user_id: str) -> LayoutRecord:
    """A new version, even where it says what the last one said. The hosts of both hear of it."""
    check(asked.cards or ())
    row = _locked(session, layout_id)
    if asked.version not in (None, row.version):
        raise StaleGeneration(f"Layout {row.name!r} is at version {row.version}: look at it again.")
    before = record_of(row, version_of(session, row.id, row.version))
    target = asked.target or before.target
    cards = before.cards if asked.cards is None else asked.cards
    if asked.name is not None:
        _refuse_taken_name(session, asked.name, row.id)
        row.name = asked.name
        _flush_name(session, asked.name)
    row.version += 1
    row.updated_at = utcnow()
    if target != before.target:
        session.exec(delete(LayoutTargetRow).where(col(LayoutTargetRow.layout_id) == row.id))
        _aim(session, row, target)
    record = _add_version(session, row, (target, cards), user_id)
    _wake(session, before.target, target)
    _tell("layout_changed", record)
    return record


def remove(session: Session, layout_id: UUID) -> None:
    """With all its versions. Its hosts fall back to what else there is for them, or to whole cards."""
    row = _locked(session, layout_id)
    before = record_of(row, version_of(session, row.id, row.version))
    session.exec(delete(LayoutTargetRow).where(col(LayoutTargetRow.layout_id) == row.id))
    session.exec(delete(LayoutVersionRow).where(col(LayoutVersionRow.layout_id) == row.id))
    session.delete(row)
    session.flush()
    _wake(session, before.target)
    _tell("layout_removed", before)


def get(session: Session, layout_id: UUID) -> LayoutRecord:
    """The newest version. NotFound."""
    row = session.get(LayoutRow, layout_id)
    if row is None:
        raise NotFound(f"Layout {layout_id} could not be found.")
    return record_of(row, version_of(session, row.id, row.version))


def page(session: Session, *, limit: int, marker: UUID | None) -> tuple[tuple[LayoutRecord, ...], bool]:
    """Layouts by name in their newest versions, and whether more follow."""
    query = (
        select(LayoutRow, LayoutVersionRow)
        .join(LayoutVersionRow, is_newest())
        .order_by(LayoutRow.name)
        .limit(limit + 1)
    )
    if marker is not None:
        last = session.get(LayoutRow, marker)
        if last is None:
            raise BadRequest(f"marker [{marker}] not found", field="marker")
        query = query.where(col(LayoutRow.name) > last.name)
    rows = session.exec(query).all()
    return tuple(record_of(row, version) for row, version in rows[:limit]), len(rows) > limit


def versions(
    session: Session, layout_id: UUID, *, limit: int, before: int | None
) -> tuple[tuple[LayoutRecord, ...], bool]:
    """What the layout said, newest first, from below the version `before`; whether more follow. NotFound."""
    row = session.get(LayoutRow, layout_id)
    if row is None:
        raise NotFound(f"Layout {layout_id} could not be found.")
    query = (
        select(LayoutVersionRow)
        .where(LayoutVersionRow.layout_id == layout_id)
        .order_by(col(LayoutVersionRow.version).desc())
        .limit(limit + 1)
    )
    if before is not None:
        query = query.where(col(LayoutVersionRow.version) < before)
    rows = session.exec(query).all()
    return tuple(record_of(row, version) for version in rows[:limit]), len(rows) > limit


def on_trial(session: Session, asked: LayoutTrial) -> tuple[LayoutRecord, LayoutRecord | None]:
    """The layout as it would be, and as it is. Raises what making or changing it would raise."""
    old = get(session, asked.layout_id) if asked.layout_id is not None else None
    if old is not None and asked.version not in (None, old.version):
        raise StaleGeneration(f"Layout {old.name!r} is at version {old.version}: look at it again.")
    base = old or LayoutRecord(uuid4(), "", 0, Target(kind="all"), (), "", utcnow())
    new = replace(
        base,
        version=base.version + 1,
        name=base.name if asked.name is None else asked.name,
        target=base.target if asked.target is None else asked.target,
        cards=base.cards if asked.cards is None else asked.cards,
    )
    _refuse_taken_name(session, new.name, new.id)
    _refuse_taken_target(session, new.target, new.id)
    return new, old


def _wake(session: Session, *targets: Target) -> None:
    """Have every host that may be concerned look at its assignment again."""
    if any(target.kind == "all" for target in targets):
        # Those with a nearer layout hear nothing new, unless it is this one that comes or goes.
        nearer = select_columns(col(LayoutTargetRow.host_name)).where(
            col(LayoutTargetRow.kind).in_([kind for kind in RANK if kind != "all"])
        )
        own = {name for target in targets for name in target.hosts}
        assigning.changed_all(session, but=nearer.where(col(LayoutTargetRow.host_name).not_in(own)))
    else:
        named = {name for target in targets for name in target.hosts}
        assigning.changed_of(
            session, session.exec(select(HostRow.id).where(col(HostRow.name).in_(named))).all()
        )


def _aim(session: Session, row: LayoutRow, target: Target) -> None:
    _refuse_taken_target(session, target, row.id)
    # In one order, so that two groups made at once queue and never wait for each other in a circle.
    rows = [{"kind": target.kind, "host_name": name, "layout_id": row.id} for name in sorted(target.names)]
    try:
        session.flush()
        session.connection().execute(insert(LayoutTargetRow), rows)
    except IntegrityError as error:
        raise Conflict(
            "Another layout for the same hosts was made at this moment: look, and retry."
        ) from error


def _add_version(
    session: Session, row: LayoutRow, said: tuple[Target, tuple[CardLayoutWant, ...]], user_id: str
) -> LayoutRecord:
    target, cards = said
    version = LayoutVersionRow(
        layout_id=row.id, version=row.version, target=target.model_dump(mode="json"),
        cards=[card.model_dump(mode="json") for card in cards], user_id=user_id, created_at=utcnow(),
    )  # fmt: skip
    session.add(version)
    session.flush()
    return record_of(row, version)


def _refuse_taken_target(session: Session, target: Target, layout_id: UUID) -> None:
    taken = session.exec(
        select(LayoutTargetRow.host_name, LayoutRow.name, LayoutRow.id)
        .join(LayoutRow, col(LayoutRow.id) == LayoutTargetRow.layout_id)
        .where(
            LayoutTargetRow.kind == target.kind,
            col(LayoutTargetRow.host_name).in_(target.names),
            LayoutTargetRow.layout_id != layout_id,
        )
        .order_by(col(LayoutTargetRow.host_name))
        .limit(1)
    ).first()
    if taken is not None:
        host_name, name, id_ = taken
        who = f"host {host_name}, as a target of kind {target.kind!r}" if host_name else "all hosts"
        raise Conflict(f"Layout {name!r} ({id_}) is already for {who}.", layout=str(id_))


def _refuse_taken_name(session: Session, name: str, layout_id: UUID) -> None:
    other = session.exec(
        select(LayoutRow.id).where(LayoutRow.name == name, LayoutRow.id != layout_id)
    ).first()
    if other is not None:
        raise AlreadyExists(f"A layout named {name!r} exists ({other}).", layout=str(other))


def _flush_name(session: Session, name: str) -> None:
    try:
        session.flush()
    except IntegrityError as error:
        raise AlreadyExists(f"Another layout named {name!r} was made at this moment.") from error


def _locked(session: Session, layout_id: UUID) -> LayoutRow:
    row = session.exec(
        select(LayoutRow)
        .where(LayoutRow.id == layout_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).first()
    if row is None:
        raise NotFound(f"Layout {layout_id} could not be found.")
    return row


def _tell(event: str, layout: LayoutRecord) -> None:
    """Why hosts cut their cards from then on."""
    facts = {"layout": layout.name, "layout_id": str(layout.id), "version": layout.version}
    log.info(event, extra={**facts, "target": str(layout.target.kind)})
