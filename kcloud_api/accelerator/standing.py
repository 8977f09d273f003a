"""Judges how a device stands by its row: whether it may be handed out, and why not."""

from kcloud_api.accelerator.inventory import Standing, held_back
from kcloud_api.accelerator.tables import DeviceRow


def standing(row: DeviceRow, *, claimed: bool) -> Standing:
    return Standing(
        state=row.state, claimed=claimed, maintenance=row.maintenance, quarantine=row.quarantine_reason,
        begun=row.begun_generation, certified=row.certified_generation, fault=row.certificate_fault,
        odd=row.oddity,
    )  # fmt: skip


def offer(row: DeviceRow, *, claimed: bool) -> None:
    """Write whether it may be handed out, and why not."""
    why = held_back(standing(row, claimed=False))
    row.offered = not why
    row.held_back = "" if claimed else why
