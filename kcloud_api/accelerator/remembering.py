"""Remembers what was decided of devices and left on them, beyond the life of their host: it goes to the next
host of the same name, and with a card that is found in another seat or host by its serial number.

Leases are numbered on, so that no claim of before passes for one of now. A chain of certificates is not: it
names its host's id, which a host that is enrolled anew does not have.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import delete, or_, update
from sqlmodel import Session, col, select

from kcloud_api.accelerator.inventory import MISSING, provider_id
from kcloud_api.accelerator.tables import CardRow, CertificateRow, DeviceRow
from kcloud_api.db.chunks import chunks
from kcloud_api.db.columns import utcnow
from kcloud_common.wire import DeviceReport

SHORTEST_SERIAL = 4
"""Shorter ones, and those of one letter only (zeros), are what makers write who write none."""


@dataclass(frozen=True, slots=True)
class Bar:
    """What keeps a card from use, wherever it is."""

    quarantine: str = ""
    maintenance: bool = False
    unclean: bool = False
    """It was not certified to be clean since its last lease on another host."""


NO_BAR = Bar()


def forget_host(session: Session, host_id: UUID, host_name: str) -> None:
    """Forget the devices of a host that is deleted, but for what the next host of its name must know. Leases
    and certificates stay for their time: they are their tenants'."""
    ours = select(DeviceRow.id).where(DeviceRow.host_id == host_id)
    # Their chains end here.
    session.exec(
        update(CertificateRow)
        .where(col(CertificateRow.device_id).in_(ours), col(CertificateRow.superseded_at).is_(None))
        .values(superseded_at=utcnow())
        .execution_options(synchronize_session=False)
    )
    remembered = or_(
        col(DeviceRow.generation) > 0,
        col(DeviceRow.begun_generation) > col(DeviceRow.certified_generation),
        col(DeviceRow.maintenance).is_(True),
        col(DeviceRow.quarantine_reason) != "",
    )
    session.exec(delete(DeviceRow).where(col(DeviceRow.host_id) == host_id, ~remembered))
    session.exec(
        update(DeviceRow)
        .where(col(DeviceRow.host_id) == host_id)
        .values(
            departed_from=host_name, state=MISSING, reason="its host was deleted", offered=False,
            shape_id=None, oddity="", certificate_fault="", last_seen=utcnow(),
        )
        .execution_options(synchronize_session=False)
    )  # fmt: skip
    session.exec(delete(CardRow).where(col(CardRow.host_id) == host_id))


def welcome_host(session: Session, host_id: UUID, host_name: str) -> None:
    """Give a new host what is remembered of the devices of the last one of its name. Idempotent."""
    for row in session.exec(select(DeviceRow).where(DeviceRow.departed_from == host_name)).all():
        row.id, row.host_id = provider_id(host_id, row.name), host_id
        row.provider_id = provider_id(host_id, row.card)
        row.departed_from, row.reason = None, "the host has not reported this device yet"
    session.flush()


def bars(session: Session, host_id: UUID, devices: Iterable[DeviceReport]) -> Mapping[str, Bar]:
    """Of those devices that are new to their host: what follows them, by name, because a card with the same
    serial number was barred elsewhere and is not there any more.

    It stays noted there too: else a host that claims to have a card would free it.
    """
    named = {
        device.name: _mark(device.vendor_id, device.serial) for device in devices if tells(device.serial)
    }
    found: dict[tuple[str, str], Bar] = {}
    for part in chunks(sorted({serial for _, serial in named.values()})):
        rows = session.exec(
            select(DeviceRow).where(
                col(DeviceRow.serial).in_(part), col(DeviceRow.serial) != "", DeviceRow.state == MISSING
            )
        )
        for row in rows:
            mark = _mark(row.vendor_id, row.serial)
            found[mark] = _with(found.get(mark, NO_BAR), row, elsewhere=row.host_id != host_id)
    return {name: found[mark] for name, mark in named.items() if found.get(mark, NO_BAR) != NO_BAR}


def tells(serial: str) -> bool:
    """Whether it tells one card from all others."""
    return len(serial) >= SHORTEST_SERIAL and len(set(serial)) > 1


def _mark(vendor_id: str, serial: str) -> tuple[str, str]:
    return vendor_id, serial


def _with(bar: Bar, row: DeviceRow, *, elsewhere: bool) -> Bar:
    return Bar(
        quarantine=bar.quarantine or row.quarantine_reason,
        maintenance=bar.maintenance or row.maintenance,
        unclean=bar.unclean or (elsewhere and row.begun_generation > row.certified_generation),
    )


def put(row: DeviceRow, bar: Bar) -> None:
    """On a device that its host has just begun to report."""
    if bar.quarantine and not row.quarantine_reason:
        row.quarantine_until = max(row.release_count, row.release_done) + 1
        row.quarantine_reason = bar.quarantine
    row.maintenance = row.maintenance or bar.maintenance
    if bar.unclean:
        row.generation = max(row.generation, 1)
        row.begun_generation = row.generation
        row.certified_generation = min(row.certified_generation, row.begun_generation - 1)
