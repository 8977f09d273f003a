"""What a device was like when its lease began, and what AER has counted on it since. Pure.

The kernel counts from each boot anew, and from each time that it finds a function anew. So the counts are
added up here, and what the last look saw is kept with the boot in which it was.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict, Field

from vfio.health import Errors

Counts = Mapping[str, Errors]
"""By the function's address, as they stand now."""


class Counted(BaseModel):
    """vfio.health.Errors, to be kept."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    correctable: int | None = None
    nonfatal: int | None = None
    fatal: int | None = None


class LeaseNotes(BaseModel):
    """Of one lease. Without a boot: its beginning was not seen."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    boot: str = ""
    """In which the counters were read last."""
    last: dict[str, Counted] = Field(default_factory=dict)
    """The counters as they stood then, by the function's address."""
    grown: dict[str, Counted] = Field(default_factory=dict)
    """By how much they have grown in all since the lease began."""
    knobs: dict[str, str] = Field(default_factory=dict)
    """Attributes as they were when it began, by path. A reboot sets them anew."""
    modes: dict[str, dict[str, int]] = Field(default_factory=dict)
    """The card's modes as they were, by address and name. They outlive a reboot."""
    put_back: tuple[str, ...] = ()
    """Which of them were found otherwise after the lease."""


@dataclass(frozen=True, slots=True)
class Beginning:
    """Of a lease, or of its going on after a reboot: as it is just before a guest gets the device."""

    card: str = ""
    boot: str = ""
    errors: Counts = field(default_factory=dict)
    knobs: Mapping[str, str] = field(default_factory=dict)
    modes: Mapping[str, dict[str, int]] = field(default_factory=dict)


UNSEEN = Beginning()


def begun(beginning: Beginning) -> LeaseNotes:
    notes = counted(LeaseNotes(), beginning.boot, beginning.errors)
    return notes.model_copy(update={"knobs": dict(beginning.knobs), "modes": dict(beginning.modes)})


def gone_on(notes: LeaseNotes, beginning: Beginning) -> LeaseNotes:
    """Noted again before the guest is started again. What was noted first is what the lease began with, but
    for attributes that a reboot has set anew."""
    if not beginning.boot:
        return notes
    notes = counted(notes, beginning.boot, beginning.errors)
    return notes if notes.knobs else notes.model_copy(update={"knobs": dict(beginning.knobs)})


def ended_in_quarantine(notes: LeaseNotes) -> LeaseNotes:
    """For a burn-in: it shows what the device does by itself, and still brings back what its last guest may
    have changed."""
    return notes.model_copy(update={"last": {}, "grown": {}})


def counted(notes: LeaseNotes, boot: str, now: Counts) -> LeaseNotes:
    """With what has come since the last look. What a boot counted before we looked is nobody's: the devices
    are found and set up in it before any guest has them."""
    same = notes.boot == boot
    last, grown = (dict(notes.last) if same else {}), dict(notes.grown)
    for address, errors in now.items():
        new = _growth(last.get(address), errors)
        grown[address] = _sum(grown.get(address), new)
        last[address] = Counted(correctable=errors.correctable, nonfatal=errors.nonfatal, fatal=errors.fatal)
    knobs = notes.knobs if same else {}
    return notes.model_copy(update={"boot": boot, "last": last, "grown": grown, "knobs": knobs})


def growth(notes: LeaseNotes) -> dict[str, Errors]:
    return {
        address: Errors(each.correctable, each.nonfatal, each.fatal) for address, each in notes.grown.items()
    }


def _growth(last: Counted | None, now: Errors) -> Counted:
    """Nothing for a first look."""

    def more(was: int | None, is_now: int | None) -> int | None:
        if is_now is None or was is None:
            return None if is_now is None else 0
        # A counter that fell began anew, say with a function that was taken away and found again.
        return is_now - was if is_now >= was else is_now

    was = last or Counted()
    return Counted(
        correctable=more(was.correctable, now.correctable),
        nonfatal=more(was.nonfatal, now.nonfatal),
        fatal=more(was.fatal, now.fatal),
    )


def _sum(before: Counted | None, more: Counted) -> Counted:
    if before is None:
        return more

    def added(one: int | None, other: int | None) -> int | None:
        return None if one is None and other is None else (one or 0) + (other or 0)

    return Counted(
        correctable=added(before.correctable, more.correctable),
        nonfatal=added(before.nonfatal, more.nonfatal),
        fatal=added(before.fatal, more.fatal),
    )
