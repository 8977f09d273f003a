"""Writes down, before anything is changed, what a claim's functions were: one fsynced JSON file per claim.

Records of version 1 (before there were slices) still read; version 2 adds the slice that the claim holds.
"""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from uuid import UUID

from vfio.device import checked_address
from vfio.errors import JournalDamaged
from vfio.salvage import Salvaged, salvage

_VERSION = 2
_READ_VERSIONS = (1, 2)
_SUFFIX = ".json"
_UNFINISHED = ".tmp"
_SET_ASIDE = ".damaged"


@dataclass(frozen=True, slots=True)
class FunctionRecord:
    """One function before we touched it. `override` is the text of driver_override, None for none.
    `known` is False when the record was lost: then the kernel chooses the driver at release."""

    address: str
    driver: str | None
    override: str | None
    known: bool = True


@dataclass(frozen=True, slots=True)
class SliceRecord:
    """The slice that a claim holds, with all that is needed to make it anew (vfio.slices)."""

    name: str
    kind: str
    card: str
    type: str = ""
    mdev: UUID | None = None
    parent: str = ""
    """Address of the function that has the mdev, or that is the slice."""


@dataclass(frozen=True, slots=True)
class ClaimRecord:
    """`addresses` are what the claim asked for; `functions` all that was taken with them. Of another boot
    than the present one, it only says that the claim exists: a reboot undoes every binding."""

    claim_id: UUID
    boot_id: str | None
    addresses: tuple[str, ...]
    functions: tuple[FunctionRecord, ...]
    slice: SliceRecord | None = None
    """None: whole functions, claimed without a word about slices."""


class Journal:
    """A folder of records. A write is there whole or not at all, also after a power cut."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        make_folder(folder)

    def write(self, record: ClaimRecord) -> None:
        """Durable when it returns; replaces an older record of the same claim."""
        write_whole(self._path(record.claim_id), _encode(record))

    def read(self, claim_id: UUID) -> ClaimRecord | None:
        """None when there is no record; JournalDamaged when there is one that cannot be read."""
        path = self._path(claim_id)
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except UnicodeDecodeError as error:
            raise JournalDamaged(f"{path}: not text") from error
        except OSError as error:
            # One file that the disk does not give back must not keep all others from being read.
            raise JournalDamaged(f"{path}: {error.strerror}") from error
        return _decode(text, path)

    def remove(self, claim_id: UUID) -> None:
        """Forget a claim, with what an interrupted write left of it. Safe to repeat."""
        forget(self._path(claim_id))

    def set_aside(self, claim_id: UUID) -> Path:
        """Keep a damaged record as a file for a person, which counts for nothing any more. Safe to repeat."""
        return keep_aside(self._path(claim_id))

    def hints(self, claim_id: UUID) -> Salvaged:
        """What a damaged record still says, if anything."""
        try:
            return salvage(self._path(claim_id).read_text(encoding="utf-8", errors="replace"))
        except OSError:
            return Salvaged()

    def records(self) -> Mapping[UUID, ClaimRecord]:
        """All readable records; `damaged` has the others."""
        return self.all()[0]

    def damaged(self) -> Mapping[UUID, str]:
        """Claims whose record cannot be read, with the reason."""
        return self.all()[1]

    def all(self) -> tuple[Mapping[UUID, ClaimRecord], Mapping[UUID, str]]:
        """`records` and `damaged` from one look."""
        good: dict[UUID, ClaimRecord] = {}
        bad: dict[UUID, str] = {}
        for path in sorted(self._folder.glob(f"*{_SUFFIX}")):
            try:
                claim_id = UUID(path.stem)
            except ValueError:
                continue  # not one of ours
            try:
                record = self.read(claim_id)
            except JournalDamaged as error:
                bad[claim_id] = str(error)
            else:
                if record is not None:
                    good[claim_id] = record
        return good, bad

    def _path(self, claim_id: UUID) -> Path:
        return self._folder / f"{claim_id}{_SUFFIX}"


def make_folder(folder: Path) -> None:
    """For records; only the agent reads them."""
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _sync(folder.parent)


def write_whole(target: Path, text: str) -> None:
    """The file has all of the text or is what it was, also after a power cut."""
    unfinished = target.with_suffix(_UNFINISHED)
    try:
        with unfinished.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        unfinished.rename(target)
    except OSError:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)
        raise
    _sync(target.parent)


def forget(target: Path) -> None:
    """Durably, with what an interrupted write left of it. Safe to repeat."""
    target.unlink(missing_ok=True)
    target.with_suffix(_UNFINISHED).unlink(missing_ok=True)
    _sync(target.parent)


def keep_aside(target: Path) -> Path:
    """Durably under another name, which is returned. Safe to repeat."""
    aside = target.with_suffix(_SET_ASIDE)
    if target.exists():
        target.rename(aside)
    _sync(target.parent)
    return aside


def _sync(folder: Path) -> None:
    """A rename, unlink or mkdir is durable only when its folder is."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _encode(record: ClaimRecord) -> str:
    return json.dumps({"version": _VERSION, **asdict(record)}, indent=1, default=str) + "\n"


def _decode(text: str, path: Path) -> ClaimRecord:
    try:
        raw = json.loads(text)
        if raw["version"] not in _READ_VERSIONS:
            raise JournalDamaged(f"{path}: version {raw['version']!r} is not known here")
        return ClaimRecord(
            claim_id=UUID(raw["claim_id"]),
            boot_id=raw["boot_id"],
            addresses=tuple(checked_address(address) for address in raw["addresses"]),
            functions=tuple(
                FunctionRecord(checked_address(f["address"]), f["driver"], f["override"], f["known"])
                for f in raw["functions"]
            ),
            slice=_slice(raw.get("slice")),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise JournalDamaged(f"{path}: {type(error).__name__}: {error}") from error


def _slice(raw: dict[str, str] | None) -> SliceRecord | None:
    if raw is None:
        return None
    mdev = UUID(raw["mdev"]) if raw["mdev"] else None
    return SliceRecord(raw["name"], raw["kind"], raw["card"], raw["type"], mdev, raw["parent"])
