"""Decides whether a card is empty, and names who is in the way. Only empty cards are cut anew."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from vfio.driver import VFIO_PCI
from vfio.journal import ClaimRecord
from vfio.slices.model import Card, Kind, Sight, mdev_uuid
from vfio.slices.records import LayoutRecord


@dataclass(frozen=True, slots=True)
class Hindrance:
    """Why a card cannot be cut now."""

    why: str
    ends: bool
    """Whether that ends by itself, as leases do; else somebody must see to it."""


def claims_of(card: Card, sight: Sight, claims: Mapping[UUID, ClaimRecord]) -> tuple[UUID, ...]:
    """Claims that hold the card or a slice of it, of whatever boot: their guests will want it back."""
    addresses = {*card.functions, *(device.address for device in sight.vfs_of(card))}
    return tuple(
        claim_id
        for claim_id, claim in claims.items()
        if (claim.slice is not None and claim.slice.card == card.name)
        or addresses & {*claim.addresses, *(function.address for function in claim.functions)}
    )


def held(card: Card, sight: Sight, claims: Mapping[UUID, ClaimRecord]) -> str:
    """Who of our own claims holds it; empty when none does."""
    found = claims_of(card, sight, claims)
    return f"held by claim {', '.join(str(claim_id) for claim_id in sorted(found))}" if found else ""


def foreign(card: Card, sight: Sight, record: LayoutRecord | None, types: Mapping[str, str]) -> str:
    """What stands on the card that is neither ours nor to be taken for ours. `types`: vGPU types set on its
    virtual functions, by address."""
    cuts = record.plan.cuts if record else ()
    ours = {mdev_uuid(card.name, cut.type, i) for cut in cuts for i in range(cut.count)}
    strange = sorted(str(mdev.uuid) for mdev in sight.mdevs_of(card) if mdev.uuid not in ours)
    if strange:
        path = f"/sys/bus/mdev/devices/{strange[0]}/remove"
        return f"mediated device {strange[0]} on it is not of its layout: write 1 to {path}"
    if types and not any(cut.kind is Kind.VENDOR_VF for cut in cuts):
        address = min(types)
        return (
            f"{address} has vGPU type {types[address]}, which is not of its layout: write 0 to its "
            "current_vgpu_type"
        )
    return _used_functions(card, sight)


def _used_functions(card: Card, sight: Sight) -> str:
    for device in sight.vfs_of(card):
        if why := sight.used.get(device.address):
            return f"its virtual function {device.address} is in use by the host ({why})"
        if device.driver == VFIO_PCI:
            return (
                f"its virtual function {device.address} is on {VFIO_PCI} but of no claim here: "
                "somebody else uses it"
            )
    return ""
