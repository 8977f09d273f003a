"""Placement's routes about traits: which there are, and which a provider has."""

from fastapi import APIRouter, Request, Response

from kcloud_api.http.transaction import SessionDep
from kcloud_api.placement import policies, providers, schemas, tagging, vocabulary
from kcloud_api.placement import provider_views as views
from kcloud_api.placement.exchange import RawBody, answer
from kcloud_api.placement.routing import (
    CREATED,
    NO_CONTENT,
    ProviderId,
    asks,
    host_of,
    mount_of,
    nothing,
    requires,
    takes,
)
from kcloud_common.errors import BadRequest

router = APIRouter()


@router.get(
    "/traits", dependencies=[requires(policies.TRAITS_LIST)], openapi_extra=asks(schemas.TRAITS_QUERY)
)
def list_traits(request: Request, session: SessionDep) -> Response:
    asked = dict(request.query_params)
    schemas.TRAITS_QUERY.query(asked)
    found = vocabulary.list_traits(session, _trait_query(asked))
    return answer(request, {"traits": [each.name for each in found]}, vocabulary.latest(found))


@router.get("/traits/{name}", dependencies=[requires(policies.TRAITS_SHOW)])
def show_trait(request: Request, session: SessionDep, name: str) -> Response:
    return nothing(request, vocabulary.get_trait(session, name).updated_at)


@router.put("/traits/{name}", dependencies=[requires(policies.TRAITS_UPDATE)])
def put_trait(request: Request, session: SessionDep, name: str) -> Response:
    new = vocabulary.ensure_trait(session, name)
    response = nothing(request, vocabulary.get_trait(session, name).updated_at)
    response.status_code = CREATED if new else NO_CONTENT
    response.headers["Location"] = f"{host_of(request)}{mount_of(request)}/traits/{name}"
    return response


@router.delete("/traits/{name}", dependencies=[requires(policies.TRAITS_DELETE)])
def delete_trait(session: SessionDep, name: str) -> Response:
    vocabulary.delete_trait(session, name)
    return nothing()


OF_PROVIDER = "/resource_providers/{uuid}/traits"


@router.get(OF_PROVIDER, dependencies=[requires(policies.PROVIDER_TRAITS_LIST)])
def list_provider_traits(request: Request, session: SessionDep, provider_id: ProviderId) -> Response:
    provider = providers.get_provider(session, provider_id)
    found = tagging.traits_of(session, provider_id)
    return answer(request, views.traits(found, provider.generation))


@router.put(
    OF_PROVIDER,
    dependencies=[requires(policies.PROVIDER_TRAITS_UPDATE)],
    openapi_extra=takes(schemas.TRAITS_PUT),
)
def put_provider_traits(
    request: Request, session: SessionDep, provider_id: ProviderId, raw: RawBody
) -> Response:
    said = schemas.TRAITS_PUT.body(raw)
    wanted = frozenset(said["traits"])
    changed = tagging.put_traits(session, provider_id, said["resource_provider_generation"], wanted)
    return answer(request, views.traits(sorted(wanted), changed.generation))


@router.delete(OF_PROVIDER, dependencies=[requires(policies.PROVIDER_TRAITS_DELETE)])
def delete_provider_traits(session: SessionDep, provider_id: ProviderId) -> Response:
    tagging.put_traits(session, provider_id, None, frozenset())
    return nothing()


def _trait_query(asked: dict[str, str]) -> vocabulary.TraitQuery:
    among, prefix = None, ""
    if "name" in asked:
        operator, separator, operand = asked["name"].partition(":")
        if not separator:
            raise BadRequest(
                "Badly formatted name parameter. Expected name query string parameter in form: "
                f'?name=[in|startswith]:[name1,name2|prefix]. Got: "{asked["name"]}"'
            )
        among = frozenset(operand.split(",")) if operator == "in" else None
        prefix = operand if operator == "startswith" else ""
    used = asked.get("associated")
    if used is not None and used.lower() not in ("true", "false"):
        raise BadRequest('The query parameter "associated" only accepts "true" or "false"')
    return vocabulary.TraitQuery(among, prefix, used.lower() == "true" if used is not None else None)
