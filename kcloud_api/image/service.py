"""Use cases of images: register, change, find, activate, delete. The bytes are kcloud_api.image.store's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import delete, update
from sqlmodel import Session, col, select

from kcloud_api.caller import Caller
from kcloud_api.conf.image import ImageConf
from kcloud_api.db.columns import utcnow
from kcloud_api.db.unique import add_unique
from kcloud_api.image import store
from kcloud_api.image.attributes import BASE
from kcloud_api.image.listing import Listing, page
from kcloud_api.image.records import ImageRecord, Stored
from kcloud_api.image.tables import Image
from kcloud_common.errors import AlreadyExists, BadRequest, Conflict, Forbidden, NotFound

__all__ = ["ImageRecord", "Listing", "data_path"]

DELETED = "pending_delete"
"""Glance's word for an image that is deleted while its data is not."""


def data_path(conf: ImageConf, image_id: UUID) -> Path:
    """Where the data of an active image is. `conf` is the configuration group `image`."""
    return store.data_path(conf, image_id)


def find_image(session: Session, image_id: UUID) -> ImageRecord:
    """Any image, for those who act for the cloud itself. Raises NotFound."""
    return _record(_row(session, image_id))


def visible_image(session: Session, caller: Caller, image_id: UUID) -> ImageRecord:
    """Raises NotFound for none and for one that the caller may not see, with the same words."""
    record = find_image(session, image_id)
    if not may_see(caller, record):
        raise _no_image(image_id)
    return record


def usable_image(session: Session, caller: Caller, image_id: UUID) -> ImageRecord:
    """An image to boot from. Raises NotFound as visible_image, BadRequest while there is no data."""
    record = visible_image(session, caller, image_id)
    if record.status != "active":
        raise BadRequest(f"Image {image_id} is not active.", field="imageRef")
    return record


def may_see(caller: Caller, record: ImageRecord) -> bool:
    """Its project, everybody for public and community ones, and admins."""
    own = caller.project_id is not None and record.owner == caller.project_id
    return own or caller.is_admin or record.visibility in ("public", "community")


def list_images(session: Session, caller: Caller, listing: Listing) -> tuple[ImageRecord, ...]:
    """One page. Raises BadRequest for a marker that is no image of the caller's."""
    marker = None
    if listing.marker is not None:
        marker = session.get(Image, listing.marker)
        if marker is None or not may_see(caller, _record(marker)):
            raise BadRequest(f"Marker {listing.marker} could not be found.")
    columns = {name: col(getattr(Image, name)) for name in Image.model_fields}
    after = {name: getattr(marker, name) for name in columns} if marker is not None else None
    found = page(columns, caller, listing, after)
    query = (
        select(Image).where(Image.status != DELETED, *found.where).order_by(*found.order).limit(listing.limit)
    )
    return tuple(_record(row) for row in session.exec(query.limit(listing.limit)))


def create_image(session: Session, owner: str | None, attributes: Mapping[str, Any]) -> ImageRecord:
    """`attributes` were checked. Raises AlreadyExists for an id in use, by whomever."""
    image_id = UUID(attributes["id"]) if attributes.get("id") is not None else uuid4()
    taken = f"Image ID {image_id} already exists!"
    if session.get(Image, image_id) is not None:
        raise AlreadyExists(taken)
    base = {key: value for key, value in attributes.items() if key in BASE - {"id"}}
    properties = {key: value for key, value in attributes.items() if key not in BASE}
    row = Image(**{"owner": owner, **base, "id": image_id, "properties": properties})
    row.tags = list(dict.fromkeys(row.tags))
    add_unique(session, row, taken)
    return _record(row)


@dataclass(frozen=True, slots=True)
class Update:
    """All base attributes and custom properties that the image should have."""

    base: Mapping[str, Any]
    properties: Mapping[str, Any]


def base_attributes(record: ImageRecord) -> dict[str, Any]:
    """The settable attributes by Glance's names."""
    return {
        "name": record.name,
        "owner": record.owner,
        "visibility": record.visibility,
        "protected": record.protected,
        "os_hidden": record.os_hidden,
        "disk_format": record.disk_format,
        "container_format": record.container_format,
        "min_disk": record.min_disk_gib,
        "min_ram": record.min_ram_mib,
        "tags": list(record.tags),
    }


def update_image(session: Session, image_id: UUID, wanted: Update) -> ImageRecord:
    """Raises Forbidden for a new format once there is data: the data was inspected against the old one."""
    row = _row(session, image_id)
    for key in ("disk_format", "container_format"):
        if row.status != "queued" and wanted.base[key] != getattr(row, key):
            raise Forbidden(f"Attribute {key} can be only replaced for a queued image.")
    for key, value in wanted.base.items():
        setattr(row, key, value)
    row.tags = list(dict.fromkeys(row.tags))
    row.properties = dict(wanted.properties)
    row.updated_at = utcnow()
    session.add(row)
    session.flush()
    return _record(row)


def require_uploadable(record: ImageRecord) -> str:
    """The disk format that the data must have. Raises Conflict unless queued, BadRequest without formats."""
    if record.status != "queued":
        raise Conflict(f"Image status transition from {record.status} to saving is not allowed")
    missing = [key for key in ("container_format", "disk_format") if getattr(record, key) is None]
    if missing or record.disk_format is None:
        raise BadRequest(f"Properties {', '.join(missing)} must be set prior to saving data.")
    return record.disk_format


def activate_image(session: Session, image_id: UUID, stored: Stored) -> None:
    """From queued to active with this data. Raises Conflict when another upload was first, NotFound when the
    image went meanwhile. The caller publishes the data inside the same transaction, so that it has the row
    to itself."""
    changed = session.exec(
        update(Image)
        .where(col(Image.id) == image_id, col(Image.status) == "queued")
        .values(
            status="active",
            size=stored.size,
            virtual_size=stored.virtual_size,
            checksum=stored.checksum,
            sha512=stored.sha512,
            updated_at=utcnow(),
        )
    )
    if changed.rowcount != 1:
        require_uploadable(find_image(session, image_id))
        raise Conflict(f"Image {image_id} changed during the upload.")


def set_active(session: Session, image_id: UUID, *, active: bool) -> None:
    """Deactivate, or reactivate, an image that has data. Safe to repeat. Raises Forbidden for any other."""
    row = _row(session, image_id)
    verb, wanted = ("activate", "active") if active else ("deactivate", "deactivated")
    if row.status not in ("active", "deactivated"):
        raise Forbidden(f"Not allowed to {verb} image in status '{row.status}'")
    row.status = wanted
    row.updated_at = utcnow()
    session.add(row)
    session.flush()


def delete_image(session: Session, image_id: UUID) -> None:
    """Nobody finds the image from now on. Its row goes once its data has gone: until then it is a note to
    whoever cleans up (`to_purge`, `purge`). Raises Forbidden for a protected one."""
    row = _row(session, image_id)
    if row.protected:
        raise Forbidden(f"Image {image_id} is protected and cannot be deleted.")
    row.status = DELETED
    session.add(row)
    session.flush()


def to_purge(session: Session) -> tuple[UUID, ...]:
    """Deleted images whose data may still be there."""
    return tuple(session.exec(select(Image.id).where(Image.status == DELETED)))


def purge(session: Session, image_ids: Sequence[UUID]) -> None:
    """Forget deleted images; their data is gone. Safe to repeat."""
    session.exec(delete(Image).where(col(Image.id).in_(image_ids), col(Image.status) == DELETED))


def _row(session: Session, image_id: UUID) -> Image:
    row = session.get(Image, image_id)
    if row is None or row.status == DELETED:
        raise _no_image(image_id)
    return row


def _no_image(image_id: UUID) -> NotFound:
    return NotFound(f"No image found with ID {image_id}")


def _record(row: Image) -> ImageRecord:
    return ImageRecord(
        id=row.id,
        name=row.name,
        status=row.status,
        sha512=row.sha512,
        size=row.size,
        disk_format=row.disk_format,
        min_disk_gib=row.min_disk,
        min_ram_mib=row.min_ram,
        owner=row.owner,
        visibility=row.visibility,
        container_format=row.container_format,
        checksum=row.checksum,
        virtual_size=row.virtual_size,
        protected=row.protected,
        os_hidden=row.os_hidden,
        created_at=row.created_at,
        updated_at=row.updated_at,
        tags=tuple(row.tags),
        properties=dict(row.properties),
    )
