"""Whether a device is whole after a reset: it answers, is the same one, and made no new errors."""

from collections.abc import Mapping
from dataclasses import dataclass

from vfio.config_space import ConfigSpace, damage, differences, parse
from vfio.device import Bar
from vfio.errors import Vanished
from vfio.health import Finding, Reading, faults, judge, read
from vfio.sanitise.handles import MDEVS
from vfio.sanitise.subject import Function, Subject
from vfio.scan import DEVICES, parse_bars
from vfio.sysfs import Sysfs

VGPU_TYPE = "nvidia/current_vgpu_type"
_OF_VIRTUAL = 0xFFFF
"""The vendor that a virtual function's own configuration space shows."""


class StillWrong(Exception):
    """The device is not as it must be; says what differs."""


@dataclass(frozen=True, slots=True)
class FunctionSeen:
    """A function at one moment. `config` is None when it can't be parsed or was not readable."""

    reading: Reading
    bars: tuple[Bar, ...] = ()
    config: ConfigSpace | None = None


@dataclass(frozen=True, slots=True)
class Picture:
    functions: Mapping[str, FunctionSeen]
    watched: Mapping[str, Reading]
    slice_type: str | None = None
    """Of the mdev or vendor's function as it stands; None: there is none."""


@dataclass(frozen=True, slots=True)
class Verdict:
    evidence: str
    findings: tuple[Finding, ...]
    """Signs; faults were raised."""


def picture(sysfs: Sysfs, subject: Subject, kernel_log: str = "") -> Picture:
    """What can be seen of the device now. What is missing is part of the picture, not an error."""
    return Picture(
        functions={
            function.address: _function(sysfs, function.address, kernel_log) for function in subject.functions
        },
        watched={address: read(sysfs, address, kernel_log) for address in subject.watched},
        slice_type=_slice_type(sysfs, subject),
    )


def verify(subject: Subject, before: Picture | None, now: Picture) -> Verdict:
    """Raises StillWrong with everything that is. Pure."""
    wrong: list[str] = []
    signs: list[Finding] = []
    for function in subject.functions:
        seen = now.functions[function.address]
        was = before.functions[function.address] if before is not None else None
        findings = judge(was.reading if was else None, seen.reading, function.seat)
        signs += [finding for finding in findings if finding not in faults(findings)]
        wrong += [finding.evidence for finding in faults(findings)]
        if seen.reading.present:
            wrong += _identity(function, seen)
            wrong += _restored(function, was, seen)
    for address, reading in now.watched.items():
        findings = judge(before.watched[address] if before is not None else None, reading)
        signs += [finding for finding in findings if finding not in faults(findings)]
        wrong += [finding.evidence for finding in faults(findings)]
    wrong += _made_anew(subject, now)
    if wrong:
        raise StillWrong("; ".join(wrong))
    return Verdict(_evidence(subject, now, signs), tuple(signs))


def _function(sysfs: Sysfs, address: str, kernel_log: str) -> FunctionSeen:
    reading = read(sysfs, address, kernel_log)
    try:
        names = frozenset(sysfs.listdir(f"{DEVICES}/{address}"))
        resource = sysfs.read_text(f"{DEVICES}/{address}/resource") if "resource" in names else ""
        data = sysfs.read_bytes(f"{DEVICES}/{address}/config") if "config" in names else b""
    except Vanished:
        return FunctionSeen(reading)
    return FunctionSeen(reading, parse_bars(resource), parse(data) if damage(data) is None else None)


def _slice_type(sysfs: Sysfs, subject: Subject) -> str | None:
    try:
        if subject.mdev is not None:
            return sysfs.readlink(f"{MDEVS}/{subject.mdev}/mdev_type").rpartition("/")[2]
        if subject.kind == "vendor-vf":
            return sysfs.read_text(f"{DEVICES}/{subject.functions[0].address}/{VGPU_TYPE}").strip()
    except Vanished:
        return None
    return None


def _identity(function: Function, seen: FunctionSeen) -> list[str]:
    wrong = []
    if seen.config is not None and seen.config.vendor != _OF_VIRTUAL:
        ids = f"{seen.config.vendor:04x}:{seen.config.product:04x}"
        if ids != (must := f"{function.vendor:04x}:{function.product:04x}"):
            wrong.append(f"{function.address} was {must} and is {ids}")
    if seen.config is None and seen.reading.config is None:
        wrong.append(f"{function.address} shows no configuration space")
    if function.bars and seen.bars != function.bars:
        wrong.append(f"{function.address} has BARs of {_sizes(seen.bars)}, not of {_sizes(function.bars)}")
    return wrong


def _restored(function: Function, was: FunctionSeen | None, seen: FunctionSeen) -> list[str]:
    """Against how it was before the reset, where that was a living function's."""
    if was is None or was.config is None or seen.config is None:
        return []
    return [f"{function.address}: {difference}" for difference in differences(was.config, seen.config)]


def _made_anew(subject: Subject, now: Picture) -> list[str]:
    if not subject.recreated or now.slice_type == subject.slice_type:
        return []
    is_now = "is not there" if now.slice_type is None else f"is of type {now.slice_type or 'none'}"
    return [f"{subject.name} {is_now}, not of type {subject.slice_type}"]


def _evidence(subject: Subject, now: Picture, signs: list[Finding]) -> str:
    parts = [f"{address} {_described(seen)}" for address, seen in now.functions.items()]
    if subject.recreated:
        parts.append(f"type {now.slice_type}")
    return "; ".join([*parts, *(finding.evidence for finding in signs)])


def _described(seen: FunctionSeen) -> str:
    words = ["answers"]
    if seen.bars:
        words.append(f"BARs {_sizes(seen.bars)}")
    if link := seen.reading.link:
        words.append(f"link {link.speed:g} GT/s x{link.width}")
    counters = (seen.reading.fatal, seen.reading.nonfatal)
    if None not in counters:
        words.append(f"fatal errors {counters[0]}, nonfatal {counters[1]}")
    return ", ".join(words)


def _sizes(bars: tuple[Bar, ...]) -> str:
    return " ".join(f"{bar.size >> 20}M" if bar.size >= 1 << 20 else f"{bar.size}" for bar in bars) or "none"
