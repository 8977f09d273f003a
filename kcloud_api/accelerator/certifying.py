"""Takes in what hosts certify: their keys, and certificates that verify and continue their device's chain."""

import logging
from uuid import UUID, uuid4

from sqlmodel import Session, col, select

from kcloud_api.accelerator.chains import Known, fault_of, repeats
from kcloud_api.accelerator.tables import CertificateRow, DeviceRow, HostKeyRow, LeaseRow
from kcloud_api.db.columns import utcnow
from kcloud_common.certificate import Certificate, Occasion
from kcloud_common.signing import fingerprint
from kcloud_common.wire import ChainHead

log = logging.getLogger(__name__)


def note_key(session: Session, host_id: UUID, key: str) -> frozenset[str]:
    """Remember the key that the host shows, if it shows one; all keys that it has ever shown. A new key does
    not make the old one's certificates worthless."""
    known = set(session.exec(select(HostKeyRow.key).where(HostKeyRow.host_id == host_id)))
    if key and key not in known:
        if known:
            log.warning("host_key_changed", extra={"host_id": str(host_id), "key": key})
        session.add(HostKeyRow(host_id=host_id, key=key, first_seen=utcnow()))
        known.add(key)
    return frozenset(known)


def take(
    session: Session, row: DeviceRow, certificate: Certificate, keys: frozenset[str], *, burnt_in: bool
) -> None:
    """Keep a certificate of this device, and what it says of it; or why it was refused, and then nothing of
    it. `burnt_in`: it comes with the word that the burn-in is done which an operator has asked for. Safe to
    repeat."""
    last = _last(session, row)
    known = Known(row.host_id, row.name, row.vendor_id, row.product_id, row.generation, keys, last)
    if repeats(certificate, known):
        return
    fault = fault_of(certificate, known)
    row.certificate_fault = fault
    if fault:
        facts = {"device": row.name, "host_id": str(row.host_id), "sequence": certificate.sequence}
        log.warning("certificate_refused", extra={**facts, "reason": fault})
        return
    _keep(session, row, certificate)
    # A host that has forgotten its leases numbers them anew. But a burn-in that was asked for came after all
    # of them, for while it is asked for no lease begins.
    after_all = certificate.occasion is Occasion.BURN_IN and burnt_in
    row.certified_generation = row.begun_generation if after_all else certificate.generation


def head(session: Session, row: DeviceRow) -> ChainHead | None:
    """Where its chain stands; None for one that was never leased nor certified."""
    last = _last(session, row)
    if last is None:
        return ChainHead(generation=row.generation) if row.generation else None
    return ChainHead(sequence=last.sequence, hash=fingerprint(last), generation=row.generation)


def _last(session: Session, row: DeviceRow) -> Certificate | None:
    body = session.exec(
        select(CertificateRow.body)
        .where(CertificateRow.device_id == row.id, CertificateRow.chain == row.chain)
        .order_by(col(CertificateRow.sequence).desc())
        .limit(1)
    ).first()
    return Certificate.model_validate(body) if body is not None else None


def _keep(session: Session, row: DeviceRow, certificate: Certificate) -> None:
    lease = session.get(LeaseRow, certificate.claim_id) if certificate.claim_id is not None else None
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
    session.flush()
