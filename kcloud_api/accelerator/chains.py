"""Decides whether a certificate is to be believed, and continues what is known of its device. Pure."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from kcloud_common.certificate import Certificate
from kcloud_common.signing import fingerprint, verify_chain


@dataclass(frozen=True, slots=True)
class Known:
    """What a certificate must fit. `last`: the newest of the chain that it has to continue."""

    host_id: UUID
    device: str
    vendor_id: str
    product_id: str
    generation: int
    keys: Collection[str]
    """Those of its host, old and new."""
    last: Certificate | None
    before: Certificate | None = None
    """The newest of the chain that an operator had given up for this one."""


def repeats(certificate: Certificate, known: Known) -> bool:
    """Whether it is the one that was taken last: hosts send it until they hear that it was."""
    return known.last is not None and fingerprint(certificate) == fingerprint(known.last)


def fault_of(certificate: Certificate, known: Known) -> str:
    """Why it is not taken; empty when it is. Of a device's first one the predecessors are not asked for."""
    told = (certificate.host_id, certificate.device, certificate.vendor_id, certificate.product_id)
    if told != (known.host_id, known.device, known.vendor_id, known.product_id):
        return "its certificate was refused: it is of another device"
    if certificate.generation > known.generation:
        lease = certificate.generation
        return f"its certificate was refused: it is of lease {lease}, which was never given"
    if known.last is None and known.before is not None and not _is_newer(certificate, known.before):
        return "its certificate was refused: it is none of the chain that was begun anew, but older"
    chain = [certificate] if known.last is None else [known.last, certificate]
    problems = verify_chain(chain, {known.host_id: known.keys}, whole=False)
    return f"its certificate was refused: {problems[0]}" if problems else ""


def _is_newer(certificate: Certificate, before: Certificate) -> bool:
    """Of a chain without a beginning only the time tells what is repeated out of the one before."""
    return _moment(certificate) >= _moment(before) and fingerprint(certificate) != fingerprint(before)


def _moment(certificate: Certificate) -> datetime:
    """No agent leaves the zone out, but a host that does must not keep its whole report from being read."""
    at = certificate.issued_at
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)
