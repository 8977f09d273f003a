"""What operators do with single devices: `POST /kcloud/v1/devices/{id}/action`."""

from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from kcloud_api.accelerator import operating, policies
from kcloud_api.compute import assigning
from kcloud_api.hosts import reporting
from kcloud_api.http.context import CallerDep
from kcloud_api.http.policy import allow
from kcloud_api.http.transaction import SessionDep
from kcloud_common.errors import BadRequest

router = APIRouter()
"""hosts/routes.py includes it under /v1."""


class Quarantine(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reason: str = Field(min_length=1, max_length=1024)


class DeviceAction(BaseModel):
    """Exactly one of them."""

    model_config = ConfigDict(extra="forbid")

    maintenance: bool | None = None
    """Out of use as soon as it is free, or in use again."""
    quarantine: Quarantine | None = None
    """Handed out to nobody until it is released; whoever holds it keeps it."""
    release: dict[str, str] | None = Field(default=None, max_length=0)
    """Out of quarantine, when it passes a burn-in: `{"release": {}}`."""


@router.post("/devices/{device_id}/action", status_code=202)
def act(
    request: Request, session: SessionDep, caller: CallerDep, device_id: UUID, body: DeviceAction
) -> None:
    allow(request, caller, policies.DEVICES_CHANGE)
    if len(body.model_fields_set) != 1:
        raise BadRequest("Say exactly one of maintenance, quarantine and release.")
    host_id = operating.host_of(session, device_id)
    # First of all: who claims and who reports take this lock too.
    assigning.changed(session, host_id)
    if body.maintenance is not None:
        operating.set_maintenance(session, device_id, body.maintenance)
    elif body.quarantine is not None:
        operating.quarantine(session, device_id, body.quarantine.reason)
    elif body.release is not None:
        operating.release(session, device_id)
    else:
        raise BadRequest("Say what is wanted: null is nothing.")
    reporting.tell_again(session, host_id)
