"""Lets go what nobody asks for any more: old certificates and leases, sorts of slices that no device has, and
clean devices of hosts that were deleted long ago.

A chain of certificates is cut from its old end alone, and the cut leaves an anchor: number and hash of the
last one that went, to which the first that stays must fit. All of it a bounded part at a time.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Executable, bindparam, delete
from sqlalchemy import select as select_columns
from sqlmodel import Session, col, select
from sqlmodel.sql.expression import SelectOfScalar

from kcloud_api.accelerator import shapes
from kcloud_api.accelerator.tables import AnchorRow, CertificateRow, DeviceRow, LeaseRow
from kcloud_api.db.columns import utcnow

BATCH = 500
PRUNED = "pruned"

Chain = tuple[UUID, int]
"""A device's id, and the number of its chain."""


@dataclass(frozen=True, slots=True)
class Ages:
    """Seconds for which things are kept once they are over."""

    certificates: float
    leases: float


def any_old(session: Session, ages: Ages) -> bool:
    """Whether `forget_old` would find something; asked without a write transaction."""
    questions = (
        select(CertificateRow.id).where(col(CertificateRow.superseded_at) < _ago(ages.certificates)),
        select(LeaseRow.id).where(col(LeaseRow.ended_at) < _ago(ages.leases)),
        _forgettable(ages),
    )
    return any(session.exec(question.limit(1)).first() is not None for question in questions) or (
        shapes.any_unused(session)
    )


def forget_old(session: Session, ages: Ages) -> bool:
    """One part of each; whether there may be more."""
    gone = (
        _forget_certificates(session, _ago(ages.certificates)),
        _forget_leases(session, _ago(ages.leases)),
        _forget_devices(session, ages),
        shapes.forget_unused(session, BATCH),
    )
    return max(gone) >= BATCH


def _forget_certificates(session: Session, before: datetime) -> int:
    rows = session.exec(
        select(CertificateRow)
        .where(col(CertificateRow.superseded_at) < before)
        .order_by(col(CertificateRow.superseded_at), col(CertificateRow.sequence))
        .limit(BATCH)
    ).all()
    # The newest of a living chain is never among them: it was not followed by any.
    lasts: dict[Chain, CertificateRow] = {}
    for row in sorted(rows, key=lambda row: row.sequence):
        lasts[row.device_id, row.chain] = row
    if not lasts:
        return 0
    # Up to the last, be one of those before it younger by the clock: a chain gets no holes.
    ends = [{"of": id_, "number": chain, "last": row.sequence} for (id_, chain), row in lasts.items()]
    session.connection().execute(_CUT, ends)
    _anchor(session, lasts)
    return len(rows)


_CUT = delete(CertificateRow).where(
    col(CertificateRow.device_id) == bindparam("of"),
    col(CertificateRow.chain) == bindparam("number"),
    col(CertificateRow.sequence) <= bindparam("last"),
)


def _anchor(session: Session, lasts: dict[Chain, CertificateRow]) -> None:
    """Say where each chain begins now; of one of which nothing is left (its host is gone) nothing is said."""
    device, chain = col(CertificateRow.device_id), col(CertificateRow.chain)
    ids = sorted({id_ for id_, _ in lasts})
    left = session.connection().execute(
        select_columns(device, chain).where(device.in_(ids)).group_by(device, chain)
    )
    kept = {(id_, number) for id_, number in left}
    anchors = [_facts(row) for key, row in lasts.items() if key in kept]
    if anchors:
        session.connection().execute(_anchoring(session), anchors)
    ended = [{"of": id_, "number": number} for id_, number in lasts.keys() - kept]
    if ended:
        gone = delete(AnchorRow).where(
            col(AnchorRow.device_id) == bindparam("of"), col(AnchorRow.chain) == bindparam("number")
        )
        session.connection().execute(gone, ended)


def _facts(row: CertificateRow) -> dict[str, object]:
    return {
        "device_id": row.device_id, "chain": row.chain, "host_id": row.host_id,
        "device": str(row.body["device"]), "sequence": row.sequence, "hash": row.hash, "reason": PRUNED,
        "made_at": utcnow(),
    }  # fmt: skip


def _anchoring(session: Session) -> Executable:
    """An anchor is only ever moved on: two controllers may be at it."""
    if session.get_bind().dialect.name == "postgresql":
        from sqlalchemy.dialects.postgresql import insert
    else:
        from sqlalchemy.dialects.sqlite import insert  # type: ignore[assignment]
    new = insert(AnchorRow)
    moved = {name: new.excluded[name] for name in ("sequence", "hash", "reason", "made_at")}
    return new.on_conflict_do_update(
        index_elements=["device_id", "chain"], set_=moved,
        where=col(AnchorRow.sequence) < new.excluded["sequence"],
    )  # fmt: skip


def _forget_leases(session: Session, before: datetime) -> int:
    old = (
        select(LeaseRow.id)
        .where(col(LeaseRow.ended_at) < before)
        .order_by(col(LeaseRow.ended_at))
        .limit(BATCH)
    )
    return session.exec(delete(LeaseRow).where(col(LeaseRow.id).in_(old))).rowcount


def _forget_devices(session: Session, ages: Ages) -> int:
    old = _forgettable(ages).limit(BATCH)
    return session.exec(delete(DeviceRow).where(col(DeviceRow.id).in_(old))).rowcount


def _forgettable(ages: Ages) -> SelectOfScalar[UUID]:
    """Devices of deleted hosts that were left clean, and that no operator wants anything of."""
    return select(DeviceRow.id).where(
        col(DeviceRow.departed_from).is_not(None),
        col(DeviceRow.last_seen) < _ago(ages.leases),
        col(DeviceRow.maintenance).is_(False),
        col(DeviceRow.quarantine_reason) == "",
        col(DeviceRow.begun_generation) <= col(DeviceRow.certified_generation),
    )


def _ago(seconds: float) -> datetime:
    return utcnow() - timedelta(seconds=seconds)
