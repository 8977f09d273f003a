"""Reads cards with what they are cut into, and who holds which slice of them.

A card is here while its host reports a slice of it, or somebody holds one.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, exists, or_
from sqlmodel import Session, col, select

from kcloud_api.accelerator.cyborg.sorts import type_of
from kcloud_api.accelerator.inventory import MISSING
from kcloud_api.accelerator.tables import CardRow, ClaimRow, DeviceRow, ShapeRow
from kcloud_api.placement import providers
from kcloud_common.wire import SliceKind


@dataclass(frozen=True, slots=True)
class CardQuery:
    """Which cards a list shows; None takes all."""

    limit: int
    marker: UUID | None = None
    ids: Collection[UUID] | None = None
    type: str | None = None
    vendor: str | None = None
    host: str | None = None
    """Name or id."""


@dataclass(frozen=True, slots=True)
class Card:
    """One card. Its id is its resource provider's."""

    id: UUID
    name: str
    host: str
    vendor_id: str
    product_id: str
    model: str
    serial: str
    address: str
    memory_mib: int | None
    classes: tuple[str, ...]
    """Of its slices, the most frequent first."""
    traits: tuple[str, ...]
    slices: int
    in_maintenance: bool
    """All of it, because an operator wants it so."""
    last_seen: datetime

    @property
    def type(self) -> str:
        return type_of(self.classes[0])


@dataclass(frozen=True, slots=True)
class Held:
    """A slice that a server holds, by the claim."""

    claim_id: UUID
    card_id: UUID
    host_id: UUID
    kind: SliceKind
    slice_type: str
    mdev: UUID | None
    addresses: tuple[str, ...]
    resource_class: str
    traits: frozenset[str]
    since: datetime


def card_page(session: Session, wanted: CardQuery) -> tuple[tuple[Card, ...], bool]:
    """Cards by id after the marker, and whether more follow."""
    statement = select(DeviceRow.provider_id).where(_is_present())
    if wanted.marker is not None:
        statement = statement.where(col(DeviceRow.provider_id) > wanted.marker)
    if wanted.ids is not None:
        statement = statement.where(col(DeviceRow.provider_id).in_(list(wanted.ids)))
    if wanted.vendor is not None:
        statement = statement.where(DeviceRow.vendor_id == wanted.vendor)
    if wanted.host is not None:
        hosts = providers.roots_called(session, wanted.host)
        statement = statement.where(col(DeviceRow.host_id).in_(hosts))
    if wanted.type is not None:
        statement = statement.where(col(DeviceRow.resource_class).in_(_classes_of(session, wanted.type)))
    ordered = statement.distinct().order_by(col(DeviceRow.provider_id)).limit(wanted.limit + 1)
    ids = session.exec(ordered).all()
    return _cards(session, ids[: wanted.limit]), len(ids) > wanted.limit


def find_card(session: Session, card_id: UUID) -> Card | None:
    found, _ = card_page(session, CardQuery(limit=1, ids=[card_id]))
    return found[0] if found else None


def slices_of(session: Session, card_id: UUID) -> tuple[UUID, ...]:
    """The ids of what the card is cut into."""
    rows = session.exec(
        select(DeviceRow.id).where(DeviceRow.provider_id == card_id, _is_present()).order_by(DeviceRow.name)
    )
    return tuple(rows)


def held_by(session: Session, server_ids: Collection[UUID]) -> Mapping[UUID, tuple[Held, ...]]:
    """What each of these servers holds, by the devices' names; servers without lack."""
    found: dict[UUID, tuple[Held, ...]] = {}
    rows = session.exec(
        select(ClaimRow, DeviceRow)
        .join(DeviceRow, col(DeviceRow.id) == ClaimRow.device_id)
        .where(col(ClaimRow.server_id).in_(list(server_ids)))
        .order_by(DeviceRow.name)
    )
    for claim, row in rows:
        held = Held(
            claim.id, row.provider_id, row.host_id, SliceKind(row.kind), row.slice_type, row.mdev,
            tuple(row.addresses), row.resource_class, frozenset(row.traits), claim.created_at,
        )  # fmt: skip
        found[claim.server_id] = (*found.get(claim.server_id, ()), held)
    return found


def holder(session: Session, claim_id: UUID) -> UUID | None:
    """The server whose claim it is."""
    return session.exec(select(ClaimRow.server_id).where(ClaimRow.id == claim_id)).first()


def classes_of_product(
    session: Session, vendor_id: str, product_id: str, kinds: Collection[SliceKind]
) -> tuple[str, ...]:
    """The resource classes under which hosts offer slices of these kinds of this PCI device."""
    rows = session.exec(
        select(DeviceRow.resource_class)
        .where(
            DeviceRow.vendor_id == vendor_id,
            DeviceRow.product_id == product_id,
            col(DeviceRow.kind).in_([kind.value for kind in kinds]),
            _is_present(),
        )
        .distinct()
    )
    return tuple(sorted(rows))


def _classes_of(session: Session, type_: str) -> list[str]:
    # Out of the few sorts of slices that there are, not out of all slices.
    rows = session.exec(select(ShapeRow.resource_class).distinct())
    return [name for name in rows if type_of(name) == type_.upper()]


def _is_present() -> ColumnElement[bool]:
    claimed = exists().where(col(ClaimRow.device_id) == col(DeviceRow.id))
    return or_(col(DeviceRow.state) != MISSING, claimed)


def _cards(session: Session, ids: Sequence[UUID]) -> tuple[Card, ...]:
    slices: dict[UUID, list[DeviceRow]] = {id_: [] for id_ in ids}
    rows = session.exec(
        select(DeviceRow).where(col(DeviceRow.provider_id).in_(list(ids)), _is_present())
        .order_by(DeviceRow.name)
    )  # fmt: skip
    for row in rows:
        slices[row.provider_id].append(row)
    told = {row.id: row for row in session.exec(select(CardRow).where(col(CardRow.id).in_(list(ids))))}
    hosts = providers.root_names(session, {rows[0].host_id for rows in slices.values() if rows})
    return tuple(_card(rows, told.get(id_), hosts) for id_, rows in slices.items() if rows)


def _card(rows: Sequence[DeviceRow], told: CardRow | None, hosts: Mapping[UUID, str]) -> Card:
    """`told`: what its host says of the card itself, where it says so."""
    first = rows[0]
    classes = [row.resource_class for row in rows]
    named = told or first
    return Card(
        id=first.provider_id, name=first.card, host=hosts.get(first.host_id, str(first.host_id)),
        vendor_id=named.vendor_id, product_id=named.product_id, model=named.model, serial=named.serial,
        address=told.address if told else min(first.addresses, default=""),
        memory_mib=named.memory_mib if told or len(rows) == 1 else None,
        classes=tuple(sorted(set(classes), key=lambda name: (-classes.count(name), name))),
        traits=tuple(sorted(set[str]().union(*(row.traits for row in rows)))),
        slices=len(rows), in_maintenance=all(row.maintenance for row in rows),
        last_seen=max(row.last_seen for row in rows),
    )  # fmt: skip
