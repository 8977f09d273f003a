"""Gives servers named slices of cards, and takes them back.

A claim ends only by `release`, which the caller may use only once the device's host has reported the server
gone (invariant I2). No report ends a claim, whatever it says or leaves out.
"""

from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID, uuid4

from sqlalchemy import delete, update
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

from kcloud_api.accelerator.records import ClaimRecord
from kcloud_api.accelerator.tables import ClaimRow, DeviceRow, LeaseRow
from kcloud_api.db.columns import utcnow
from kcloud_common.errors import OutOfCapacity
from kcloud_common.wire import DeviceState, SliceKind

Amounts = Mapping[UUID, Mapping[str, int]]
"""Provider to class to number, as placement allocates them."""


def claim(
    session: Session, server_id: UUID, allocations: Amounts, *, project_id: str = ""
) -> tuple[ClaimRecord, ...]:
    """Give the server as many slices of these cards as were allocated from them, the first ones by name.
    Providers that are no cards (the host itself) are left out. Each slice's generation grows.

    OutOfCapacity when too few are free: search again; the transaction must be rolled back. Claims are in the
    order of their devices' names.
    """
    chosen = _choose(_rows(session, allocations), allocations)
    now = utcnow()
    claims: list[ClaimRow] = []
    for row in chosen:
        row.generation += 1
        made = ClaimRow(
            id=uuid4(), device_id=row.id, server_id=server_id, generation=row.generation, created_at=now
        )
        claims.append(made)
        session.add(made)
        session.add(
            LeaseRow(
                id=made.id, device_id=row.id, server_id=server_id, project_id=project_id,
                generation=row.generation, began_at=now,
            )
        )  # fmt: skip
    try:
        session.flush()
    except IntegrityError as error:
        raise OutOfCapacity("a device was claimed by another server meanwhile") from error
    return tuple(claim_record(held, row) for held, row in zip(claims, chosen, strict=True))


def _rows(session: Session, allocations: Amounts) -> list[tuple[DeviceRow, UUID | None]]:
    """The slices of these cards, with the claims on them, by name."""
    # No row lock here: whoever claims or reports has the lock of the host's assignment. A device that turns
    # bad at this very moment is as one that turns bad just after.
    rows = session.exec(
        select(DeviceRow, ClaimRow.id)
        .join(ClaimRow, col(ClaimRow.device_id) == DeviceRow.id, isouter=True)
        .where(col(DeviceRow.provider_id).in_(list(allocations)))
        .order_by(DeviceRow.name)
        .execution_options(populate_existing=True)
    )
    return [(row, held) for row, held in rows]


def _choose(rows: Sequence[tuple[DeviceRow, UUID | None]], allocations: Amounts) -> list[DeviceRow]:
    cards = {row.provider_id for row, _ in rows}
    chosen: list[DeviceRow] = []
    for provider_id in cards:
        for resource_class, amount in allocations[provider_id].items():
            alike = [
                (row, held)
                for row, held in rows
                if row.provider_id == provider_id and row.resource_class == resource_class
            ]
            free = [row for row, held in alike if held is None and may_be_claimed(row)]
            if len(free) < amount:
                raise _short(alike, resource_class, amount, len(free))
            chosen += free[:amount]
    return sorted(chosen, key=lambda row: row.name)


def may_be_claimed(row: DeviceRow) -> bool:
    """By its own standing; whether somebody holds it, the claims tell."""
    return row.state == DeviceState.FREE and row.offered


def _short(
    alike: Sequence[tuple[DeviceRow, UUID | None]], resource_class: str, amount: int, free: int
) -> OutOfCapacity:
    stands = [f"{row.name} is {'claimed' if held else row.held_back or row.state}" for row, held in alike]
    return OutOfCapacity(
        f"{free} of {amount} {resource_class} are free: {'; '.join(stands) or 'the card has none'}",
        resource_class=resource_class,
    )


def claims_of(session: Session, server_ids: Iterable[UUID]) -> Mapping[UUID, tuple[ClaimRecord, ...]]:
    """The claims of each of these servers, in the order of their devices' names; servers without lack."""
    found: dict[UUID, tuple[ClaimRecord, ...]] = {}
    rows = session.exec(
        select(ClaimRow, DeviceRow)
        .join(DeviceRow, col(DeviceRow.id) == ClaimRow.device_id)
        .where(col(ClaimRow.server_id).in_(list(server_ids)))
        .order_by(DeviceRow.name)
    )
    for held, row in rows:
        found[held.server_id] = (*found.get(held.server_id, ()), claim_record(held, row))
    return found


def claim_ids(session: Session, host_id: UUID) -> frozenset[UUID]:
    """All claims on this host's devices."""
    rows = session.exec(
        select(ClaimRow.id)
        .join(DeviceRow, col(DeviceRow.id) == ClaimRow.device_id)
        .where(DeviceRow.host_id == host_id)
    )
    return frozenset(rows)


def release(session: Session, server_id: UUID) -> None:
    """End the server's claims. Only after its host has reported it gone. Idempotent."""
    session.exec(delete(ClaimRow).where(col(ClaimRow.server_id) == server_id))
    session.exec(
        update(LeaseRow)
        .where(col(LeaseRow.server_id) == server_id, col(LeaseRow.ended_at).is_(None))
        .values(ended_at=utcnow())
        .execution_options(synchronize_session=False)
    )


def claim_record(held: ClaimRow, row: DeviceRow) -> ClaimRecord:
    return ClaimRecord(
        held.id, held.server_id, row.host_id, row.name, tuple(row.addresses),
        kind=SliceKind(row.kind), mdev=row.mdev, generation=held.generation,
    )  # fmt: skip
