"""Does one action. Each may be done twice, and may stop after any line; nothing is decided here."""

import base64
import shutil
from dataclasses import dataclass
from functools import singledispatchmethod
from pathlib import Path
from typing import Protocol
from uuid import UUID

from hypervisor_drivers.cloudinit import GuestFacts, GuestNic, config_drive_files
from hypervisor_drivers.driver import Driver
from kcloud_compute import console, disks, durable
from kcloud_compute.actions import (
    Action,
    CleanDevice,
    CutCard,
    Define,
    FetchImage,
    MaintainDevice,
    MakeConfigDrive,
    MakeDisk,
    PrepareDevice,
    QuarantineDevice,
    Reboot,
    ReleaseDevice,
    RemoveFiles,
    Start,
    Stop,
    Undefine,
    UploadConsole,
    WriteRecord,
)
from kcloud_compute.care import Care
from kcloud_compute.durable import Checkpoint
from kcloud_compute.images import Cancelled, ImageCache
from kcloud_compute.paths import StatePaths
from kcloud_compute.tools import Run


class Uploads(Protocol):
    def upload_console(self, server_id: UUID, count: int, tail: bytes) -> None: ...


@dataclass(frozen=True, slots=True)
class Means:
    """What actions act with."""

    paths: StatePaths
    driver: Driver
    care: Care
    images: ImageCache
    uploads: Uploads
    run: Run
    checkpoint: Checkpoint


class Executor:
    """Thread-safe as long as one server's actions are not done side by side."""

    def __init__(self, means: Means) -> None:
        self._means = means

    def do(self, action: Action, cancelled: Cancelled) -> None:
        """Raises whatever went wrong; `cancelled` ends long actions early (Interrupted)."""
        self._means.checkpoint(f"before {action.step}")
        self._do(action, cancelled)
        self._means.checkpoint(f"after {action.step}")

    @singledispatchmethod
    def _do(self, action: Action, cancelled: Cancelled) -> None:
        raise TypeError(f"no such action: {type(action).__name__}")

    @_do.register
    def _(self, action: WriteRecord, cancelled: Cancelled) -> None:
        self._folder(action.server_id)
        data = action.record.model_dump_json().encode()
        path = self._means.paths.record(action.server_id)
        durable.write(path, data, checkpoint=self._means.checkpoint)

    @_do.register
    def _(self, action: FetchImage, cancelled: Cancelled) -> None:
        self._means.images.ensure(action.image, cancelled)

    @_do.register
    def _(self, action: MakeDisk, cancelled: Cancelled) -> None:
        means, id = self._means, action.server_id
        self._folder(id)
        base = means.images.ensure(action.image, cancelled)
        image_size = means.images.pin(action.image, means.paths.base(id))
        means.checkpoint("image pinned")
        # Never smaller than the image: its file system would lose its end.
        size = max(action.size_gib * disks.GIB, image_size)
        disk = means.paths.disk(id)
        unfinished = disks.make_overlay(disk, base, action.image.disk_format, size, means.run)
        disks.finish(unfinished, disk, means.checkpoint)

    @_do.register
    def _(self, action: MakeConfigDrive, cancelled: Cancelled) -> None:
        means, iso = self._means, self._means.paths.config_drive(action.server_id)
        self._folder(action.server_id)
        unfinished = disks.make_iso(iso, config_drive_files(guest_facts(action)), means.run)
        disks.finish(unfinished, iso, means.checkpoint)

    @_do.register
    def _(self, action: PrepareDevice, cancelled: Cancelled) -> None:
        self._means.care.prepare(action)

    @_do.register
    def _(self, action: Define, cancelled: Cancelled) -> None:
        self._means.driver.define(action.spec)

    @_do.register
    def _(self, action: Start, cancelled: Cancelled) -> None:
        self._means.driver.start(action.server_id)

    @_do.register
    def _(self, action: Reboot, cancelled: Cancelled) -> None:
        self._means.driver.reboot(action.server_id)

    @_do.register
    def _(self, action: Stop, cancelled: Cancelled) -> None:
        self._means.driver.stop(action.server_id, grace_seconds=action.grace_seconds)

    @_do.register
    def _(self, action: Undefine, cancelled: Cancelled) -> None:
        self._means.driver.undefine(action.server_id)

    @_do.register
    def _(self, action: ReleaseDevice, cancelled: Cancelled) -> None:
        self._means.care.release(action)

    @_do.register
    def _(self, action: CleanDevice, cancelled: Cancelled) -> None:
        self._means.care.clean(action)

    @_do.register
    def _(self, action: CutCard, cancelled: Cancelled) -> None:
        self._means.care.cut(action)

    @_do.register
    def _(self, action: MaintainDevice, cancelled: Cancelled) -> None:
        self._means.care.maintain(action)

    @_do.register
    def _(self, action: QuarantineDevice, cancelled: Cancelled) -> None:
        self._means.care.quarantine(action.device, action.evidence)

    @_do.register
    def _(self, action: RemoveFiles, cancelled: Cancelled) -> None:
        """The record goes last: while anything is left, it says what the server held."""
        means, id = self._means, action.server_id
        for path in means.paths.server(id).iterdir():
            if path != means.paths.record(id):
                _remove(path)
                means.checkpoint(f"{path.name} removed")
        shutil.rmtree(means.paths.server(id))

    @_do.register
    def _(self, action: UploadConsole, cancelled: Cancelled) -> None:
        means = self._means
        tail = console.tail(means.paths.console(action.server_id))
        means.uploads.upload_console(action.server_id, action.count, tail)

    def _folder(self, server_id: UUID) -> None:
        self._means.paths.server(server_id).mkdir(mode=0o711, exist_ok=True)


def guest_facts(action: MakeConfigDrive) -> GuestFacts:
    """What the config drive tells the guest."""
    guest = action.guest
    keys = {guest.key_name or "default": guest.public_key} if guest.public_key else {}
    return GuestFacts(
        uuid=action.server_id,
        hostname=guest.hostname,
        name=action.name,
        project_id=guest.project_id,
        public_keys=keys,
        metadata=guest.metadata,
        user_data=base64.b64decode(guest.user_data, validate=True) if guest.user_data else None,
        availability_zone=guest.availability_zone,
        nics=tuple(GuestNic(port.mac) for port in action.ports),
    )


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
