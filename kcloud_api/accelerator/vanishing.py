"""Decides what stays known of a device that its host no longer reports."""

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlmodel import Session, col, select

from kcloud_api.accelerator.inventory import MISSING
from kcloud_api.accelerator.standing import offer
from kcloud_api.accelerator.tables import DeviceRow, LeaseRow
from kcloud_api.db.chunks import chunks
from kcloud_api.db.columns import utcnow

MOST_MISSING = 4096


def vanish(session: Session, rows: Sequence[DeviceRow], claimed: Collection[UUID]) -> None:
    """Forget devices that are no longer reported, unless a claim rests on one, or one ever did: when it comes
    back, it is as unclean as it was. Of those that were leased by their host's word alone only so many are
    remembered: a host could make up new ones for ever."""
    kept = [row for row in rows if row.generation or _is_wanted(row) or row.id in claimed]
    if len(kept) > MOST_MISSING:
        leased = _ever_leased(session, kept)
        kept = [row for row in kept if row.id in leased or _is_wanted(row) or row.id in claimed]
    names = {row.name for row in kept}
    for row in rows:
        if row.name not in names:
            session.delete(row)
            continue
        if row.state != MISSING:
            row.last_seen = utcnow()
        row.state = MISSING
        row.reason = "the host no longer reports this device"
        offer(row, claimed=row.id in claimed)


def _is_wanted(row: DeviceRow) -> bool:
    """By an operator, in some way."""
    return row.maintenance or bool(row.quarantine_reason)


def _ever_leased(session: Session, rows: Sequence[DeviceRow]) -> set[UUID]:
    found: set[UUID] = set()
    for part in chunks([row.id for row in rows]):
        leased = select(LeaseRow.device_id).where(col(LeaseRow.device_id).in_(part)).distinct()
        found.update(session.exec(leased))
    return found


def forgive(rows: Sequence[DeviceRow], cards: Collection[str]) -> None:
    """End the quarantine of slices that are gone, where another of their card was let out of it by a burn-in:
    else they would bar each further cut of the card, and nobody could burn them in."""
    for row in rows:
        if row.card in cards:
            row.quarantine_reason = ""
