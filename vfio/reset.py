"""Resets all functions of a device and puts the host's own settings back; reset_choice.py says by what.

The kernel tries the methods in a function's `reset_method` in turn, so one alone is written there first: then
what was done is known. A function in D3cold does not survive a reset, hence it is kept awake meanwhile.
"""

import errno
from collections.abc import Sequence
from dataclasses import dataclass

from vfio.device import ADDRESS
from vfio.errors import SysfsError
from vfio.kept import Kept
from vfio.reset_choice import Choice, Seen, Target, choose
from vfio.scan import DEVICES
from vfio.sysfs import Sysfs

_WHOLE_BUS = "reset_subordinate"
_NO_SUCH_RESET = frozenset({errno.ENOTTY, errno.EOPNOTSUPP})


@dataclass(frozen=True, slots=True)
class Reset:
    """One function that was reset; no method: a companion without any."""

    address: str
    method: str
    how: str = ""


class NoReset(Exception):
    """The device has no reset that may be used, or none that works. Says what there was and why not."""


def look(sysfs: Sysfs, address: str) -> Seen:
    """Vanished when the function is not there."""
    folder = f"{DEVICES}/{address}"
    names = sysfs.listdir(folder)
    parent = sysfs.realpath(folder).rpartition("/")[0]
    bridge = parent.rpartition("/")[2]
    # A virtual function lies beside its physical one, whatever its bus number, and is reset with it.
    below = frozenset(name for name in sysfs.listdir(parent) if ADDRESS.match(name))
    port = bridge if ADDRESS.match(bridge) and sysfs.exists(f"{parent}/{_WHOLE_BUS}") else None
    methods = tuple(sysfs.read_text(f"{folder}/reset_method").split()) if "reset_method" in names else ()
    return Seen(address, "reset" in names, methods, below, port)


def reset(sysfs: Sysfs, targets: Sequence[Target], kept: Kept) -> tuple[Reset, ...]:
    """Reset all functions of a device. Settings that were changed for it are put back, also when it fails.
    Raises NoReset, or SysfsError with the kernel's own refusal. Safe to repeat."""
    ours = frozenset(target.address for target in targets)
    try:
        kept.set({f"{DEVICES}/{address}/d3cold_allowed": "0" for address in sorted(ours)})
        kept.set({f"{DEVICES}/{address}/power/control": "on" for address in sorted(ours)})
        done = _reset_all(sysfs, targets, ours, kept)
    except (NoReset, SysfsError):
        _put_back_quietly(kept)
        raise
    kept.put_back()
    return done


def _reset_all(
    sysfs: Sysfs, targets: Sequence[Target], ours: frozenset[str], kept: Kept
) -> tuple[Reset, ...]:
    done: list[Reset] = []
    covered: dict[str, str] = {}
    """Functions that went with a whole bus, and its port."""
    for target in targets:
        if target.address in covered:
            done.append(Reset(target.address, "bus", f"with the bus below {covered[target.address]}"))
            continue
        seen = look(sysfs, target.address)
        result, port = _reset_one(sysfs, target, choose(target, seen, ours), kept)
        if port is not None:
            covered |= dict.fromkeys(seen.on_bus, port)
        done.append(result)
    return tuple(done)


def _reset_one(sysfs: Sysfs, target: Target, choice: Choice, kept: Kept) -> tuple[Reset, str | None]:
    folder = f"{DEVICES}/{target.address}"
    why_not = list(choice.why_not)
    for method in choice.methods:
        kept.set({f"{folder}/reset_method": method})
        try:
            sysfs.write(f"{folder}/reset", "1")
        except SysfsError as error:
            if error.errno not in _NO_SUCH_RESET:
                raise
            why_not.append(f"{method}: {error}")
            continue
        return Reset(target.address, method, "; ".join(why_not)), None
    if choice.port is not None and not target.companion:
        sysfs.write(f"{DEVICES}/{choice.port}/{_WHOLE_BUS}", "1")
        return Reset(target.address, "bus", f"the bus below {choice.port}"), choice.port
    if target.companion:
        return Reset(target.address, "", "; ".join(why_not)), None
    raise NoReset(f"{target.address} has no reset that may be used: {'; '.join(why_not)}")


def _put_back_quietly(kept: Kept) -> None:
    """A reset failed, which is what must be told. What cannot be put back stays noted."""
    try:
        kept.put_back()
    except SysfsError:
        return
