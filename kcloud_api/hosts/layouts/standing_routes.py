"""The routes that tell what layouts do to hosts: how hosts stand to one, and what one would do; in pages."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel
from sqlmodel import Session

from kcloud_api.db.engine import Database
from kcloud_api.hosts.layouts import policies, standing
from kcloud_api.hosts.layouts.bodies import LayoutTrial
from kcloud_api.hosts.layouts.matching import IdleRule
from kcloud_api.hosts.layouts.standing import CardTrial, HostStanding, HostTrial, Page
from kcloud_api.http.context import CallerDep
from kcloud_api.http.paging import Paging, PagingDep, next_links
from kcloud_api.http.policy import allow
from kcloud_api.http.transaction import SessionDep

router = APIRouter()
"""layouts/routes.py's are included beside it."""

LARGEST_HOST_PAGE = 200
"""A host may have hundreds of cards, and each has a paragraph to itself."""


def _reading(request: Request) -> Iterator[Session]:
    """For a POST that changes nothing: it holds up nobody who writes."""
    database: Database = request.app.state.database
    with database.reading() as session:
        yield session


ReadingDep = Annotated[Session, Depends(_reading, scope="function")]


class IdleRuleView(BaseModel):
    """A rule of the layout that fits no card of the host. Nothing waits for that: a layout may be for hosts
    of several sorts."""

    number: int
    """From 1."""
    match: str
    words: str
    """With the card that is nearest, and how it differs."""


class HostStandingView(BaseModel):
    id: UUID
    name: str
    state: str
    counts: str
    """Name of the layout that counts for it: its own goes before its group's, that before the one for all."""
    is_ours: bool
    in_step: bool
    drifting: list[str]
    """Names of the cards that differ."""
    idle_rules: list[IdleRuleView]


class CardTrialView(BaseModel):
    name: str
    address: str
    ids: str
    model: str
    outcome: str
    now: str
    shall: str
    why: str
    servers: list[UUID]
    """That hold slices of it, while it waits for that; not more than twenty of them."""
    more_servers: int


class HostTrialView(BaseModel):
    id: UUID
    name: str
    state: str
    """A host that is `down` does it when it is back."""
    counts: str
    is_ours: bool
    """False: another layout counts for this host, before and after."""
    cards: list[CardTrialView]
    idle_rules: list[IdleRuleView]


@router.get("/layouts/{layout_id}/hosts")
def list_hosts(
    request: Request, session: SessionDep, caller: CallerDep, layout_id: UUID, paging: PagingDep
) -> dict[str, Any]:
    """How the hosts that it is for stand, by name."""
    allow(request, caller, policies.READ)
    found, more = standing.standing(session, layout_id, _page(paging))
    links = {"hosts_links": next_links(request, found[-1].id)} if more else {}
    return {"hosts": [_standing(each, layout_id) for each in found], **links}


@router.post("/layouts/validate")
def validate_layout(
    request: Request, session: ReadingDep, caller: CallerDep, body: LayoutTrial, paging: PagingDep
) -> dict[str, Any]:
    """What making this layout, or changing the one of `layout_id`, would do to each card, as its host has
    reported it. Nothing is changed; what would be refused is refused."""
    allow(request, caller, policies.CHANGE)
    found = standing.attempt(session, body, _page(paging))
    outcomes = Counter(card.forecast.outcome.value for host in found.hosts for card in host.cards)
    links = {"hosts_links": next_links(request, found.hosts[-1].id)} if found.more else {}
    return {
        "hosts": [_trial(each) for each in found.hosts],
        "not_enrolled": found.not_enrolled,
        "outcomes": outcomes,
        **links,
    }


def idle_views(rules: Iterable[IdleRule]) -> list[IdleRuleView]:
    return [IdleRuleView(number=rule.number, match=rule.match, words=rule.words) for rule in rules]


def _page(paging: Paging) -> Page:
    return Page(min(paging.limit, LARGEST_HOST_PAGE), paging.marker)


def _standing(host: HostStanding, layout_id: UUID) -> HostStandingView:
    return HostStandingView(
        id=host.id,
        name=host.name,
        state=host.state,
        counts=host.layout.name if host.layout is not None else "",
        is_ours=host.layout is not None and host.layout.id == layout_id,
        in_step=host.in_step,
        drifting=[card.name for card in host.cards if card.drift],
        idle_rules=idle_views(host.idle_rules),
    )


def _trial(host: HostTrial) -> HostTrialView:
    return HostTrialView(
        id=host.id, name=host.name, state=host.state, counts=host.counts, is_ours=host.is_ours,
        cards=[_card(each) for each in host.cards], idle_rules=idle_views(host.idle_rules),
    )  # fmt: skip


def _card(each: CardTrial) -> CardTrialView:
    card, found = each.card, each.forecast
    return CardTrialView(
        name=card.name, address=card.address, ids=card.ids, model=card.model, outcome=found.outcome.value,
        now=found.now, shall=found.shall, why=found.why, servers=list(found.servers),
        more_servers=found.more_servers,
    )  # fmt: skip
