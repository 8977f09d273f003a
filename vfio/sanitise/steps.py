"""Decides which steps clean a device, and which grade the steps that were done deserve. Pure."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum

from vfio.sanitise.subject import Subject


class Step(StrEnum):
    """In this order. The strings stand in certificates."""

    FENCE = "fence"
    """Nobody can claim it any more."""
    STOP = "stop"
    """Its guest is gone, and nobody holds a handle to it."""
    RESTORE = "restore"
    """Settings that a guest or an earlier, interrupted cleaning left."""
    RESET = "reset"
    VERIFY = "verify"
    """It answers, is the same device, with the same BARs and link, and made no new errors."""
    SCRUB = "scrub"
    READ_BACK = "read-back"


class Outcome(StrEnum):
    DONE = "done"
    NONE = "none"
    """The device, or this host, has no such means."""
    FAILED = "failed"
    """Never in a certificate."""


NO_METHOD = "none"
RECREATE = "recreate"
REBOOT = "reboot"
"""Method of a reset that the host's own restart was."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A step to be done. No method: there is none, which is said in the certificate too."""

    step: Step
    method: str = ""
    why_none: str = ""


@dataclass(frozen=True, slots=True)
class Done:
    """A step as it went."""

    step: Step
    method: str
    outcome: Outcome
    milliseconds: int
    evidence: str = ""


def plan(
    subject: Subject, scrubs: Collection[str], read_backs: Collection[str], *, rounds: int = 1
) -> tuple[Planned, ...]:
    """`scrubs` and `read_backs` name what this host can do. `rounds`: of reset and verify (a burn-in does
    several)."""
    opening = (Planned(Step.FENCE), Planned(Step.STOP), Planned(Step.RESTORE))
    if subject.recreated:
        # Its vendor's driver makes it anew; there is nothing to reset that is not shared with other slices.
        return (*opening, *(Planned(Step.SCRUB, RECREATE), Planned(Step.VERIFY)) * rounds)
    cleaning = (Planned(Step.RESET), Planned(Step.VERIFY)) * rounds
    scrub = _scrub(subject, scrubs)
    if not scrub.method:
        return (*opening, *cleaning, scrub, Planned(Step.READ_BACK, why_none="nothing was scrubbed"))
    if scrub.method in read_backs:
        read_back = Planned(Step.READ_BACK, scrub.method)
    else:
        read_back = Planned(Step.READ_BACK, why_none=f"{scrub.method} has none on this host")
    # The tool has used the device: it must be seen to be whole after it.
    return (*opening, *cleaning, scrub, read_back, Planned(Step.VERIFY))


def _scrub(subject: Subject, scrubs: Collection[str]) -> Planned:
    if subject.scrub == NO_METHOD:
        return Planned(Step.SCRUB, why_none="nothing is known to scrub this model")
    if subject.scrub not in scrubs:
        return Planned(Step.SCRUB, why_none=f"{subject.scrub} is not set up on this host")
    return Planned(Step.SCRUB, subject.scrub)


def grade(done: Sequence[Done]) -> str | None:
    """A letter of kcloud_common.certificate.Grade for what was really done; None: that is not clean."""
    if any(step.outcome is Outcome.FAILED for step in done):
        return None
    methods = {step.step: step.method for step in done if step.outcome is Outcome.DONE}
    if not {Step.FENCE, Step.STOP, Step.VERIFY} <= methods.keys():
        return None
    if methods.get(Step.SCRUB) == RECREATE:
        return "B"
    if Step.RESET not in methods:
        return None
    if Step.SCRUB not in methods:
        return "C"
    return "A" if Step.READ_BACK in methods else "B"
