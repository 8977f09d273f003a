"""Routes of key pairs, relative to /v2.1 (microversion 2.92 and later: keys are made by the client)."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request, Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from kcloud_api.compute.flavors.listing import read_limit
from kcloud_api.compute.flavors.wire import next_link
from kcloud_api.compute.keypairs import service
from kcloud_api.compute.keypairs.service import KeyPairRecord, NewKeyPair
from kcloud_api.http.context import CallerDep
from kcloud_api.http.policy import allow
from kcloud_api.http.transaction import SessionDep

router = APIRouter(prefix="/os-keypairs")

RULE = "os_compute_api:os-keypairs"


def _unpadded(value: str) -> str:
    if value != value.strip():
        raise ValueError("Name can not start or end with whitespace.")
    return value


class KeyPairCreate(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: Annotated[
        str,
        Field(min_length=1, max_length=255, pattern=r"^[_\-\@\. a-zA-Z0-9]+$"),
        AfterValidator(_unpadded),
    ]
    public_key: Annotated[str, Field(max_length=16384)]
    type: Literal["ssh", "x509"] = "ssh"
    user_id: Annotated[str, Field(max_length=64)] | None = None


class KeyPairCreateBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    keypair: KeyPairCreate


@router.get("")
def list_keypairs(
    request: Request, session: SessionDep, caller: CallerDep, user_id: str | None = None
) -> dict[str, Any]:
    owner = user_id or caller.user_id
    allow(request, caller, f"{RULE}:index", {"user_id": owner})
    limit = read_limit(request.query_params)
    found = service.list_keypairs(session, owner, marker=request.query_params.get("marker"), limit=limit)
    links = next_link(request, [record.name for record in found], limit)
    shown = [{"keypair": _summary(record)} for record in found]
    return {"keypairs": shown, **({"keypairs_links": links} if links else {})}


@router.post("", status_code=201)
def create_keypair(
    request: Request, session: SessionDep, caller: CallerDep, body: KeyPairCreateBody
) -> dict[str, Any]:
    asked = body.keypair
    owner = asked.user_id or caller.user_id
    allow(request, caller, f"{RULE}:create", {"user_id": owner})
    record = service.import_keypair(session, NewKeyPair(owner, asked.name, asked.public_key, asked.type))
    return {"keypair": {**_summary(record), "user_id": record.user_id}}


@router.get("/{name}")
def show_keypair(
    request: Request, session: SessionDep, caller: CallerDep, name: str, user_id: str | None = None
) -> dict[str, Any]:
    owner = user_id or caller.user_id
    allow(request, caller, f"{RULE}:show", {"user_id": owner})
    record = service.get_keypair(session, owner, name)
    view = {
        **_summary(record),
        "user_id": record.user_id,
        "id": record.id,
        "created_at": record.created_at.strftime("%Y-%m-%dT%H:%M:%S.%f"),
        "deleted": False,
        "deleted_at": None,
        "updated_at": None,
    }
    return {"keypair": view}


@router.delete("/{name}", status_code=204)
def delete_keypair(
    request: Request, session: SessionDep, caller: CallerDep, name: str, user_id: str | None = None
) -> Response:
    owner = user_id or caller.user_id
    allow(request, caller, f"{RULE}:delete", {"user_id": owner})
    service.delete_keypair(session, owner, name)
    return Response(status_code=204)


def _summary(record: KeyPairRecord) -> dict[str, Any]:
    return {
        "name": record.name,
        "type": record.type,
        "public_key": record.public_key,
        "fingerprint": record.fingerprint,
    }
