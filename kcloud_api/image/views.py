"""The shapes in which images leave, and the schemas that describe them to clients."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from kcloud_api.image.attributes import VISIBILITIES
from kcloud_api.image.records import ImageRecord

View = dict[str, Any]

CURRENT = "v2.9"
SUPPORTED = ("v2.7", "v2.6", "v2.5", "v2.4", "v2.3", "v2.2", "v2.1", "v2.0")


def versions(base: str) -> View:
    links = [{"rel": "self", "href": f"{base}/v2/"}]
    older = [{"id": name, "status": "SUPPORTED", "links": links} for name in SUPPORTED]
    return {"versions": [{"id": CURRENT, "status": "CURRENT", "links": links}, *older]}


def image(record: ImageRecord) -> View:
    path = f"/v2/images/{record.id}"
    return {
        **record.properties,
        "id": str(record.id),
        "name": record.name,
        "status": record.status,
        "visibility": record.visibility,
        "protected": record.protected,
        "os_hidden": record.os_hidden,
        "owner": record.owner,
        "disk_format": record.disk_format,
        "container_format": record.container_format,
        "min_disk": record.min_disk_gib,
        "min_ram": record.min_ram_mib,
        "size": record.size,
        "virtual_size": record.virtual_size,
        "checksum": record.checksum,
        "os_hash_algo": "sha512" if record.sha512 is not None else None,
        "os_hash_value": record.sha512,
        "tags": list(record.tags),
        "created_at": _moment(record.created_at),
        "updated_at": _moment(record.updated_at),
        "self": path,
        "file": f"{path}/file",
        "schema": "/v2/schemas/image",
    }


def images(records: Sequence[ImageRecord], query: Sequence[tuple[str, str]], limit: int) -> View:
    """One page; a full one says where the next begins."""
    rest = [(key, value) for key, value in query if key != "marker"]
    view: View = {"images": [image(record) for record in records], "schema": "/v2/schemas/images"}
    view["first"] = f"/v2/images?{urlencode(rest)}" if rest else "/v2/images"
    if records and len(records) == limit:
        view["next"] = f"/v2/images?{urlencode([*rest, ('marker', str(records[-1].id))])}"
    return view


def _moment(value: datetime) -> str:
    return value.strftime("%Y-%m-%dT%H:%M:%SZ")


def image_schema(disk_formats: Sequence[str]) -> View:
    text, whole, flag = {"type": ["null", "string"]}, {"type": "integer"}, {"type": "boolean"}
    size = {"type": ["null", "integer"], "readOnly": True}
    seen = {"type": ["null", "string"], "readOnly": True}
    return {
        "name": "image",
        "properties": {
            "id": {"type": "string"},
            "name": {**text, "maxLength": 255},
            "owner": {**text, "maxLength": 255},
            "status": {"type": "string", "readOnly": True},
            "visibility": {"type": "string", "enum": list(VISIBILITIES)},
            "protected": flag,
            "os_hidden": flag,
            "disk_format": {**text, "enum": [None, *disk_formats]},
            "container_format": {**text, "enum": [None, "bare"]},
            "min_disk": whole,
            "min_ram": whole,
            "tags": {"type": "array", "items": {"type": "string", "maxLength": 255}},
            **dict.fromkeys(("size", "virtual_size"), size),
            **dict.fromkeys(("checksum", "os_hash_algo", "os_hash_value"), seen),
            **dict.fromkeys(("created_at", "updated_at", "self", "file", "schema"), seen),
        },
        "additionalProperties": {"type": ["null", "string"]},
        "links": [
            {"rel": "self", "href": "{self}"},
            {"rel": "enclosure", "href": "{file}"},
            {"rel": "describedby", "href": "{schema}"},
        ],
    }


def list_schema(name: str, of: View) -> View:
    return {
        "name": name,
        "properties": {
            name: {"type": "array", "items": of},
            **{key: {"type": "string"} for key in ("first", "next", "schema")},
        },
        "links": [{"rel": "first", "href": "{first}"}, {"rel": "next", "href": "{next}"}],
    }


def member_schema() -> View:
    text = {"type": "string"}
    names = ("member_id", "image_id", "created_at", "updated_at", "status", "schema")
    return {"name": "member", "properties": dict.fromkeys(names, text)}
