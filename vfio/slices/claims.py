"""Writes claims down that bind nothing: those on slices which stay where they are."""

from vfio.errors import BindFailed, JournalDamaged
from vfio.journal import ClaimRecord, Journal


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
