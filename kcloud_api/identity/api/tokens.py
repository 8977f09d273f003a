"""Routes of tokens and of the catalog that a token opens."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Request
from fastapi.responses import JSONResponse, Response
from sqlmodel import Session

from kcloud_api.db.engine import Database
from kcloud_api.http.context import CallerDep
from kcloud_api.http.transaction import SessionDep
from kcloud_api.identity.api import views
from kcloud_api.identity.api.access import require
from kcloud_api.identity.api.auth_body import MALFORMED, AuthBody, read_proof, read_wish
from kcloud_api.identity.catalog.service import catalog
from kcloud_api.identity.projects.service import get_domain, get_project
from kcloud_api.identity.tokens import service
from kcloud_api.identity.tokens.service import Lifetime, TokenRecord
from kcloud_api.identity.users.service import get_user
from kcloud_common.errors import BadRequest, Forbidden

router = APIRouter(prefix="/v3/auth")

SubjectToken = Annotated[str, Header(alias="X-Subject-Token")]


def reading(request: Request) -> Iterator[Session]:
    """A login writes nothing, and bcrypt must not hold SQLite's one write lock while it thinks."""
    database: Database = request.app.state.database
    with database.reading() as session:
        yield session


ReadingDep = Annotated[Session, Depends(reading, scope="function")]


@router.post("/tokens")
def issue_token(request: Request, session: ReadingDep, body: AuthBody) -> Response:
    if body.auth is None:
        raise BadRequest(f"Expecting to find auth in request body. {MALFORMED}")
    conf = request.app.state.conf.identity
    lifetime = Lifetime(seconds=conf.token_seconds, rounds=conf.password_rounds)
    token, record = service.issue(session, read_proof(body.auth), read_wish(body.auth), lifetime)
    return _answer(token_view(request, session, record), token, 201)


@router.api_route("/tokens", methods=["GET", "HEAD"])
def show_token(
    request: Request, session: SessionDep, caller: CallerDep, subject_token: SubjectToken = ""
) -> Response:
    window = request.app.state.conf.identity.expired_window_seconds
    wants_expired = request.query_params.get("allow_expired", "0").lower() in ("1", "true", "yes", "on")
    record = service.subject(session, subject_token, grace=timedelta(seconds=window if wants_expired else 0))
    require(request, caller, "validate_token", {"user_id": record.payload.user_id})
    return _answer(token_view(request, session, record), subject_token, 200)


@router.delete("/tokens", status_code=204)
def revoke_token(
    request: Request, session: SessionDep, caller: CallerDep, subject_token: SubjectToken = ""
) -> Response:
    record = service.subject(session, subject_token)
    require(request, caller, "revoke_token", {"user_id": record.payload.user_id})
    service.revoke(session, record)
    return Response(status_code=204)


@router.get("/catalog")
def show_catalog(request: Request, session: SessionDep, caller: CallerDep) -> views.View:
    if caller.project_id is None:
        raise Forbidden("A project-scoped token is required to produce a service catalog.")
    links = {"self": str(request.url), "next": None, "previous": None}
    return {"catalog": views.catalog(catalog(session), caller.project_id), "links": links}


def token_view(request: Request, session: Session, record: TokenRecord) -> views.View:
    payload = record.payload
    user = get_user(session, payload.user_id)
    view: dict[str, Any] = {
        "methods": list(payload.methods),
        "user": {
            "id": user.id,
            "name": user.name,
            "domain": _domain(session, user.domain_id),
            "password_expires_at": None,
        },
        "audit_ids": list(payload.audit_ids),
        "issued_at": views.moment(payload.issued_at),
        "expires_at": views.moment(payload.expires_at),
    }
    scope = payload.scope
    if scope is None:
        return {"token": view}
    view["roles"] = [{"id": role.id, "name": role.name} for role in record.standing.roles]
    if scope.kind == "project":
        project = get_project(session, scope.id)
        domain = _domain(session, project.domain_id)
        view |= {"project": {"id": project.id, "name": project.name, "domain": domain}, "is_domain": False}
    elif scope.kind == "domain":
        view["domain"] = _domain(session, scope.id)
    else:
        view["system"] = {"all": True}
    if "nocatalog" not in request.query_params:
        view["catalog"] = views.catalog(catalog(session), scope.id if scope.kind == "project" else None)
    return {"token": view}


def _domain(session: Session, domain_id: str) -> dict[str, str]:
    return {"id": domain_id, "name": get_domain(session, domain_id).name}


def _answer(view: views.View, token: str, status: int) -> Response:
    return JSONResponse(view, status, {"X-Subject-Token": token, "Vary": "X-Auth-Token"})
