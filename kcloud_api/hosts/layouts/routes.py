"""The routes about layouts, `/kcloud/v1/layouts`, and how a host stands to its own."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel

from kcloud_api.hosts.layouts import policies, service, standing
from kcloud_api.hosts.layouts.bodies import LayoutBody, LayoutChange, Target
from kcloud_api.hosts.layouts.records import LayoutRecord
from kcloud_api.hosts.layouts.standing_routes import IdleRuleView, idle_views
from kcloud_api.http.context import CallerDep
from kcloud_api.http.paging import LARGEST_PAGE, PagingDep, next_links
from kcloud_api.http.policy import allow
from kcloud_api.http.transaction import SessionDep
from kcloud_common.wire import CardLayoutWant

router = APIRouter()
"""hosts/routes.py includes it under /v1."""


@dataclass(frozen=True, slots=True)
class Older:
    """Which versions are asked for: at most `limit` below `before`."""

    limit: Annotated[int, Query(ge=1, le=LARGEST_PAGE)] = LARGEST_PAGE
    before: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None


OlderDep = Annotated[Older, Depends(Older)]


class LayoutView(BaseModel):
    id: UUID
    name: str
    version: int
    told_as: str
    """What hosts are told, and echo, as the version."""
    target: Target
    cards: tuple[CardLayoutWant, ...]
    user_id: str
    """Who made this version."""
    created_at: datetime
    """Of this version."""


class OneLayoutView(BaseModel):
    layout: LayoutView


class CardStanding(BaseModel):
    name: str
    address: str
    drift: str
    """How the card differs from the layout, and why; empty when it stands."""


class HostLayoutView(BaseModel):
    wanted: LayoutView | None
    """Null: cards are offered whole."""
    reported_version: str
    in_step: bool
    """The host has taken the wanted version into account, and no card differs from it."""
    idle_rules: list[IdleRuleView]
    cards: list[CardStanding]


@router.get("/layouts")
def list_layouts(
    request: Request, session: SessionDep, caller: CallerDep, paging: PagingDep
) -> dict[str, Any]:
    allow(request, caller, policies.READ)
    found, more = service.page(session, limit=paging.limit, marker=paging.marker)
    links = {"layouts_links": next_links(request, found[-1].id)} if more else {}
    return {"layouts": [view(each) for each in found], **links}


@router.post("/layouts", status_code=201)
def create_layout(
    request: Request, session: SessionDep, caller: CallerDep, body: LayoutBody
) -> OneLayoutView:
    allow(request, caller, policies.CHANGE)
    return OneLayoutView(layout=view(service.create(session, body, caller.user_id)))


@router.get("/layouts/{layout_id}")
def show_layout(request: Request, session: SessionDep, caller: CallerDep, layout_id: UUID) -> OneLayoutView:
    allow(request, caller, policies.READ)
    return OneLayoutView(layout=view(service.get(session, layout_id)))


@router.get("/layouts/{layout_id}/versions")
def list_versions(
    request: Request, session: SessionDep, caller: CallerDep, layout_id: UUID, older: OlderDep
) -> dict[str, Any]:
    """Newest first; `before` is the version at which the page before ended."""
    allow(request, caller, policies.READ)
    found, more = service.versions(session, layout_id, limit=older.limit, before=older.before)
    return {"versions": [view(each) for each in found], "more": more}


@router.patch("/layouts/{layout_id}")
def change_layout(
    request: Request, session: SessionDep, caller: CallerDep, layout_id: UUID, body: LayoutChange
) -> OneLayoutView:
    allow(request, caller, policies.CHANGE)
    return OneLayoutView(layout=view(service.change(session, layout_id, body, caller.user_id)))


@router.delete("/layouts/{layout_id}", status_code=204)
def delete_layout(request: Request, session: SessionDep, caller: CallerDep, layout_id: UUID) -> None:
    allow(request, caller, policies.CHANGE)
    service.remove(session, layout_id)


@router.get("/hosts/{host_id}/layout")
def show_host_layout(
    request: Request, session: SessionDep, caller: CallerDep, host_id: UUID
) -> HostLayoutView:
    allow(request, caller, policies.READ)
    found = standing.of_host(session, host_id)
    return HostLayoutView(
        wanted=view(found.layout) if found.layout is not None else None,
        reported_version=found.reported_version,
        in_step=found.in_step,
        idle_rules=idle_views(found.idle_rules),
        cards=[CardStanding(name=card.name, address=card.address, drift=card.drift) for card in found.cards],
    )


def view(layout: LayoutRecord) -> LayoutView:
    return LayoutView(
        id=layout.id, name=layout.name, version=layout.version, told_as=layout.want.version,
        target=layout.target, cards=layout.cards, user_id=layout.user_id, created_at=layout.created_at,
    )  # fmt: skip
