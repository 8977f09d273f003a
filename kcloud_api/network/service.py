"""Makes and keeps the ports of servers."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from secrets import randbits
from uuid import UUID, uuid4

from sqlalchemy import delete
from sqlmodel import Session, col, select

from kcloud_api.db.columns import utcnow
from kcloud_api.network.macs import BITS, mac
from kcloud_api.network.tables import PortRow
from kcloud_common.errors import Conflict

TRIES = 16


@dataclass(frozen=True, slots=True)
class PortRecord:
    """One NIC: its hardware address, and the IP addresses that its host has reported."""

    id: UUID
    mac: str
    addresses: tuple[str, ...]


def create_port(session: Session, server_id: UUID, project_id: str) -> PortRecord:
    """A port with a new hardware address, unique in this cloud."""
    row = PortRow(
        id=uuid4(), server_id=server_id, project_id=project_id, mac=_unused_mac(session),
        addresses=[], created_at=utcnow(),
    )  # fmt: skip
    session.add(row)
    session.flush()
    return _record(row)


def ports_of(session: Session, server_ids: Iterable[UUID]) -> Mapping[UUID, tuple[PortRecord, ...]]:
    """The ports of each of these servers, oldest first; servers without lack."""
    found: dict[UUID, tuple[PortRecord, ...]] = {}
    for row in _rows(session, list(server_ids)):
        found[row.server_id] = (*found.get(row.server_id, ()), _record(row))
    return found


def record_addresses(session: Session, server_id: UUID, addresses: Sequence[str]) -> None:
    """Store what the host reports, on the server's first port: a report does not say which port an address
    is of, and servers have one. Idempotent; nothing happens when the server has no port."""
    row = next(iter(_rows(session, [server_id])), None)
    if row is not None and row.addresses != list(addresses):
        row.addresses = list(addresses)
        session.add(row)
        session.flush()


def delete_ports(session: Session, server_id: UUID) -> None:
    """Idempotent."""
    session.exec(delete(PortRow).where(col(PortRow.server_id) == server_id))


def _unused_mac(session: Session) -> str:
    for _ in range(TRIES):
        address = mac(randbits(BITS))
        if session.exec(select(PortRow.id).where(PortRow.mac == address)).first() is None:
            return address
    raise Conflict("no unused hardware address was found; delete ports that nobody needs")


def _rows(session: Session, server_ids: Sequence[UUID]) -> Sequence[PortRow]:
    statement = select(PortRow).where(col(PortRow.server_id).in_(server_ids))
    return session.exec(statement.order_by(col(PortRow.created_at), col(PortRow.id))).all()


def _record(row: PortRow) -> PortRecord:
    return PortRecord(row.id, row.mac, tuple(row.addresses))
