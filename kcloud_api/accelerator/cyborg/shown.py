"""Shows cards, their slices, attributes and device profiles in Cyborg's words. Pure."""

import json
from datetime import datetime
from typing import Any

from kcloud_api.accelerator.cyborg.cards import Card
from kcloud_api.accelerator.cyborg.profiles import ProfileRecord
from kcloud_api.accelerator.cyborg.sorts import attribute_id, attributes_of

Json = dict[str, Any]


def device(card: Card, base: str, *, with_status: bool) -> Json:
    board = {"product_id": card.product_id, "address": card.address}
    vendors = {"serial": card.serial, "memory_mib": card.memory_mib}
    view: Json = {
        "uuid": str(card.id), "type": card.type, "vendor": card.vendor_id,
        "model": card.model or card.product_id, "hostname": card.host,
        "std_board_info": json.dumps(board), "vendor_board_info": json.dumps(vendors),
        "created_at": None, "updated_at": moment(card.last_seen),
        "links": links(base, "devices", str(card.id)),
    }  # fmt: skip
    if with_status:
        view["status"] = "maintaining" if card.in_maintenance else "enabled"
    return view


def deployable(card: Card, base: str) -> Json:
    found = attributes_of(card.classes, card.traits)
    id_ = str(card.id)
    return {
        "uuid": id_, "parent_id": None, "root_id": None, "name": f"{card.host}_{card.name}",
        "num_accelerators": card.slices, "device_id": id_, "rp_uuid": id_, "driver_name": None,
        "bitstream_id": None, "attributes_list": json.dumps([{key: value} for key, value in found]),
        "created_at": None, "updated_at": moment(card.last_seen), "links": links(base, "deployables", id_),
    }  # fmt: skip


def attributes(card: Card, base: str) -> list[Json]:
    """All of the card's, each at its place."""
    found = []
    for place, (key, value) in enumerate(attributes_of(card.classes, card.traits)):
        id_ = str(attribute_id(card.id, place))
        view = {
            "uuid": id_, "deployable_id": str(card.id), "key": key, "value": value,
            "created_at": None, "updated_at": moment(card.last_seen), "links": links(base, "attributes", id_),
        }  # fmt: skip
        found.append(view)
    return found


def profile(record: ProfileRecord, base: str) -> Json:
    id_ = str(record.id)
    return {
        "uuid": id_, "name": record.name, "description": record.description,
        "groups": [dict(group) for group in record.groups],
        "created_at": moment(record.created_at), "updated_at": None,
        "links": links(base, "device_profiles", id_),
    }  # fmt: skip


def links(base: str, collection: str, id_: str) -> list[dict[str, str]]:
    return [{"href": f"{base}/v2/{collection}/{id_}", "rel": "self"}]


def moment(when: datetime) -> str:
    return when.isoformat(timespec="seconds")
