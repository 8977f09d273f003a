"""Reads how the cards of many hosts are cut and who is on them, in two statements."""

from collections.abc import Collection, Iterator, Mapping
from uuid import UUID

from sqlalchemy import func
from sqlalchemy import select as select_columns
from sqlmodel import Session, col, select

from kcloud_api.accelerator.inventory import MISSING
from kcloud_api.accelerator.listing import card_record
from kcloud_api.accelerator.records import CutCard, SliceGroup
from kcloud_api.accelerator.tables import CardRow, ClaimRow, DeviceRow


def cut_cards(session: Session, host_ids: Collection[UUID]) -> Mapping[UUID, tuple[CutCard, ...]]:
    """By host; the cards of each by name. Hosts without cards lack."""
    if not host_ids:
        return {}
    slices = dict[tuple[UUID, str], list[SliceGroup]]()
    for host_id, card, group in _groups(session, host_ids):
        slices.setdefault((host_id, card), []).append(group)
    found: dict[UUID, list[CutCard]] = {}
    rows = select(CardRow).where(col(CardRow.host_id).in_(list(host_ids))).order_by(CardRow.name)
    for row in session.exec(rows):
        cut = CutCard(card_record(row), tuple(slices.get((row.host_id, row.name), ())))
        found.setdefault(row.host_id, []).append(cut)
    return {host_id: tuple(cards) for host_id, cards in found.items()}


def _groups(session: Session, host_ids: Collection[UUID]) -> Iterator[tuple[UUID, str, SliceGroup]]:
    sort = (
        col(DeviceRow.host_id), col(DeviceRow.card), col(DeviceRow.kind), col(DeviceRow.slice_type),
        col(DeviceRow.state), col(ClaimRow.server_id),
    )  # fmt: skip
    statement = (
        select_columns(*sort, func.count())
        .join(ClaimRow, col(ClaimRow.device_id) == DeviceRow.id, isouter=True)
        .where(col(DeviceRow.host_id).in_(list(host_ids)), col(DeviceRow.state) != MISSING)
        .group_by(*sort)
    )
    for host_id, card, kind, type_, state, server_id, count in session.connection().execute(statement):
        yield host_id, card, SliceGroup(kind, type_, state, server_id, count)
