"""Thousands of hosts with two cards each, as rows: what layouts are resolved against."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from sqlalchemy import insert

from kcloud_api.accelerator.inventory import provider_id
from kcloud_api.accelerator.tables import CardRow, DeviceRow
from kcloud_api.compute.tables import AssignmentRow
from kcloud_api.db.engine import Database
from kcloud_api.hosts.tables import HostRow

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SLOTS = ("41", "42")
ABILITIES = [
    {"kind": "whole", "most": 1},
    {"kind": "mdev", "type": "nvidia-558", "most": 4},
    {"kind": "mdev", "type": "nvidia-559", "most": 2},
]
_BATCH = 1000


def name(number: int) -> str:
    return f"host-{number:05}"


def host_id(number: int) -> UUID:
    return uuid5(NAMESPACE_URL, name(number))


def load(database: Database, hosts: int) -> None:
    for first in range(0, hosts, _BATCH):
        numbers = range(first, min(first + _BATCH, hosts))
        with database.transaction() as session:
            session.execute(insert(HostRow), [_host(number) for number in numbers])
            session.execute(
                insert(AssignmentRow),
                [
                    {"host_id": host_id(number), "host_name": name(number), "generation": 1}
                    for number in numbers
                ],
            )
            session.execute(insert(CardRow), [row for number in numbers for row in _cards(number)])
            session.execute(insert(DeviceRow), [row for number in numbers for row in _devices(number)])


def _host(number: int) -> dict[str, Any]:
    classes = {f"pci_0000_{slot}_00_0": ["030200", True] for slot in SLOTS}
    return {
        "id": host_id(number), "name": name(number), "secret_sha256": "0" * 64, "epoch": 1,
        "last_sequence": 1, "last_seen": NOW, "state": "up", "enabled": True,
        "report": {"vcpus": 64, "layout_version": "", "card_classes": classes}, "report_digest": "",
        "problems": [], "created_at": NOW, "updated_at": NOW,
    }  # fmt: skip


def _cards(number: int) -> Iterator[dict[str, Any]]:
    for slot in SLOTS:
        card = f"pci_0000_{slot}_00_0"
        yield {
            "id": provider_id(host_id(number), card), "host_id": host_id(number), "name": card,
            "address": f"0000:{slot}:00.0", "vendor_id": "10de", "product_id": "26b9", "model": "L40S",
            "serial": "", "abilities": ABILITIES, "drift": "", "last_seen": NOW,
        }  # fmt: skip


def _devices(number: int) -> Iterator[dict[str, Any]]:
    for slot in SLOTS:
        card = f"pci_0000_{slot}_00_0"
        id_ = provider_id(host_id(number), card)
        yield {
            "id": id_, "host_id": host_id(number), "name": card, "card": card, "provider_id": id_,
            "kind": "whole", "slice_type": "", "addresses": [f"0000:{slot}:00.0"], "vendor_id": "10de",
            "product_id": "26b9", "resource_class": "PGPU", "traits": [], "pci_path": [], "state": "free",
            "offered": True, "last_seen": NOW,
        }  # fmt: skip
