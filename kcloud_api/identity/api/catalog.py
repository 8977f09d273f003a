"""Routes of regions, services and endpoints, for reading: the bootstrap writes them."""

from fastapi import APIRouter, Request

from kcloud_api.http.context import CallerDep
from kcloud_api.http.transaction import SessionDep
from kcloud_api.identity.api import views
from kcloud_api.identity.api.access import require
from kcloud_api.identity.catalog import service

router = APIRouter(prefix="/v3")


@router.get("/regions")
def list_regions(request: Request, session: SessionDep, caller: CallerDep) -> views.View:
    require(request, caller, "list_regions")
    found = service.regions(session)
    return views.collection(request, "regions", (views.region(request, record) for record in found))


@router.get("/regions/{region_id}")
def show_region(request: Request, session: SessionDep, caller: CallerDep, region_id: str) -> views.View:
    require(request, caller, "get_region")
    return {"region": views.region(request, service.get_region(session, region_id))}


@router.get("/services")
def list_services(request: Request, session: SessionDep, caller: CallerDep) -> views.View:
    require(request, caller, "list_services")
    query = request.query_params
    found = service.services(session, name=query.get("name"), type=query.get("type"))
    return views.collection(request, "services", (views.service(request, record) for record in found))


@router.get("/services/{service_id}")
def show_service(request: Request, session: SessionDep, caller: CallerDep, service_id: str) -> views.View:
    require(request, caller, "get_service")
    return {"service": views.service(request, service.get_service(session, service_id))}


@router.get("/endpoints")
def list_endpoints(request: Request, session: SessionDep, caller: CallerDep) -> views.View:
    require(request, caller, "list_endpoints")
    query = request.query_params
    found = service.endpoints(session, service_id=query.get("service_id"), interface=query.get("interface"))
    region_id = query.get("region_id")
    kept = (record for record in found if region_id in (None, record.region_id))
    return views.collection(request, "endpoints", (views.endpoint(request, record) for record in kept))


@router.get("/endpoints/{endpoint_id}")
def show_endpoint(request: Request, session: SessionDep, caller: CallerDep, endpoint_id: str) -> views.View:
    require(request, caller, "get_endpoint")
    return {"endpoint": views.endpoint(request, service.get_endpoint(session, endpoint_id))}
