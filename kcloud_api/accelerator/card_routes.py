"""The routes about cards and sorts of slices: `/kcloud/v1/cards` and `/slices`, the latter for everybody."""

from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import BaseModel

from kcloud_api.accelerator import policies, service
from kcloud_api.http.context import CallerDep
from kcloud_api.http.paging import PagingDep, next_links
from kcloud_api.http.policy import allow
from kcloud_api.http.transaction import SessionDep
from kcloud_api.placement import providers

router = APIRouter()
"""hosts/routes.py includes it under /v1."""


class CardView(BaseModel):
    id: UUID
    """Of its resource provider, too."""
    name: str
    host_id: UUID
    host: str
    address: str
    vendor_id: str
    product_id: str
    model: str
    serial: str
    memory_mib: int | None
    abilities: list[dict[str, Any]]
    """What it can be cut into, as its kernel says."""
    drift: str
    """How it differs from its layout, and why; empty when it stands."""
    last_seen: datetime


class CardsView(BaseModel):
    cards: list[CardView]
    cards_links: list[dict[str, str]] = []
    """Left out on the last page."""


class SliceView(BaseModel):
    id: UUID
    resource_class: str
    """For `resources:` of a flavor."""
    kind: str
    share: int
    """Of a card's power to compute, in thousandths."""
    memory_mib: int | None
    policy: str | None
    """How the card's time is shared; null: as its driver does it by itself, or not at all."""
    quantum_us: int | None
    preempt_timeout_us: int | None
    weight: int | None


class SlicesView(BaseModel):
    slices: list[SliceView]
    slices_links: list[dict[str, str]] = []
    """Left out on the last page."""


@router.get("/cards", response_model_exclude_unset=True)
def list_cards(request: Request, session: SessionDep, caller: CallerDep, paging: PagingDep) -> CardsView:
    """`host` (name or id) narrows the list."""
    allow(request, caller, policies.CARDS_LIST)
    host = request.query_params.get("host")
    host_ids = providers.roots_called(session, host) if host is not None else None
    found, more = service.card_page(session, host_ids=host_ids, limit=paging.limit, marker=paging.marker)
    names = providers.root_names(session, {card.host_id for card in found})
    shown = [
        CardView(
            id=card.id, name=card.name, host_id=card.host_id,
            host=names.get(card.host_id, str(card.host_id)), address=card.address,
            vendor_id=card.vendor_id, product_id=card.product_id, model=card.model, serial=card.serial,
            memory_mib=card.memory_mib, abilities=[dict(each) for each in card.abilities],
            drift=card.drift, last_seen=card.last_seen,
        )
        for card in found
    ]  # fmt: skip
    if not more:
        return CardsView(cards=shown)
    return CardsView(cards=shown, cards_links=next_links(request, found[-1].id))


@router.get("/slices", response_model_exclude_unset=True)
def list_slices(request: Request, session: SessionDep, caller: CallerDep, paging: PagingDep) -> SlicesView:
    """Which sorts of slices there are: nothing of hosts, and nothing of how many."""
    allow(request, caller, policies.SLICES)
    found, more = service.shape_page(session, limit=paging.limit, marker=paging.marker)
    shown = [
        SliceView(
            id=shape.id, resource_class=shape.resource_class, kind=shape.kind, share=shape.share,
            memory_mib=shape.memory_mib, policy=shape.policy, quantum_us=shape.quantum_us,
            preempt_timeout_us=shape.preempt_timeout_us, weight=shape.weight,
        )
        for shape in found
    ]  # fmt: skip
    if not more:
        return SlicesView(slices=shown)
    return SlicesView(slices=shown, slices_links=next_links(request, found[-1].id))
