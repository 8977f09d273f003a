"""Decides whether a claim may have a slice, and writes down those claims that bind nothing."""

from uuid import UUID

from vfio.errors import BindFailed, DeviceBusy, DeviceGone, JournalDamaged
from vfio.journal import ClaimRecord, Journal, SliceRecord
from vfio.slices.model import Kind, Slice
from vfio.slices.records import LayoutJournal
from vfio.slices.sight import read_mdevs
from vfio.sysfs import Sysfs


def record(claim_id: UUID, boot_id: str | None, wanted: Slice) -> ClaimRecord:
    """Of a claim that has taken nothing yet."""
    held = SliceRecord(
        name=wanted.name,
        kind=wanted.kind,
        card=wanted.card,
        type=wanted.type,
        mdev=wanted.mdev,
        parent=wanted.addresses[0] if wanted.addresses else "",
    )
    return ClaimRecord(claim_id, boot_id, wanted.addresses, (), held)


def refuse_uncut(sysfs: Sysfs, layouts: LayoutJournal, wanted: Slice) -> None:
    """Unless the slice's card is cut as the slice says."""
    try:
        layout = layouts.read(wanted.card)
    except JournalDamaged as error:
        raise DeviceBusy(f"nobody knows how {wanted.card} is cut: {error}", wanted.addresses) from error
    if layout is None and wanted.kind is not Kind.WHOLE:
        raise DeviceGone(f"card {wanted.card} is not cut: there is no {wanted.name}", wanted.addresses)
    if layout is not None and (wanted.kind not in layout.plan.kinds or not layout.stands):
        raise DeviceBusy(f"card {wanted.card} is not cut so that {wanted.name} could stand", wanted.addresses)
    mdevs = read_mdevs(sysfs).values() if layout is None else ()
    if found := sorted(str(mdev.uuid) for mdev in mdevs if mdev.parent in wanted.addresses):
        raise DeviceBusy(f"{wanted.name} has mediated devices: {', '.join(found)}", wanted.addresses)


def refuse_taken(journal: Journal, claim_id: UUID, wanted: Slice) -> None:
    for other, claim in journal.records().items():
        if claim.slice is None:
            continue  # the binder sees to functions
        if other != claim_id and claim.slice.name == wanted.name:
            raise DeviceBusy(f"{wanted.name} is prepared for claim {other}", wanted.addresses)
        if other == claim_id and claim.slice.name != wanted.name:
            raise DeviceBusy(
                f"claim {claim_id} is prepared with {claim.slice.name}; release it first", wanted.addresses
            )


def note(journal: Journal, claim: ClaimRecord) -> None:
    """Durable when it returns; writes nothing when it is written already. Raises BindFailed."""
    try:
        if journal.read(claim.claim_id) == claim:
            return
    except JournalDamaged:
        pass  # replaced: the caller has seen what stands
    try:
        journal.write(claim)
    except OSError as error:
        raise BindFailed(f"writing the journal: {error}; nothing was changed", claim.addresses) from error
