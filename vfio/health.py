"""Decides what the signs of a device's health mean that a host sees without any vendor's tool. Pure.

They are AER counters, the link as it runs, whether the configuration space answers, XID lines of NVIDIA's
driver in the kernel's log; judged from a reading before and one after. health_reading.py reads them.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from vfio.accepted_link import told
from vfio.config_space import Damage
from vfio.device import Link

_XID = re.compile(r"NVRM: Xid \(PCI:(?P<seat>[0-9a-fA-F:.]+)\): (?P<number>\d+)")
_GRAVE_XIDS = frozenset({48, 64, 79, 95, 119, 120, 140})
"""Uncorrected memory errors (48, 95, 140), a failed row remap (64), a card that fell off the bus (79), a lost
GSP (119, 120). NVIDIA's list of XIDs (docs.nvidia.com/deploy/xid-errors) asks for a reset or a person after
them. Others (13, 31, 43, 45 above all) come of what a guest's programs do, or may: they are evidence only."""
_TOTAL = "TOTAL_"
MANY_CORRECTED = 1000
"""Corrected errors of one lease above which the certificate says so in words. Our own measure: the link
works, and what it costs is time."""


class Weight(StrEnum):
    FAULT = "fault"
    """The device must not be handed out."""
    SIGN = "sign"
    """Worth knowing; healthy devices show it too."""


@dataclass(frozen=True, slots=True)
class Finding:
    """`code` is stable; `evidence` is for the operator."""

    code: str
    weight: Weight
    evidence: str


@dataclass(frozen=True, slots=True)
class Errors:
    """What AER has counted on one function, or how many more than at some moment. None: not counted here."""

    correctable: int | None = None
    nonfatal: int | None = None
    fatal: int | None = None

    @property
    def counted(self) -> bool:
        return any(count is not None for count in (self.correctable, self.nonfatal, self.fatal))


@dataclass(frozen=True, slots=True)
class Reading:
    """One function at one moment. None: it can't be read here (no AER, no PCI Express, a VF)."""

    address: str
    present: bool = True
    config: Damage | None = None
    correctable: int | None = None
    nonfatal: int | None = None
    fatal: int | None = None
    link: Link | None = None
    xids: tuple[int, ...] = ()
    serial: str | None = None
    """Of the board, where it says one; asleep or dead it does not."""


def judge_lease(address: str, grown: Errors) -> tuple[Finding, ...]:
    """What the errors of a whole lease say, by how many there were. A reset between two tenants mends no card
    that made errors which nobody could correct."""
    counts = {"fatal": grown.fatal, "nonfatal": grown.nonfatal}
    found = [
        Finding(f"lease-{kind}", Weight.FAULT, f"{address}: {count} {kind} errors during its lease")
        for kind, count in counts.items()
        if count
    ]
    if (grown.correctable or 0) > MANY_CORRECTED:
        what = f"{address}: {grown.correctable} corrected errors during its lease, more than {MANY_CORRECTED}"
        found.append(Finding("lease-correctable", Weight.SIGN, f"{what}: look at its seat and its cable"))
    return tuple(found)


def aer_total(text: str | None) -> int | None:
    """Of a table like `RxErr 0`, one error a line. The kernel's own TOTAL line counts where there is one, for
    an error may be of several kinds at once; else the lines are added up. None for what is no table."""
    counts: dict[str, int] = {}
    for line in (text or "").splitlines():
        name, _, number = line.strip().rpartition(" ")
        if number.isdecimal():
            counts[name] = int(number)
    totals = [count for name, count in counts.items() if name.startswith(_TOTAL)]
    if totals:
        return totals[0]
    return sum(counts.values()) if counts else None


def xids_of(kernel_log: str, address: str) -> tuple[int, ...]:
    """Numbers of the XID lines about a card, in order. The driver names the slot, not the function."""
    slot = address.rpartition(".")[0]
    return tuple(
        int(found["number"])
        for found in _XID.finditer(kernel_log)
        if found["seat"].lower().rpartition(".")[0] == slot or found["seat"].lower() == slot
    )


def judge(before: Reading | None, now: Reading, seat: Link | None = None) -> tuple[Finding, ...]:
    """What this reading says, worst first. Counters are judged by how much they grew since `before`, so a
    card with a past is not ill for ever; None: only what one reading can show."""
    if not now.present:
        return (Finding("vanished", Weight.FAULT, f"{now.address} is no longer there"),)
    found: list[Finding] = []
    if before is not None and None not in (before.serial, now.serial) and before.serial != now.serial:
        what = f"{now.address} was the card with serial number {before.serial}, and is {now.serial} now"
        found.append(Finding("another-card", Weight.FAULT, what))
    if now.config is not None:
        found.append(Finding(f"config-{now.config.code}", Weight.FAULT, f"{now.address}: {now.config.why}"))
    found += _link_findings(before, now, seat)
    if before is not None and before.present:
        found += _growth(before, now)
        found += _new_xids(before, now)
    return tuple(sorted(found, key=lambda finding: finding.weight is not Weight.FAULT))


def faults(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    return tuple(finding for finding in findings if finding.weight is Weight.FAULT)


def _link_findings(before: Reading | None, now: Reading, seat: Link | None) -> list[Finding]:
    """A link that saves power is slower, never narrower: a narrow one is a fault, a slow one only a sign. A
    card that was just reset idles, and most idle at the lowest speed."""
    if now.link is None:
        if before is not None and before.link is not None:
            return [Finding("link-lost", Weight.FAULT, f"{now.address} had a link of {_link(before.link)}")]
        return []
    found = []
    if seat is not None and now.link.width < seat.width:
        accept = f"[devices] accepted_link = {now.address}={told(Link(seat.speed, now.link.width))}"
        what = (
            f"{now.address} runs on {now.link.width} lanes of {seat.width}. Way out: seat it anew; or, where "
            f"its slot has no more (a riser), say so on its host with `{accept}`, then burn it in"
        )
        found.append(Finding("link-narrow", Weight.FAULT, what))
    if before is not None and before.link is not None and now.link.speed < before.link.speed:
        what = f"{now.address} fell from {_link(before.link)} to {_link(now.link)}"
        found.append(Finding("link-slower", Weight.SIGN, what))
    elif seat is not None and now.link.speed < seat.speed:
        what = f"{now.address} runs at {now.link.speed:g} of {seat.speed:g} GT/s"
        found.append(Finding("link-slow", Weight.SIGN, what))
    return found


def _growth(before: Reading, now: Reading) -> list[Finding]:
    counters: Mapping[str, tuple[int | None, int | None, Weight]] = {
        "fatal": (before.fatal, now.fatal, Weight.FAULT),
        "nonfatal": (before.nonfatal, now.nonfatal, Weight.FAULT),
        # A link that is trained anew may well correct an error or two.
        "correctable": (before.correctable, now.correctable, Weight.SIGN),
    }
    return [
        Finding(f"aer-{kind}", weight, f"{now.address}: {is_now - was} new {kind} errors ({was} before)")
        for kind, (was, is_now, weight) in counters.items()
        if was is not None and is_now is not None and is_now > was
    ]


def _new_xids(before: Reading, now: Reading) -> list[Finding]:
    """One for each number: a guest's program may make the same one over and over."""
    counts = Counter(now.xids[_shared(before.xids, now.xids) :])
    return [
        Finding(
            "xid", _weight(number), f"{now.address}: XID {number}" + (f", {count} times" if count > 1 else "")
        )
        for number, count in counts.items()
    ]


def _weight(xid: int) -> Weight:
    return Weight.FAULT if xid in _GRAVE_XIDS else Weight.SIGN


def _shared(before: Sequence[int], now: Sequence[int]) -> int:
    """How many of the first of `now` ended `before`: the log may have lost its oldest lines meanwhile."""
    most = min(len(before), len(now))
    return next((size for size in range(most, 0, -1) if before[-size:] == now[:size]), 0)


def _link(link: Link) -> str:
    return f"{link.speed:g} GT/s x{link.width}"
