"""Use cases of the service catalog."""

from dataclasses import dataclass
from typing import TypeVar
from uuid import uuid4

from sqlmodel import Session, col, select

from kcloud_api.identity.catalog.tables import CatalogService, Endpoint, Region
from kcloud_common.errors import NotFound

Named = TypeVar("Named", "RegionRecord", "ServiceRecord", "EndpointRecord")

INTERFACES = ("admin", "internal", "public")


@dataclass(frozen=True, slots=True)
class RegionRecord:
    id: str
    description: str
    parent_region_id: str | None


@dataclass(frozen=True, slots=True)
class ServiceRecord:
    id: str
    type: str
    name: str
    description: str
    enabled: bool


@dataclass(frozen=True, slots=True)
class EndpointRecord:
    id: str
    service_id: str
    region_id: str
    interface: str
    url: str
    enabled: bool


@dataclass(frozen=True, slots=True)
class CatalogEntry:
    """One enabled service with its enabled endpoints, as a token carries it."""

    service: ServiceRecord
    endpoints: tuple[EndpointRecord, ...]


def regions(session: Session) -> tuple[RegionRecord, ...]:
    rows = session.exec(select(Region).order_by(col(Region.id)))
    return tuple(RegionRecord(row.id, row.description, row.parent_region_id) for row in rows)


def services(
    session: Session, *, name: str | None = None, type: str | None = None
) -> tuple[ServiceRecord, ...]:
    query = select(CatalogService).order_by(col(CatalogService.id))
    if name is not None:
        query = query.where(CatalogService.name == name)
    if type is not None:
        query = query.where(CatalogService.type == type)
    return tuple(
        ServiceRecord(row.id, row.type, row.name, row.description, row.enabled) for row in session.exec(query)
    )


def endpoints(
    session: Session, *, service_id: str | None = None, interface: str | None = None
) -> tuple[EndpointRecord, ...]:
    query = select(Endpoint).order_by(col(Endpoint.id))
    if service_id is not None:
        query = query.where(Endpoint.service_id == service_id)
    if interface is not None:
        query = query.where(Endpoint.interface == interface)
    return tuple(
        EndpointRecord(row.id, row.service_id, row.region_id, row.interface, row.url, row.enabled)
        for row in session.exec(query)
    )


def get_region(session: Session, region_id: str) -> RegionRecord:
    return _one(regions(session), region_id, "region")


def get_service(session: Session, service_id: str) -> ServiceRecord:
    return _one(services(session), service_id, "service")


def get_endpoint(session: Session, endpoint_id: str) -> EndpointRecord:
    return _one(endpoints(session), endpoint_id, "endpoint")


def catalog(session: Session) -> tuple[CatalogEntry, ...]:
    by_service: dict[str, list[EndpointRecord]] = {}
    for endpoint in endpoints(session):
        if endpoint.enabled:
            by_service.setdefault(endpoint.service_id, []).append(endpoint)
    return tuple(
        CatalogEntry(service, tuple(by_service.get(service.id, ())))
        for service in services(session)
        if service.enabled
    )


def ensure_region(session: Session, region_id: str) -> None:
    """Safe to repeat."""
    if session.get(Region, region_id) is None:
        session.add(Region(id=region_id))
        session.flush()


def ensure_service(session: Session, *, type: str, name: str, region_id: str, url: str) -> None:
    """A service with one endpoint for each interface, all at `url`. Safe to repeat; a new url replaces."""
    found = services(session, name=name, type=type)
    service_id = found[0].id if found else uuid4().hex
    if not found:
        session.add(CatalogService(id=service_id, type=type, name=name))
    rows = session.exec(
        select(Endpoint).where(Endpoint.service_id == service_id, Endpoint.region_id == region_id)
    )
    existing = {row.interface: row for row in rows}
    for interface in INTERFACES:
        row = existing.get(interface)
        if row is None:
            new = Endpoint(
                id=uuid4().hex, service_id=service_id, region_id=region_id, interface=interface, url=url
            )
            session.add(new)
        elif row.url != url:
            row.url = url
            session.add(row)
    session.flush()


def _one(found: tuple[Named, ...], wanted: str, kind: str) -> Named:
    match = next((record for record in found if record.id == wanted), None)
    if match is None:
        raise NotFound(f"Could not find {kind}: {wanted}.")
    return match
