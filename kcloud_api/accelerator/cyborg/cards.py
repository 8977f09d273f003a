"""Reads cards with what they are cut into, and who holds which slice of them.

A card is here while its host reports a slice of it, or somebody holds one.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Text, and_, case, cast, exists, func, or_
from sqlalchemy import select as select_columns
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


@dataclass(slots=True)
class _Sum:
    """All slices of a card, as the database has added them up: a card may have hundreds, and a page hundreds
    of cards."""

    classes: dict[str, int] = field(default_factory=dict)
    traits: set[str] = field(default_factory=set)
    in_use: int = 0
    """Those that no operator wants in maintenance."""
    last_seen: list[datetime] = field(default_factory=list)


def _cards(session: Session, ids: Sequence[UUID]) -> tuple[Card, ...]:
    sums = _sums(session, ids)
    firsts = {row.provider_id: row for row in _firsts(session, ids)}
    told = {row.id: row for row in session.exec(select(CardRow).where(col(CardRow.id).in_(list(ids))))}
    hosts = providers.root_names(session, {row.host_id for row in firsts.values()})
    return tuple(_card(firsts[id_], sums[id_], told.get(id_), hosts) for id_ in ids if id_ in firsts)


def _sums(session: Session, ids: Sequence[UUID]) -> dict[UUID, _Sum]:
    # PostgreSQL groups by no JSON, but by its text.
    traits = cast(col(DeviceRow.traits), Text)
    shut = case((col(DeviceRow.maintenance).is_(True), 1), else_=0)
    rows = session.connection().execute(
        select_columns(
            col(DeviceRow.provider_id), col(DeviceRow.resource_class), traits, func.count(),
            func.sum(shut), func.max(col(DeviceRow.last_seen)),
        )
        .where(col(DeviceRow.provider_id).in_(list(ids)), _is_present())
        .group_by(col(DeviceRow.provider_id), col(DeviceRow.resource_class), traits)
    )  # fmt: skip
    sums: dict[UUID, _Sum] = {}
    for id_, resource_class, names, count, maintained, seen in rows:
        found = sums.setdefault(id_, _Sum())
        found.classes[resource_class] = found.classes.get(resource_class, 0) + count
        found.traits.update(json.loads(names))
        found.in_use += count - maintained
        found.last_seen.append(seen)
    return sums


def _firsts(session: Session, ids: Sequence[UUID]) -> Sequence[DeviceRow]:
    """Of each card the first slice by name."""
    first = (
        select_columns(col(DeviceRow.provider_id).label("card"), func.min(col(DeviceRow.name)).label("name"))
        .where(col(DeviceRow.provider_id).in_(list(ids)), _is_present())
        .group_by(col(DeviceRow.provider_id))
        .subquery()
    )
    is_first = and_(col(DeviceRow.provider_id) == first.c.card, col(DeviceRow.name) == first.c.name)
    return session.exec(select(DeviceRow).join(first, is_first)).all()


def _card(first: DeviceRow, total: _Sum, told: CardRow | None, hosts: Mapping[UUID, str]) -> Card:
    """`told`: what its host says of the card itself, where it says so."""
    named = told or first
    slices = sum(total.classes.values())
    return Card(
        id=first.provider_id, name=first.card, host=hosts.get(first.host_id, str(first.host_id)),
        vendor_id=named.vendor_id, product_id=named.product_id, model=named.model, serial=named.serial,
        address=told.address if told else min(first.addresses, default=""),
        memory_mib=named.memory_mib if told or slices == 1 else None,
        classes=tuple(sorted(total.classes, key=lambda name: (-total.classes[name], name))),
        traits=tuple(sorted(total.traits)), slices=slices, in_maintenance=total.in_use == 0,
        last_seen=max(total.last_seen),
    )  # fmt: skip
