"""Decides what placement is told of a host, and whether it must be told again. Pure."""

from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import cast
from uuid import UUID

from kcloud_api.accelerator.records import Stance
from kcloud_api.placement.inventory import HostInventory, Inventory, ProviderInventory
from kcloud_api.placement.request import HOST_NOT_READY
from kcloud_common.wire import DeviceReport, HostReport

COUNTERS = {"epoch", "sequence", "assignment_generation", "servers", "devices", "cards"}
"""What of a report says nothing about the host itself."""

MEANING = "2"
"""Another one whenever reports come to mean something else: all are then heard once more."""

MOST_CARDS = 256
MOST_SLICES = 4096
"""Of one host. There is none so large; and one that makes cards up must not keep the database busy."""

Facts = Mapping[str, object]
"""A report's facts about the host itself, as JSON."""


def facts_of(report: HostReport) -> dict[str, object]:
    """The report's facts about the host itself, as JSON."""
    facts: dict[str, object] = report.model_dump(mode="json", exclude=COUNTERS)
    if classes := {card.name: [card.class_code, card.known] for card in report.cards if card.class_code}:
        # What rules of layouts look at besides a card's row: of each its class, and whether it is known.
        facts["card_classes"] = classes
    return facts


def believable(devices: Iterable[DeviceReport]) -> tuple[DeviceReport, ...]:
    """The first of them, as many as a host may have."""
    cards: set[str] = set()
    kept: list[DeviceReport] = []
    for device in devices:
        card = device.card or device.name
        if card in cards or len(cards) < MOST_CARDS:
            cards.add(card)
            kept.append(device)
    return tuple(kept[:MOST_SLICES])


def digest_of(rest: str, stances: Iterable[Stance]) -> str:
    """Equal digests: placement and accelerator would hear nothing new. `rest`: of what the host says of
    itself and its devices; `stances`: what became of these here, by claims and operators."""
    heard = [MEANING, rest, *(repr(stance) for stance in stances)]
    return sha256("\n".join(heard).encode()).hexdigest()


def inventory_of(
    host_id: UUID, name: str, facts: Facts, children: Iterable[ProviderInventory]
) -> HostInventory:
    """The host's tree: itself, and a child for each card. One that has problems takes no new servers."""
    traits = frozenset(cast("list[str]", facts.get("traits") or ()))
    return HostInventory(
        host_id=host_id,
        name=name,
        inventories=_not_for_servers(facts) | _own(facts),
        traits=traits | ({HOST_NOT_READY} if facts.get("problems") else frozenset()),
        children=tuple(children),
    )


def _own(facts: Facts) -> dict[str, Inventory]:
    memory = _number(facts, "memory_mib")
    amounts = {
        "VCPU": (_number(facts, "vcpus"), 0),
        "MEMORY_MB": (memory, min(_number(facts, "reserved_memory_mib"), memory)),
        "DISK_GB": (_number(facts, "disk_gib"), 0),
    }
    return {
        name: Inventory(total=total, reserved=kept) for name, (total, kept) in amounts.items() if total > 0
    }


def _not_for_servers(facts: Facts) -> dict[str, Inventory]:
    """What a host counts and cannot give to a server (ResourceReport): to be seen, and all of it reserved."""
    return {
        str(each["resource_class"]): Inventory(total=total, reserved=total)
        for each in cast("list[Facts]", facts.get("resources") or [])
        if (total := _number(each, "total")) > 0
    }


def _number(facts: Facts, name: str) -> int:
    value = facts.get(name, 0)
    return value if isinstance(value, int) else 0
