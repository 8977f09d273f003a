"""What operators do with whole cards, in Cyborg's words: out of use, and into it again."""

from uuid import UUID

from fastapi import APIRouter, Request

from kcloud_api.accelerator import operating
from kcloud_api.accelerator.cyborg import cards, policies
from kcloud_api.compute import assigning
from kcloud_api.hosts import reporting
from kcloud_api.http.context import CallerDep
from kcloud_api.http.policy import allow
from kcloud_api.http.transaction import SessionDep
from kcloud_common.errors import NotFound

router = APIRouter(prefix="/devices")
"""The composition root adds it to the accelerator service, under /v2."""


@router.post("/{device_id}/disable")
def disable(request: Request, session: SessionDep, caller: CallerDep, device_id: str) -> None:
    """Each slice goes into maintenance as soon as it is free. May be repeated."""
    allow(request, caller, policies.DEVICES_DISABLE)
    _set_maintenance(session, device_id, wanted=True)


@router.post("/{device_id}/enable")
def enable(request: Request, session: SessionDep, caller: CallerDep, device_id: str) -> None:
    """May be repeated."""
    allow(request, caller, policies.DEVICES_ENABLE)
    _set_maintenance(session, device_id, wanted=False)


def _set_maintenance(session: SessionDep, card_id: str, *, wanted: bool) -> None:
    try:
        slices = cards.slices_of(session, UUID(card_id))
    except ValueError:
        slices = ()
    if not slices:
        raise NotFound(f"Device not found with uuid={card_id}.")
    host_id = operating.host_of(session, slices[0])
    # First of all: who claims and who reports take this lock too.
    assigning.changed(session, host_id)
    for device_id in slices:
        operating.set_maintenance(session, device_id, wanted)
    reporting.tell_again(session, host_id)
