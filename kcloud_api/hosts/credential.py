"""Who speaks for a host: the id in the path must be the credential's own."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request
from sqlmodel import Session

from kcloud_api.hosts import enrolling
from kcloud_api.http.transaction import SessionDep

ID_HEADER = "X-Kcloud-Host-Id"
SECRET_HEADER = "X-Kcloud-Host-Secret"  # noqa: S105 - a header's name
TOKEN_HEADER = "X-Kcloud-Enrol-Token"  # noqa: S105


def check(request: Request, session: Session, host_id: UUID) -> None:
    """Unauthenticated unless the request carries this host's credential."""
    given = request.headers.get(ID_HEADER, ""), request.headers.get(SECRET_HEADER, "")
    enrolling.authenticate(session, host_id, *given)


def _host(request: Request, session: SessionDep, host_id: UUID) -> UUID:
    check(request, session, host_id)
    return host_id


HostDep = Annotated[UUID, Depends(_host)]
