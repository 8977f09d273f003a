"""Writes down how a card is cut, and before that what it was: one fsynced JSON file per card."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypedDict

from vfio.device import checked_address
from vfio.errors import JournalDamaged
from vfio.journal import forget, keep_aside, make_folder, write_whole
from vfio.slices.model import Ability, Cut, Kind, Plan, Policy, Sharing

_VERSION = 1
_SUFFIX = ".json"


@dataclass(frozen=True, slots=True)
class Knob:
    """One attribute that a layout changes, and its text before."""

    path: str
    text: str


@dataclass(frozen=True, slots=True)
class Before:
    """What stood on a card before its layout. `vfs` and `autoprobe` are None where it has no such thing."""

    address: str
    vfs: int | None = None
    autoprobe: str | None = None
    knobs: tuple[Knob, ...] = ()
    sharing: Sharing | None = None
    """As the driver's scheduler had it; None where it is not touched."""


@dataclass(frozen=True, slots=True)
class LayoutRecord:
    """How a card is cut. Of another boot than the present one, nothing of it stands any more."""

    card: str
    boot_id: str | None
    plan: Plan
    before: Before
    abilities: tuple[Ability, ...] = ()
    """Of the card while it was empty: a cut card's kernel counts only what is left."""
    stands: bool = False
    """Whether it was ever made completely in this boot."""


class LayoutJournal:
    """A folder of records, one per cut card. What was read is kept while its file is the same one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, tuple[_Stamp, LayoutRecord]] = {}
        make_folder(folder)

    def write(self, record: LayoutRecord) -> None:
        """Durable when it returns; replaces an older record of the card."""
        text = json.dumps({"version": _VERSION, **asdict(record)}, indent=1)
        self._known.pop(record.card, None)
        write_whole(self._path(record.card), f"{text}\n")

    def read(self, card: str) -> LayoutRecord | None:
        """None when there is no record; JournalDamaged when there is one that cannot be read."""
        path = self._path(card)
        try:
            file = path.stat()
            stamp = file.st_ino, file.st_mtime_ns, file.st_size
            known = self._known.get(card)
            if known is None or known[0] != stamp:
                known = self._known[card] = stamp, _decode(path.read_text(encoding="utf-8"))
            return known[1]
        except FileNotFoundError:
            return None
        except OSError as error:
            raise JournalDamaged(f"{path}: {error.strerror}") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise JournalDamaged(f"{path}: {type(error).__name__}: {error}") from error

    def remove(self, card: str) -> None:
        """Safe to repeat. A damaged one is kept under another name, for a person to look at."""
        damaged = card in self.damaged()
        self._known.pop(card, None)
        (keep_aside if damaged else forget)(self._path(card))

    def names(self) -> frozenset[str]:
        """Cards with a record, readable or not."""
        return frozenset(path.stem for path in self._folder.glob(f"*{_SUFFIX}"))

    def damaged(self) -> Mapping[str, str]:
        """Cards whose record cannot be read, and why."""
        bad: dict[str, str] = {}
        for card in sorted(self.names()):
            try:
                self.read(card)
            except JournalDamaged as error:
                bad[card] = str(error)
        return bad

    def _path(self, card: str) -> Path:
        return self._folder / f"{card}{_SUFFIX}"


_Stamp = tuple[int, int, int]


class _RawSharing(TypedDict):
    policy: str | None
    quantum_us: int | None
    preempt_timeout_us: int | None
    weight: int | None


class _RawCut(TypedDict):
    kind: str
    type: str
    count: int
    resource_class: str | None
    traits: list[str]
    memory_mib: int | None
    sharing: _RawSharing | None


class _RawAbility(TypedDict):
    kind: str
    type: str
    name: str
    most: int
    memory_mib: int | None
    policies: list[str]
    quantum: bool
    refused: str


def _decode(text: str) -> LayoutRecord:
    raw = json.loads(text)
    if raw["version"] != _VERSION:
        raise ValueError(f"version {raw['version']!r} is not known here")
    before = raw["before"]
    return LayoutRecord(
        card=raw["card"],
        boot_id=raw["boot_id"],
        plan=Plan(tuple(_cut(cut) for cut in raw["plan"]["cuts"]), _sharing(raw["plan"]["sharing"])),
        before=Before(
            address=checked_address(before["address"]),
            vfs=before["vfs"],
            autoprobe=before["autoprobe"],
            knobs=tuple(Knob(knob["path"], knob["text"]) for knob in before["knobs"]),
            sharing=_sharing(before["sharing"]),
        ),
        abilities=tuple(_ability(ability) for ability in raw["abilities"]),
        stands=raw["stands"],
    )


def _cut(raw: _RawCut) -> Cut:
    return Cut(
        kind=Kind(raw["kind"]),
        type=raw["type"],
        count=raw["count"],
        resource_class=raw["resource_class"],
        traits=tuple(raw["traits"]),
        memory_mib=raw["memory_mib"],
        sharing=_sharing(raw["sharing"]),
    )


def _sharing(raw: _RawSharing | None) -> Sharing | None:
    if raw is None:
        return None
    policy = Policy(raw["policy"]) if raw["policy"] else None
    return Sharing(policy, raw["quantum_us"], raw["preempt_timeout_us"], raw["weight"])


def _ability(raw: _RawAbility) -> Ability:
    return Ability(
        kind=Kind(raw["kind"]),
        type=raw["type"],
        name=raw["name"],
        most=raw["most"],
        memory_mib=raw["memory_mib"],
        policies=tuple(Policy(policy) for policy in raw["policies"]),
        quantum=raw["quantum"],
        refused=raw["refused"],
    )
