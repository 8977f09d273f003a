"""Looks at the host once: domains, files, journal, image cache; one immutable value comes out."""

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from uuid import NAMESPACE_URL, UUID, uuid5

from pydantic import ValidationError

from hypervisor_drivers.driver import Driver
from kcloud_compute.devices import Inventory
from kcloud_compute.images import ImageCache
from kcloud_compute.observed import Folder, Held, Observed
from kcloud_compute.paths import StatePaths
from kcloud_compute.records import Record
from vfio.driver import VFIO_PCI, current_driver
from vfio.errors import Vanished
from vfio.journal import ClaimRecord, Journal
from vfio.scan import boot_id
from vfio.sysfs import Sysfs

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Senses:
    """What is looked at."""

    driver: Driver
    sysfs: Sysfs
    journal: Journal
    images: ImageCache
    paths: StatePaths


def observe(senses: Senses, inventory: Inventory, consoles: Mapping[UUID, int]) -> Observed:
    """Raises what the driver and sysfs raise: silence of the hypervisor does not mean that it has no domains.

    The journal comes first and files last: a claim is recorded in its server's folder before it is prepared,
    so whatever claim is seen here has its record seen too, whoever works meanwhile.
    """
    claims = _claims(senses)
    return Observed(
        boot_id=this_boot(senses.sysfs),
        domains=senses.driver.domains(),
        folders=_folders(senses.paths),
        images=senses.images.digests(),
        claims=claims,
        offered=inventory.offered(),
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
                folders[server_id] = Folder(
                    disk=paths.disk(server_id).exists(),
                    config_drive=paths.config_drive(server_id).exists(),
                    record=_record(paths.record(server_id)),
                )
    return folders


def _uuid(name: str) -> UUID | None:
    try:
        parsed = UUID(name)
    except ValueError:
        return None
    return parsed if str(parsed) == name else None


def _record(path: Path) -> Record | None:
    try:
        return Record.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        log.warning("record_unreadable", extra={"path": str(path), "reason": str(error)})
        return None


def _claims(senses: Senses) -> dict[UUID, Held]:
    boot = boot_id(senses.sysfs)
    claims = {
        id: Held(record.addresses, ready=record.boot_id == boot and _bound(senses.sysfs, record))
        for id, record in senses.journal.records().items()
    }
    return claims | {id: Held(damaged=True) for id in senses.journal.damaged()}


def _bound(sysfs: Sysfs, record: ClaimRecord) -> bool:
    try:
        return all(current_driver(sysfs, function.address) == VFIO_PCI for function in record.functions)
    except Vanished:
        return False
