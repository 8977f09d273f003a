"""The routes about devices, `/kcloud/v1/devices`: what hosts offer, in which state, and who holds it."""

from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import BaseModel

from kcloud_api.accelerator import policies, service
from kcloud_api.accelerator.records import DeviceQuery, DeviceRecord
from kcloud_api.http.context import CallerDep
from kcloud_api.http.paging import PagingDep, next_links
from kcloud_api.http.policy import allow
from kcloud_api.http.transaction import SessionDep
from kcloud_api.placement import providers
from kcloud_common.errors import NotFound

router = APIRouter(prefix="/devices")
"""hosts/routes.py includes it under /v1."""


class ClaimView(BaseModel):
    id: UUID
    server_id: UUID


class SharingView(BaseModel):
    """Time slicing as the driver has it."""

    policy: str | None = None
    quantum_us: int | None = None
    preempt_timeout_us: int | None = None
    weight: int | None = None


class LinkView(BaseModel):
    speed: float
    """GT/s of one lane."""
    width: int
    """Lanes."""


class DeviceView(BaseModel):
    id: UUID
    name: str
    host_id: UUID
    host: str
    card: str
    """The name of the card that it is a slice of."""
    card_id: UUID
    """Of the card, and of its resource provider."""
    kind: str
    slice_type: str
    mdev: UUID | None
    addresses: tuple[str, ...]
    vendor_id: str
    product_id: str
    model: str
    serial: str
    resource_class: str
    traits: tuple[str, ...]
    share: int
    """Of the card, in thousandths."""
    memory_mib: int | None
    sharing: SharingView | None
    numa_node: int | None
    pci_path: tuple[str, ...]
    """The bridges above it, from the root complex down: devices below one bridge share it."""
    link: LinkView | None
    """What its PCI Express seat can do; null where it has none, or sleeps."""
    state: str
    reason: str
    """Why it is quarantined or missing; empty otherwise."""
    held_back: str
    """Why it is handed out to nobody; empty while somebody has it or may have it."""
    generation: int
    """Of its newest lease."""
    certified_generation: int
    maintenance: bool
    """An operator wants it so."""
    quarantine_reason: str
    """An operator's."""
    release_count: int
    release_done: int
    health: dict[str, Any] | None
    last_seen: datetime
    claim: ClaimView | None


class DevicesView(BaseModel):
    devices: list[DeviceView]
    devices_links: list[dict[str, str]] = []
    """Left out on the last page."""


class OneDeviceView(BaseModel):
    device: DeviceView


@router.get("", response_model_exclude_unset=True)
def list_devices(request: Request, session: SessionDep, caller: CallerDep, paging: PagingDep) -> DevicesView:
    """`host` (name or id), `state`, `kind` and `card` narrow the list. Of devices that are missing only those
    that somebody holds are shown, unless that state is asked for."""
    allow(request, caller, policies.DEVICES_LIST)
    host = request.query_params.get("host")
    wanted = DeviceQuery(
        host_ids=providers.roots_called(session, host) if host is not None else None,
        state=request.query_params.get("state"),
        kind=request.query_params.get("kind"),
        card=request.query_params.get("card"),
        limit=paging.limit,
        marker=paging.marker,
    )
    records, more = service.device_page(session, wanted)
    shown = _views(session, records)
    if not more:
        return DevicesView(devices=shown)
    return DevicesView(devices=shown, devices_links=next_links(request, records[-1].id))


@router.get("/{device_id}")
def show_device(request: Request, session: SessionDep, caller: CallerDep, device_id: str) -> OneDeviceView:
    allow(request, caller, policies.DEVICES_SHOW)
    for device in _views(session, service.devices(session, device_id=_uuid(device_id))):
        return OneDeviceView(device=device)
    raise NotFound(f"No device {device_id} is known.")


def _uuid(device_id: str) -> UUID:
    try:
        return UUID(device_id)
    except ValueError:
        raise NotFound(f"No device {device_id} is known.") from None


def _views(session: SessionDep, records: tuple[DeviceRecord, ...]) -> list[DeviceView]:
    names = providers.root_names(session, {record.host_id for record in records})
    return [_view(record, names.get(record.host_id, str(record.host_id))) for record in records]


def _view(record: DeviceRecord, host: str) -> DeviceView:
    claim = ClaimView(id=record.claim.id, server_id=record.claim.server_id) if record.claim else None
    link = LinkView(speed=record.link.speed, width=record.link.width) if record.link else None
    return DeviceView(
        id=record.id, name=record.name, host_id=record.host_id, host=host, addresses=record.addresses,
        card=record.card, card_id=record.provider_id, kind=record.kind, slice_type=record.slice_type,
        mdev=record.mdev, vendor_id=record.vendor_id, product_id=record.product_id, model=record.model,
        serial=record.serial, resource_class=record.resource_class, traits=record.traits,
        share=record.share, memory_mib=record.memory_mib,
        sharing=SharingView.model_validate(record.sharing) if record.sharing else None,
        numa_node=record.numa_node, pci_path=record.pci_path, link=link, state=record.state,
        reason=record.reason, held_back=record.held_back, generation=record.generation,
        certified_generation=record.certified_generation, maintenance=record.maintenance,
        quarantine_reason=record.quarantine_reason, release_count=record.release_count,
        release_done=record.release_done, health=dict(record.health) if record.health else None,
        last_seen=record.last_seen, claim=claim,
    )  # fmt: skip
