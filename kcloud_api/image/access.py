"""What every image route asks first: who is it, which image, and may he."""

from collections.abc import Mapping
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request

from kcloud_api.caller import Caller
from kcloud_api.db.engine import Database
from kcloud_api.http.context import Authenticate
from kcloud_api.http.policy import may
from kcloud_api.image.records import ImageRecord
from kcloud_common.errors import Forbidden, NotFound


def authenticated_briefly(request: Request) -> Caller:
    """The caller, without keeping a transaction open: what follows takes long, or has its own."""
    database: Database = request.app.state.database
    authenticate: Authenticate = request.app.state.authenticate
    with database.reading() as session:
        return authenticate(session, request)


BriefCallerDep = Annotated[Caller, Depends(authenticated_briefly)]


def require(request: Request, caller: Caller, action: str, target: Mapping[str, object]) -> None:
    """Raise Forbidden in Glance's words unless the caller may do `action`."""
    if not may(request, caller, action, target):
        raise Forbidden(f"You are not authorized to complete {action} action.")


def target_of(record: ImageRecord) -> Mapping[str, object]:
    return {"project_id": record.owner}


def image_id_of(text: str) -> UUID:
    """Raises NotFound: what is no UUID is the id of no image."""
    try:
        return UUID(text)
    except ValueError:
        raise NotFound(f"No image found with ID {text}") from None


def require_visibility(request: Request, caller: Caller, visibility: object, owner: str | None) -> None:
    """Who may offer an image to everybody."""
    action = {"public": "publicize_image", "community": "communitize_image"}.get(str(visibility))
    if action is not None:
        require(request, caller, action, {"project_id": owner})
