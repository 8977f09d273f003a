"""Cards over HTTP: as Cyborg's devices, as deployables (what of them is handed out), and as attributes."""

from collections.abc import Callable
from uuid import UUID

from fastapi import APIRouter, Request

from kcloud_api.accelerator.cyborg import cards, policies, shown
from kcloud_api.accelerator.cyborg.cards import Card, CardQuery
from kcloud_api.accelerator.cyborg.microversion import DEVICE_STATUS
from kcloud_api.accelerator.cyborg.shown import Json
from kcloud_api.accelerator.cyborg.sorts import possible_cards
from kcloud_api.http.context import CallerDep
from kcloud_api.http.microversions import version_of
from kcloud_api.http.paging import Paging, PagingDep, next_links
from kcloud_api.http.policy import allow
from kcloud_api.http.transaction import SessionDep
from kcloud_common.errors import Forbidden, NotFound

router = APIRouter()

MOST_CARDS = 250
"""On one page: each may have hundreds of slices."""


@router.get("/devices")
def list_devices(request: Request, session: SessionDep, caller: CallerDep, paging: PagingDep) -> Json:
    allow(request, caller, policies.DEVICES_LIST)
    return _page(request, session, paging, ("devices", lambda card: [_device(request, card)]))


@router.get("/devices/{device_id}")
def show_device(request: Request, session: SessionDep, caller: CallerDep, device_id: str) -> Json:
    allow(request, caller, policies.DEVICES_SHOW)
    return _device(request, the_card(session, device_id, "Device"))


@router.get("/deployables")
def list_deployables(request: Request, session: SessionDep, caller: CallerDep, paging: PagingDep) -> Json:
    allow(request, caller, policies.DEPLOYABLES_LIST)
    base = base_of(request)
    return _page(request, session, paging, ("deployables", lambda card: [shown.deployable(card, base)]))


@router.get("/deployables/{deployable_id}")
def show_deployable(request: Request, session: SessionDep, caller: CallerDep, deployable_id: str) -> Json:
    allow(request, caller, policies.DEPLOYABLES_SHOW)
    return shown.deployable(the_card(session, deployable_id, "Deployable"), base_of(request))


@router.patch("/deployables/{deployable_id}/program")
def program_deployable(request: Request, session: SessionDep, caller: CallerDep, deployable_id: str) -> None:
    allow(request, caller, policies.DEPLOYABLES_PROGRAM)
    the_card(session, deployable_id, "Deployable")
    raise Forbidden("kcloud programs no FPGAs: a guest that has the card can do it.")


@router.get("/attributes")
def list_attributes(request: Request, session: SessionDep, caller: CallerDep, paging: PagingDep) -> Json:
    """Pages are counted in deployables, not in attributes."""
    allow(request, caller, policies.ATTRIBUTES_LIST)
    base, key = base_of(request), request.query_params.get("key")

    def views(card: Card) -> list[Json]:
        return [view for view in shown.attributes(card, base) if key in (None, view["key"])]

    return _page(request, session, paging, ("attributes", views))


@router.get("/attributes/{attribute_id}")
def show_attribute(request: Request, session: SessionDep, caller: CallerDep, attribute_id: str) -> Json:
    allow(request, caller, policies.ATTRIBUTES_SHOW)
    wanted = _uuid(attribute_id, "Attribute")
    possible = CardQuery(limit=1, ids=possible_cards(wanted))
    for card in cards.card_page(session, possible)[0]:
        for view in shown.attributes(card, base_of(request)):
            if view["uuid"] == str(wanted):
                return view
    raise _unknown("Attribute", attribute_id)


@router.post("/attributes", status_code=201)
def create_attribute(request: Request, caller: CallerDep) -> None:
    allow(request, caller, policies.ATTRIBUTES_CREATE)
    raise Forbidden(
        "Attributes are what hosts report of their cards: give a card traits of your own by its host's "
        "[devices] offer, or by a layout."
    )


@router.delete("/attributes/{attribute_id}", status_code=204)
def delete_attribute(request: Request, caller: CallerDep, attribute_id: str) -> None:
    allow(request, caller, policies.ATTRIBUTES_DELETE)
    raise Forbidden("Attributes are what hosts report of their cards: they go when the hosts say so.")


def base_of(request: Request) -> str:
    """The service's URL."""
    return str(request.base_url).rstrip("/")


def the_card(session: SessionDep, card_id: str, called: str) -> Card:
    """Raises NotFound."""
    card = cards.find_card(session, _uuid(card_id, called))
    if card is None:
        raise _unknown(called, card_id)
    return card


def _device(request: Request, card: Card) -> Json:
    return shown.device(card, base_of(request), with_status=version_of(request) >= DEVICE_STATUS)


def _page(
    request: Request,
    session: SessionDep,
    paging: Paging,
    shape: tuple[str, Callable[[Card], list[Json]]],
) -> Json:
    """The collection's name and how a card looks in it; links to the next page, where there is one."""
    name, views = shape
    found, more = cards.card_page(session, _query(request, paging))
    listed = [view for card in found for view in views(card)]
    return {name: listed, **({f"{name}_links": next_links(request, found[-1].id)} if more else {})}


def _query(request: Request, paging: Paging) -> CardQuery:
    query = dict(request.query_params)
    # WSME's way to pass a filter.
    query.setdefault(query.pop("filters.field", ""), query.pop("filters.value", ""))
    ids = [query[name] for name in ("device_id", "deployable_id") if name in query]
    return CardQuery(
        limit=min(paging.limit, MOST_CARDS), marker=paging.marker, type=query.get("type"),
        vendor=query.get("vendor"), host=query.get("hostname"),
        ids=[_uuid(ids[0], "Device")] if ids else None,
    )  # fmt: skip


def _uuid(text: str, called: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise _unknown(called, text) from None


def _unknown(called: str, id_: str) -> NotFound:
    return NotFound(f"{called} not found with uuid={id_}.")
