"""What a device was like when its lease began, and what AER has counted on it since. Pure.

The kernel counts from each boot anew, and from each time that it finds a function anew. So the counts are
added up here, and what the last look saw is kept with the boot in which it was.
"""

from collections.abc import Mapping

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


def begun(boot: str, now: Counts) -> LeaseNotes:
    return counted(LeaseNotes(), boot, now)


def counted(notes: LeaseNotes, boot: str, now: Counts) -> LeaseNotes:
    """With what has come since the last look. What a boot counted before we looked is nobody's: the devices
    are found and set up in it before any guest has them."""
    same = notes.boot == boot
    last, grown = (dict(notes.last) if same else {}), dict(notes.grown)
    for address, errors in now.items():
        new = _growth(last.get(address), errors)
        grown[address] = _sum(grown.get(address), new)
        last[address] = Counted(correctable=errors.correctable, nonfatal=errors.nonfatal, fatal=errors.fatal)
    return notes.model_copy(update={"boot": boot, "last": last, "grown": grown})


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
