"""The routes about certificates, and the keys that they were signed with. A tenant reads those of its own
leases; of anybody else's it does not learn that there are any."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request

from kcloud_api.accelerator import policies, service
from kcloud_api.accelerator.records import CertificateQuery, CertificateRecord, ChainAnchor, HostKey
from kcloud_api.caller import Caller
from kcloud_api.http.context import CallerDep
from kcloud_api.http.paging import PagingDep, next_links
from kcloud_api.http.policy import allow, may
from kcloud_api.http.transaction import SessionDep
from kcloud_common.errors import NotFound

router = APIRouter()
"""hosts/routes.py includes it under /v1."""

NO_PROJECT = ""
"""Of which no lease is: what a token for the whole system without an operator's role sees."""


@router.get("/devices/{device_id}/certificates")
def list_of_device(
    request: Request, session: SessionDep, caller: CallerDep, device_id: UUID, paging: PagingDep
) -> dict[str, Any]:
    """Oldest first. `certificates` are as they were signed: `kcloud device verify` reads this answer."""
    allow(request, caller, policies.CERTIFICATES)
    project_id = _whose(request, caller)
    if not service.has_leased(session, device_id, project_id):
        raise NotFound(f"No device {device_id} is known.")
    wanted = CertificateQuery(project_id, device_id=device_id, limit=paging.limit, marker=paging.marker)
    return _answer(request, session, wanted)


@router.get("/certificates")
def list_certificates(
    request: Request,
    session: SessionDep,
    caller: CallerDep,
    paging: PagingDep,
    server_id: UUID | None = None,
) -> dict[str, Any]:
    """By device, oldest first; those of the leases of one server, with `server_id`."""
    allow(request, caller, policies.CERTIFICATES)
    project_id = _whose(request, caller)
    wanted = CertificateQuery(project_id, server_id=server_id, limit=paging.limit, marker=paging.marker)
    return _answer(request, session, wanted)


@router.get("/hosts/{host_id}/keys")
def list_keys(request: Request, session: SessionDep, caller: CallerDep, host_id: UUID) -> dict[str, Any]:
    """All that the host has ever shown: what an old key signed stays signed."""
    allow(request, caller, policies.KEYS)
    return {"keys": [_key(key) for key in service.host_keys(session, {host_id})]}


def _whose(request: Request, caller: Caller) -> str | None:
    """The project whose leases the caller may read of; None for everybody's."""
    if may(request, caller, policies.CERTIFICATES_ALL):
        return None
    return caller.project_id or NO_PROJECT


def _answer(request: Request, session: SessionDep, wanted: CertificateQuery) -> dict[str, Any]:
    found, more = service.certificate_page(session, wanted)
    keys = service.host_keys(session, {each.certificate.host_id for each in found})
    # A tenant sees pieces of chains, which begin anywhere.
    all_of_them = wanted.project_id is None and wanted.server_id is None
    anchors = service.anchors_of(session, {each.device_id for each in found}) if all_of_them else ()
    links = {"certificates_links": next_links(request, found[-1].id)} if more else {}
    return {
        "certificates": [each.certificate.model_dump(mode="json") for each in found],
        "about": [_about(each) for each in found],
        "keys": [_key(key) for key in keys],
        **({"anchors": [anchor_view(anchor) for anchor in anchors]} if anchors else {}),
        **links,
    }


def _about(record: CertificateRecord) -> dict[str, Any]:
    """What the control plane knows of a certificate that its signer did not write."""
    return {
        "id": str(record.id),
        "device_id": str(record.device_id),
        "server_id": str(record.server_id) if record.server_id else None,
        "project_id": record.project_id,
        "chain": record.chain,
        "hash": record.hash,
        "received_at": record.received_at.isoformat().replace("+00:00", "Z"),
    }


def anchor_view(anchor: ChainAnchor) -> dict[str, Any]:
    """Where what is kept of a chain begins: nobody signed that."""
    return {
        "host_id": str(anchor.host_id),
        "device": anchor.device,
        "device_id": str(anchor.device_id),
        "chain": anchor.chain,
        "sequence": anchor.sequence,
        "hash": anchor.hash,
        "reason": anchor.reason,
        "made_at": anchor.made_at.isoformat().replace("+00:00", "Z"),
    }


def _key(key: HostKey) -> dict[str, Any]:
    first_seen = key.first_seen.isoformat().replace("+00:00", "Z")
    return {"host_id": str(key.host_id), "key": key.key, "first_seen": first_seen}
