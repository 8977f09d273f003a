"""Remembers what was decided of devices and left on them, beyond the life of their host: it goes to the next
host of the same name, and with a card that is found in another seat or host by its serial number.

Leases are numbered on, so that no claim of before passes for one of now. A chain of certificates is not: it
names its host's id, which a host that is enrolled anew does not have.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, func, or_, update
from sqlalchemy import select as select_columns
from sqlmodel import Session, col, select

from kcloud_api.accelerator.inventory import MISSING, provider_id
from kcloud_api.accelerator.tables import CardRow, CertificateRow, ClaimRow, DeviceRow
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

Mark = tuple[str, str]
"""Vendor and serial number."""
Silent = Callable[[Collection[UUID]], Collection[UUID]]
"""Which of these hosts are down: what they said last of a card does not hold it there."""


def nobody_is_silent(_hosts: Collection[UUID]) -> Collection[UUID]:
    return ()


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


def bars(
    session: Session,
    host_id: UUID,
    devices: Iterable[DeviceReport],
    silent: Silent = nobody_is_silent,
) -> Mapping[str, Bar]:
    """Of those devices that are new to their host: what follows them, by name, because a card with the same
    serial number was barred elsewhere and is not there any more, or its host is down.

    It stays noted there too: else a host that claims to have a card would free it. But a card that was
    certified here afterwards is clean, however it is cut next: else one that claims to have had it would bar
    it for ever.
    """
    named = {
        device.name: _mark(device.vendor_id, device.serial) for device in devices if tells(device.serial)
    }
    found: dict[Mark, Bar] = {}
    traces: dict[Mark, datetime] = {}
    for row, unclean in _gone(session, host_id, sorted({serial for _, serial in named.values()}), silent):
        mark = _mark(row.vendor_id, row.serial)
        found[mark] = _with(found.get(mark, NO_BAR), row, unclean=unclean)
        if unclean:
            traces[mark] = max(row.last_seen, traces.get(mark, row.last_seen))
    for mark in _cleaned_since(session, host_id, traces):
        found[mark] = replace(found[mark], unclean=False)
    return {name: found[mark] for name, mark in named.items() if found.get(mark, NO_BAR) != NO_BAR}


def _gone(
    session: Session, host_id: UUID, serials: Sequence[str], silent: Silent
) -> list[tuple[DeviceRow, bool]]:
    """Devices with these numbers that are not where they were; whether they were left unclean elsewhere."""
    rows: list[DeviceRow] = []
    for part in chunks(serials):
        rows += session.exec(
            select(DeviceRow).where(
                col(DeviceRow.serial).in_(part),
                col(DeviceRow.serial) != "",
                or_(col(DeviceRow.state) == MISSING, col(DeviceRow.host_id) != host_id),
            )
        )
    there = [row for row in rows if row.state != MISSING]
    if there:
        down = set(silent({row.host_id for row in there}))
        rows = [row for row in rows if row.state == MISSING or row.host_id in down]
    held: set[UUID] = set()
    for ids in chunks([row.id for row in rows if row.host_id != host_id]):
        held.update(session.exec(select(ClaimRow.device_id).where(col(ClaimRow.device_id).in_(ids))))
    return [(row, row.host_id != host_id and (_is_unclean(row) or row.id in held)) for row in rows]


def _cleaned_since(session: Session, host_id: UUID, traces: Mapping[Mark, datetime]) -> set[Mark]:
    """Which of these cards were certified on this host after they were left unclean elsewhere, and have left
    nothing unclean here since."""
    if not traces:
        return set()
    own: dict[Mark, list[DeviceRow]] = {}
    for part in chunks(sorted({serial for _, serial in traces})):
        here = select(DeviceRow).where(DeviceRow.host_id == host_id, col(DeviceRow.serial).in_(part))
        for row in session.exec(here):
            own.setdefault(_mark(row.vendor_id, row.serial), []).append(row)
    certified: dict[UUID, datetime] = {}
    for ids in chunks([row.id for rows in own.values() for row in rows]):
        device = col(CertificateRow.device_id)
        newest = select_columns(device, func.max(col(CertificateRow.received_at))).where(device.in_(ids))
        for id_, at in session.connection().execute(newest.group_by(device)):
            certified[id_] = at
    cleaned: set[Mark] = set()
    for mark, left in traces.items():
        rows = own.get(mark, [])
        unclean = [row for row in rows if _is_unclean(row)]
        ends = [certified[row.id] for row in rows if row not in unclean and row.id in certified]
        begins = [left, *(row.last_seen for row in unclean)]
        if ends and max(ends) > max(begins) and all(row.state == MISSING for row in unclean):
            cleaned.add(mark)
    return cleaned


def _is_unclean(row: DeviceRow) -> bool:
    return row.begun_generation > row.certified_generation


def tells(serial: str) -> bool:
    """Whether it tells one card from all others."""
    return len(serial) >= SHORTEST_SERIAL and len(set(serial)) > 1


def _mark(vendor_id: str, serial: str) -> Mark:
    return vendor_id, serial


def _with(bar: Bar, row: DeviceRow, *, unclean: bool) -> Bar:
    return Bar(
        quarantine=bar.quarantine or row.quarantine_reason,
        maintenance=bar.maintenance or row.maintenance,
        unclean=bar.unclean or unclean,
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
