"""Takes in what hosts certify: their keys, and certificates that verify and continue their device's chain."""

import logging
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from uuid import UUID, uuid4

from sqlalchemy import and_, bindparam, func, update
from sqlalchemy import select as select_columns
from sqlmodel import Session, col, select

from kcloud_api.accelerator.chains import Known, fault_of, repeats
from kcloud_api.accelerator.tables import AnchorRow, CertificateRow, DeviceRow, HostKeyRow, LeaseRow
from kcloud_api.db.columns import utcnow
from kcloud_common.certificate import NO_CERTIFICATE, Certificate, Occasion
from kcloud_common.signing import fingerprint
from kcloud_common.wire import ChainHead

log = logging.getLogger(__name__)

UNKNOWN = "unknown"
MOST_KEYS = 64
"""Of one host: one that shows a new key each time must not fill the database, and its tenants' answers."""


@dataclass(frozen=True, slots=True)
class Book:
    """What certificates of a host's devices are held against."""

    keys: frozenset[str]
    newest: Mapping[tuple[UUID, int], Certificate]
    """By device and chain."""
    leases: Mapping[UUID, LeaseRow]
    superseded: list[dict[str, object]] = field(default_factory=list)
    """The newest until now of the chains that grew."""


def book(session: Session, host_id: UUID, key: str, certificates: Mapping[UUID, Certificate]) -> Book:
    """For what comes in one report: its key, and certificates by device."""
    keys = note_key(session, host_id, key)
    return Book(keys, _newest(session, certificates), _leases(session, certificates.values()))


def note_key(session: Session, host_id: UUID, key: str) -> frozenset[str]:
    """Remember the key that the host shows, if it shows one; all keys that it has ever shown. A new key does
    not make the old one's certificates worthless. After MOST_KEYS no further one is believed."""
    known = set(session.exec(select(HostKeyRow.key).where(HostKeyRow.host_id == host_id)))
    if key and key not in known and len(known) >= MOST_KEYS:
        log.error("host_key_refused", extra={"host_id": str(host_id), "key": key, "known": len(known)})
    elif key and key not in known:
        if known:
            log.warning("host_key_changed", extra={"host_id": str(host_id), "key": key})
        session.add(HostKeyRow(host_id=host_id, key=key, first_seen=utcnow()))
        known.add(key)
    return frozenset(known)


def take(session: Session, row: DeviceRow, certificate: Certificate, book: Book, *, burnt_in: bool) -> None:
    """Keep a certificate of this device, and what it says of it; or why it was refused, and then nothing of
    it. `burnt_in`: it comes with the word that the burn-in is done which an operator has asked for. Safe to
    repeat."""
    last = book.newest.get((row.id, row.chain))
    known = Known(
        row.host_id, row.name, row.vendor_id, row.product_id, row.generation, book.keys, last,
        before=_given_up(row, book),
    )  # fmt: skip
    if repeats(certificate, known):
        return
    fault = fault_of(certificate, known)
    row.certificate_fault = fault
    if fault:
        facts = {"device": row.name, "host_id": str(row.host_id), "sequence": certificate.sequence}
        log.warning("certificate_refused", extra={**facts, "reason": fault})
        return
    _keep(session, row, certificate, book)
    if last is None:
        _begin(session, row, certificate)
    else:
        book.superseded.append(
            {"of": row.id, "number": row.chain, "last": last.sequence, "at": utcnow()}
        )  # fmt: skip
    # A host that has forgotten its leases numbers them anew. But a burn-in that was asked for came after all
    # of them, for while it is asked for no lease begins.
    after_all = certificate.occasion is Occasion.BURN_IN and burnt_in
    row.certified_generation = row.begun_generation if after_all else certificate.generation


def _given_up(row: DeviceRow, book: Book) -> Certificate | None:
    chains = [chain for id_, chain in book.newest if id_ == row.id and chain < row.chain]
    return book.newest[row.id, max(chains)] if chains else None


def close(session: Session, book: Book) -> None:
    """Write down which certificates were followed by others: from now on they grow old."""
    if book.superseded:
        session.flush()
        session.connection().execute(_SUPERSEDE, book.superseded)


_SUPERSEDE = (
    update(CertificateRow)
    .where(
        col(CertificateRow.device_id) == bindparam("of"),
        col(CertificateRow.chain) == bindparam("number"),
        col(CertificateRow.sequence) == bindparam("last"),
    )
    .values(superseded_at=bindparam("at"))
)


def heads(session: Session, rows: Collection[DeviceRow]) -> Mapping[UUID, ChainHead]:
    """Where the chain of each of these devices stands; those that were never leased nor certified lack."""
    newest = _newest(session, [row.id for row in rows])
    found: dict[UUID, ChainHead] = {}
    for row in rows:
        last = newest.get((row.id, row.chain))
        if last is not None:
            found[row.id] = ChainHead(
                sequence=last.sequence, hash=fingerprint(last), generation=row.generation
            )
        elif row.generation:
            found[row.id] = ChainHead(generation=row.generation)
    return found


def _newest(session: Session, device_ids: Collection[UUID]) -> dict[tuple[UUID, int], Certificate]:
    """The last certificate of each chain of these devices."""
    if not device_ids:
        return {}
    device, chain = col(CertificateRow.device_id), col(CertificateRow.chain)
    last = (
        select_columns(device, chain, func.max(col(CertificateRow.sequence)).label("sequence"))
        .where(device.in_(list(device_ids)))
        .group_by(device, chain)
        .subquery()
    )
    ends = and_(
        device == last.c.device_id,
        chain == last.c.chain,
        col(CertificateRow.sequence) == last.c.sequence,
    )
    rows = session.exec(
        select(CertificateRow.device_id, CertificateRow.chain, CertificateRow.body).join(last, ends)
    )
    return {(id_, number): Certificate.model_validate(body) for id_, number, body in rows}


def _leases(session: Session, certificates: Iterable[Certificate]) -> dict[UUID, LeaseRow]:
    claims = [each.claim_id for each in certificates if each.claim_id is not None]
    if not claims:
        return {}
    return {row.id: row for row in session.exec(select(LeaseRow).where(col(LeaseRow.id).in_(claims)))}


def _keep(session: Session, row: DeviceRow, certificate: Certificate, book: Book) -> None:
    lease = book.leases.get(certificate.claim_id) if certificate.claim_id is not None else None
    if lease is not None and (lease.device_id, lease.generation) != (row.id, certificate.generation):
        lease = None
    session.add(
        CertificateRow(
            id=uuid4(), device_id=row.id, chain=row.chain, sequence=certificate.sequence,
            host_id=row.host_id, generation=certificate.generation, claim_id=certificate.claim_id,
            project_id=lease.project_id if lease is not None else None,
            server_id=lease.server_id if lease is not None else None,
            hash=fingerprint(certificate), body=certificate.model_dump(mode="json"), received_at=utcnow(),
        )
    )  # fmt: skip


def _begin(session: Session, row: DeviceRow, certificate: Certificate) -> None:
    """Say so, if the first that is known of a chain is not its first."""
    if (certificate.sequence, certificate.previous) != (1, NO_CERTIFICATE):
        session.merge(
            AnchorRow(
                device_id=row.id, chain=row.chain, host_id=row.host_id, device=row.name,
                sequence=certificate.sequence - 1, hash=certificate.previous, reason=UNKNOWN,
                made_at=utcnow(),
            )
        )  # fmt: skip
