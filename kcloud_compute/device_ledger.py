"""What this host remembers of each device across its own death: lease, quarantine, certificates, cleaning.

One file per device, written whole and synced before anything that rests on it is done. A file that can't be
read means quarantine: what nobody knows is not handed out. One process's, thread-safe.
"""

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from uuid import UUID

from pydantic import ValidationError

from kcloud_common.certificate import Certificate
from kcloud_compute import device_record, durable
from kcloud_compute.device_record import MOST_WORDS, DeviceRecord, Head
from kcloud_compute.durable import Checkpoint, no_checkpoint
from kcloud_compute.lease_notes import UNSEEN, Beginning, Counts
from vfio.lifecycle import Event, State

_SUFFIX = ".json"


class DeviceLedger:
    """A folder of records, read once. What a verb returns is on disk."""

    def __init__(self, folder: Path, checkpoint: Checkpoint = no_checkpoint) -> None:
        """Made if it is not there. Raises OSError only when the folder itself can't be read."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self._checkpoint = checkpoint
        self._lock = threading.RLock()
        self._records: dict[str, DeviceRecord] = {}
        self._damaged: set[str] = set()
        for unfinished in folder.glob(f"*{durable.UNFINISHED}"):
            unfinished.unlink(missing_ok=True)
        for path in sorted(folder.glob(f"*{_SUFFIX}")):
            self._load(path)

    def of(self, device: str) -> DeviceRecord:
        with self._lock:
            return self._records.get(device) or DeviceRecord(device=device)

    def all(self) -> Mapping[str, DeviceRecord]:
        """Of every device that has a record."""
        with self._lock:
            return dict(self._records)

    def claim(
        self, device: str, claim_id: UUID, generation: int, beginning: Beginning = UNSEEN
    ) -> DeviceRecord:
        """A lease begins, or goes on. StaleLease below the newest lease seen, and for another claim with the
        same number; vfio.lifecycle.NotAllowed for a device that is not free. Safe to repeat."""

        def begun(record: DeviceRecord) -> DeviceRecord:
            return device_record.claimed(record, claim_id, generation, beginning)

        return self._change(device, begun)

    def watch(self, device: str, boot_id: str, errors: Counts) -> DeviceRecord:
        """Note what AER counts on a device that is leased, or cleaned after its lease."""
        return self._change(device, lambda record: device_record.watched(record, boot_id, errors))

    def happened(self, device: str, event: Event) -> DeviceRecord:
        """START, STOP, WITHDRAW and RETURN, which carry nothing."""
        return self._change(device, lambda record: device_record.changed(record, event))

    def release(self, device: str, boot_id: str) -> DeviceRecord:
        """Its lease is over: it must be cleaned. Durable before the first step. Safe to repeat; a device that
        is in quarantine stays there."""
        return self._change(device, lambda record: device_record.released(record, boot_id))

    def certify(self, device: str, certificate: Certificate) -> DeviceRecord:
        """The device is free from here on: certificate and state are one write. Conflict for a certificate
        that does not follow the device's last one, or is of another lease."""
        return self._change(device, lambda record: device_record.certified(record, certificate))

    def fail(self, device: str, evidence: str) -> DeviceRecord:
        """Into quarantine, with why. A damaged record stays as it is, for a person to look at."""
        with self._lock:
            if device in self._damaged:
                return self.of(device)
            return self._change(device, lambda record: device_record.failed(record, evidence))

    def burn_in(self, device: str, count: int, boot_id: str = "", known: Head | None = None) -> DeviceRecord:
        """An operator asked for it the `count`th time. Safe to repeat; waits until the control plane has the
        device's last certificate. `known`: where the control plane knows
        the chain to be; counts where this host's own record was lost, be it damaged or gone."""

        def begun(record: DeviceRecord) -> DeviceRecord:
            lost = device in self._damaged or (not record.generation and not record.head.sequence)
            if lost and known is not None:
                record = record.model_copy(update={"head": known, "generation": known.generation})
            return device_record.burning_in(record, count, boot_id)

        return self._change(device, begun)

    def accepted(self, device: str, sequence: int) -> DeviceRecord:
        """The control plane has this certificate."""
        return self._change(device, lambda record: device_record.accepted(record, sequence))

    def put_back(self, device: str, what: str) -> DeviceRecord:
        """Note a mode that was found otherwise after the lease, and is set back."""

        def noted(record: DeviceRecord) -> DeviceRecord:
            told = tuple(dict.fromkeys((*record.lease.put_back, what)))
            return record.model_copy(update={"lease": record.lease.model_copy(update={"put_back": told})})

        return self._change(device, noted)

    def notes(self, device: str, boot_id: str) -> "DeviceNotes":
        """Where a cleaning notes what it changes (vfio.kept.Notes)."""
        return DeviceNotes(self, device, boot_id)

    def note(self, device: str, boot_id: str, before: Mapping[str, str]) -> None:
        noted = {"before": dict(before), "before_boot": boot_id if before else ""}
        self._change(device, lambda record: record.model_copy(update=noted))

    def _change(self, device: str, change: Callable[[DeviceRecord], DeviceRecord]) -> DeviceRecord:
        """On disk first; what is in memory never knows more."""
        with self._lock:
            was = self.of(device)
            becomes = change(was)
            if becomes != was:
                data = becomes.model_dump_json(indent=1).encode()
                durable.write(self._path(device), data, checkpoint=self._checkpoint)
                self._records[device] = becomes
                self._damaged.discard(device)
            return becomes

    def _load(self, path: Path) -> None:
        device = path.name.removesuffix(_SUFFIX)
        try:
            record = DeviceRecord.model_validate_json(path.read_bytes())
            if record.device != device:
                raise ValueError(f"it is of {record.device}")
        except (OSError, ValueError) as error:
            why = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
            reason = f"the host's record of it, {path.name}, is damaged: {why}"
            record = DeviceRecord(device=device, state=State.QUARANTINED, reason=reason[:MOST_WORDS])
            self._damaged.add(device)
        self._records[device] = record

    def _path(self, device: str) -> Path:
        if "/" in device or not device:
            raise ValueError(f"not a device's name: {device!r}")
        return self._folder / f"{device}{_SUFFIX}"


class DeviceNotes:
    """One device's part of the ledger, as vfio wants it."""

    def __init__(self, ledger: DeviceLedger, device: str, boot_id: str) -> None:
        self._ledger = ledger
        self._device = device
        self._boot_id = boot_id

    def read(self) -> Mapping[str, str]:
        record = self._ledger.of(self._device)
        return record.before if record.before_boot == self._boot_id else {}

    def write(self, before: Mapping[str, str]) -> None:
        self._ledger.note(self._device, self._boot_id, before)
