"""Looks at the host once: domains, files, journal, image cache; one immutable value comes out."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from uuid import NAMESPACE_URL, UUID, uuid5

from pydantic import ValidationError

from hypervisor_drivers.driver import Driver
from kcloud_compute.device_ledger import DeviceLedger
from kcloud_compute.device_record import DeviceRecord
from kcloud_compute.images import ImageCache
from kcloud_compute.inventory import Inventory
from kcloud_compute.observed import Folder, Held, Observed
from kcloud_compute.paths import StatePaths
from kcloud_compute.records import Record
from vfio.driver import VFIO_PCI, current_driver
from vfio.errors import Vanished
from vfio.journal import ClaimRecord, Journal
from vfio.lifecycle import State
from vfio.scan import boot_id
from vfio.slices.model import Slice
from vfio.sysfs import Sysfs


@dataclass(frozen=True, slots=True)
class Senses:
    """What is looked at."""

    driver: Driver
    sysfs: Sysfs
    journal: Journal
    devices: DeviceLedger
    images: ImageCache
    paths: StatePaths


def observe(senses: Senses, inventory: Inventory, consoles: Mapping[UUID, int]) -> Observed:
    """Raises what the driver and sysfs raise: silence of the hypervisor does not mean that it has no domains.

    The journal comes first and files last: a claim is recorded in its server's folder before it is prepared,
    so whatever claim is seen here has its record seen too, whoever works meanwhile.
    """
    records = senses.devices.all()
    claims = _claims(senses, inventory.slices, records)
    return Observed(
        boot_id=this_boot(senses.sysfs),
        domains=senses.driver.domains(),
        folders=_folders(senses.paths),
        images=senses.images.digests(),
        claims=claims,
        offered=inventory.slices,
        decisions=inventory.decisions,
        devices=records,
        functions=inventory.functions,
        shape=inventory.shape,
        consoles=consoles,
    )


def this_boot(sysfs: Sysfs) -> UUID:
    """Of the host. One without boot ids has one boot, always."""
    text = boot_id(sysfs)
    try:
        return UUID(text or "")
    except ValueError:
        return uuid5(NAMESPACE_URL, f"kcloud:boot:{text}")


def _folders(paths: StatePaths) -> dict[UUID, Folder]:
    """Folders that are named by a UUID as we write it; whatever else lies there is not ours."""
    folders: dict[UUID, Folder] = {}
    with os.scandir(paths.servers) as entries:
        for entry in entries:
            server_id = _uuid(entry.name)
            if server_id is not None and entry.is_dir(follow_symlinks=False):
                record, damage = _record(paths.record(server_id))
                folders[server_id] = Folder(
                    disk=paths.disk(server_id).exists(),
                    config_drive=paths.config_drive(server_id).exists(),
                    record=record,
                    damage=damage,
                )
    return folders


def _uuid(name: str) -> UUID | None:
    try:
        parsed = UUID(name)
    except ValueError:
        return None
    return parsed if str(parsed) == name else None


def _record(path: Path) -> tuple[Record | None, str]:
    """And why it cannot be read, where it is there. Such a one is written anew by what is seen: one server's
    file must not keep the host from all others."""
    try:
        return Record.model_validate_json(path.read_bytes()), ""
    except FileNotFoundError:
        return None, ""
    except ValidationError as error:
        return None, f"{path}: {error.errors(include_url=False, include_input=False)[0]['msg']}"
    except OSError as error:
        return None, f"{path}: {error.strerror}"


def _claims(
    senses: Senses, slices: Mapping[str, Slice], records: Mapping[str, DeviceRecord]
) -> dict[UUID, Held]:
    """Of quarantined devices none: their leases are over, whatever is left in the journal."""
    claims = {
        record.claim_id: Held((), record.device)
        for record in records.values()
        if record.claim_id is not None and record.state is not State.QUARANTINED and record.burn_in is None
    }
    boot = boot_id(senses.sysfs)
    journalled, damaged = senses.journal.all()
    unnamed = damaged or any(claim.slice is None for claim in journalled.values())
    named = slices.values() if unnamed else ()
    by_address = {address: each.name for each in named for address in each.addresses}
    for id, claim in journalled.items():
        device = claim.slice.name if claim.slice else _named(claim, by_address)
        kept = records.get(device)
        if senses.devices.of(device).burn_in is not None:
            continue  # one that has begun since its record was read
        if kept is None or (kept.state is not State.QUARANTINED and kept.burn_in is None):
            ready = claim.boot_id == boot and _stands(senses.sysfs, claim, slices)
            mdev = claim.slice.mdev if claim.slice else None
            claims[id] = Held(claim.addresses, device, mdev, ready=ready)
    leased = {record.claim_id: record for record in records.values() if record.claim_id is not None}
    for id in damaged:
        kept = leased.get(id)
        if kept is None:
            hints = senses.journal.hints(id)
            device = hints.name or _by_address(hints.addresses, by_address)
            claims[id] = Held(device=device, damaged=True)
        elif kept.state is not State.QUARANTINED and kept.burn_in is None:
            claims[id] = Held(device=kept.device, damaged=True)
    return claims


def _by_address(addresses: Iterable[str], by_address: Mapping[str, str]) -> str:
    return next((by_address[address] for address in addresses if address in by_address), "")


def _named(claim: ClaimRecord, by_address: Mapping[str, str]) -> str:
    """Claims of before there were slices name none."""
    return _by_address(claim.addresses, by_address)


def _stands(sysfs: Sysfs, claim: ClaimRecord, slices: Mapping[str, Slice]) -> bool:
    """Whether what the claim was prepared for is still so. What binds nothing need only be there."""
    if not claim.functions:
        return claim.slice is not None and claim.slice.name in slices
    try:
        return all(current_driver(sysfs, function.address) == VFIO_PCI for function in claim.functions)
    except Vanished:
        return False
