"""Decides whether a device is whole after a reset: it answers, is the same, and made no new errors. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from vfio.accepted_link import expected, told
from vfio.config_space import ConfigSpace, differences
from vfio.device import Bar
from vfio.health import Errors, Finding, Reading, faults, judge, judge_lease
from vfio.sanitise.subject import Function, Subject

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


_NO_LEASE: Mapping[str, Errors] = {}


def verify(
    subject: Subject, before: Picture | None, now: Picture, lease: Mapping[str, Errors] = _NO_LEASE
) -> Verdict:
    """Raises StillWrong with everything that is. `lease`: errors that were counted during the lease."""
    wrong: list[str] = []
    signs: list[Finding] = []
    for function in subject.functions:
        seen = now.functions[function.address]
        was = before.functions[function.address] if before is not None else None
        findings = judge(
            was.reading if was else None, seen.reading, expected(function.seat, function.accepted)
        )
        signs += [finding for finding in findings if finding not in faults(findings)]
        wrong += [finding.evidence for finding in faults(findings)]
        if seen.reading.present:
            wrong += _identity(function, seen)
            wrong += _restored(function, was, seen)
    for address, reading in now.watched.items():
        findings = judge(before.watched[address] if before is not None else None, reading)
        signs += [finding for finding in findings if finding not in faults(findings)]
        wrong += [finding.evidence for finding in faults(findings)]
    for address, errors in lease.items():
        findings = judge_lease(address, errors)
        signs += [finding for finding in findings if finding not in faults(findings)]
        wrong += [finding.evidence for finding in faults(findings)]
    wrong += _made_anew(subject, now)
    if wrong:
        raise StillWrong("; ".join(wrong))
    return Verdict(_evidence(subject, now, signs, lease), tuple(signs))


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


def _evidence(subject: Subject, now: Picture, signs: list[Finding], lease: Mapping[str, Errors]) -> str:
    parts = [f"{each.address} {_described(each, now.functions[each.address])}" for each in subject.functions]
    if subject.recreated:
        parts.append(f"type {now.slice_type}")
    parts += [f"{address} during its lease: {_counts(errors)}" for address, errors in lease.items()]
    return "; ".join([*parts, *(finding.evidence for finding in signs)])


def _described(function: Function, seen: FunctionSeen) -> str:
    words = ["answers"]
    if seen.bars:
        words.append(f"BARs {_sizes(seen.bars)}")
    if link := seen.reading.link:
        words.append(f"link {link.speed:g} GT/s x{link.width}{_accepted(function)}")
    counters = (seen.reading.fatal, seen.reading.nonfatal)
    if None not in counters:
        words.append(f"fatal errors {counters[0]}, nonfatal {counters[1]}")
    return ", ".join(words)


def _accepted(function: Function) -> str:
    """That an operator has accepted less than the seat can do stands in the certificate."""
    seat, least = function.seat, expected(function.seat, function.accepted)
    if seat is None or least is None or seat == least:
        return ""
    return f" (of {told(seat)}; the operator has accepted {told(least)})"


def _counts(errors: Errors) -> str:
    """What a function does not count is not told as none."""
    counts = {"fatal": errors.fatal, "nonfatal": errors.nonfatal, "corrected": errors.correctable}
    told = ", ".join(f"{count} {kind}" for kind, count in counts.items() if count is not None)
    return f"{told} errors"


def _sizes(bars: tuple[Bar, ...]) -> str:
    return " ".join(f"{bar.size >> 20}M" if bar.size >= 1 << 20 else f"{bar.size}" for bar in bars) or "none"
