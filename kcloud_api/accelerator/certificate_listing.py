"""Reads certificates, where their chains begin, and the keys that signed them, page by page."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import and_, or_
from sqlmodel import Session, col, select
from sqlmodel.sql.expression import SelectOfScalar

from kcloud_api.accelerator.listing import no_marker
from kcloud_api.accelerator.records import CertificateQuery, CertificateRecord, ChainAnchor, HostKey
from kcloud_api.accelerator.tables import AnchorRow, CertificateRow, DeviceRow, HostKeyRow, LeaseRow
from kcloud_common.certificate import Certificate


def certificate_page(
    session: Session, wanted: CertificateQuery
) -> tuple[tuple[CertificateRecord, ...], bool]:
    """Certificates by device, oldest first, and whether more follow. BadRequest for a marker that the list
    does not have."""
    statement = _narrowed(select(CertificateRow), wanted)
    if wanted.marker is not None:
        marked = _narrowed(select(CertificateRow), wanted).where(CertificateRow.id == wanted.marker)
        last = session.exec(marked).first()
        if last is None:
            raise no_marker(wanted.marker)
        one, two, three = (
            col(CertificateRow.device_id), col(CertificateRow.chain), col(CertificateRow.sequence)
        )  # fmt: skip
        in_chain = and_(one == last.device_id, two == last.chain, three > last.sequence)
        later = and_(one == last.device_id, two > last.chain)
        statement = statement.where(or_(one > last.device_id, later, in_chain))
    ordered = statement.order_by(
        col(CertificateRow.device_id), col(CertificateRow.chain), col(CertificateRow.sequence)
    )
    rows = session.exec(ordered.limit(wanted.limit + 1)).all()
    return tuple(map(_certificate_record, rows[: wanted.limit])), len(rows) > wanted.limit


def has_leased(session: Session, device_id: UUID, project_id: str | None) -> bool:
    """Whether the project has, or ever had, a lease of the device; with None whether it is known at all."""
    if project_id is None:
        certified = select(CertificateRow.id).where(CertificateRow.device_id == device_id).limit(1)
        return session.get(DeviceRow, device_id) is not None or session.exec(certified).first() is not None
    leased = select(LeaseRow.id).where(LeaseRow.device_id == device_id, LeaseRow.project_id == project_id)
    # A lease may be forgotten before what was certified after it.
    certified = select(CertificateRow.id).where(
        CertificateRow.device_id == device_id, CertificateRow.project_id == project_id
    )
    return any(session.exec(found.limit(1)).first() is not None for found in (leased, certified))


def anchors_of(session: Session, device_ids: Collection[UUID]) -> tuple[ChainAnchor, ...]:
    """Where the chains of these devices begin, if not with their first certificate."""
    rows = session.exec(
        select(AnchorRow)
        .where(col(AnchorRow.device_id).in_(list(device_ids)))
        .order_by(col(AnchorRow.device_id), col(AnchorRow.chain))
    )
    return tuple(
        ChainAnchor(
            row.device_id, row.chain, row.host_id, row.device, row.sequence, row.hash, row.reason,
            row.made_at,
        )
        for row in rows
    )  # fmt: skip


def host_keys(session: Session, host_ids: Collection[UUID]) -> tuple[HostKey, ...]:
    """All keys that these hosts have shown, oldest first."""
    rows = session.exec(
        select(HostKeyRow)
        .where(col(HostKeyRow.host_id).in_(list(host_ids)))
        .order_by(col(HostKeyRow.host_id), col(HostKeyRow.first_seen), col(HostKeyRow.key))
    )
    return tuple(HostKey(row.host_id, row.key, row.first_seen) for row in rows)


def _narrowed(
    statement: SelectOfScalar[CertificateRow], wanted: CertificateQuery
) -> SelectOfScalar[CertificateRow]:
    if wanted.project_id is not None:
        statement = statement.where(CertificateRow.project_id == wanted.project_id)
    if wanted.device_id is not None:
        statement = statement.where(CertificateRow.device_id == wanted.device_id)
    if wanted.server_id is not None:
        statement = statement.where(CertificateRow.server_id == wanted.server_id)
    return statement


def _certificate_record(row: CertificateRow) -> CertificateRecord:
    return CertificateRecord(
        id=row.id, device_id=row.device_id, chain=row.chain, server_id=row.server_id,
        project_id=row.project_id, hash=row.hash, certificate=Certificate.model_validate(row.body),
        received_at=row.received_at,
    )  # fmt: skip
