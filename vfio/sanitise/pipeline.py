"""Runs the steps that clean a device, and keeps the evidence of each, above all of the one that failed.

Every run begins at the first step: after a stop at any line the next run does all of it again.
"""

import errno
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from vfio.errors import BindingError, SysfsError
from vfio.health import Errors, Finding
from vfio.kept import Kept, Notes
from vfio.reset import NoReset, reset
from vfio.sanitise.handles import handles
from vfio.sanitise.looking import picture
from vfio.sanitise.steps import REBOOT, Done, Outcome, Planned, Step, grade, plan
from vfio.sanitise.subject import Subject
from vfio.sanitise.verifying import Picture, StillWrong, verify
from vfio.sysfs import Sysfs

Tool = Callable[[Sequence[str]], str]
"""Works on the functions with these addresses and returns what to say of it; raises when it could not."""

BURN_IN_ROUNDS = 3
MOST_ROUNDS = 25
"""A certificate has room for 64 steps."""


def _nothing() -> str:
    return ""


def _no_errors() -> Mapping[str, Errors]:
    return {}


def _no_checkpoint(name: str) -> None:
    """Nothing happens here outside crash tests."""


@dataclass(frozen=True)
class Means:
    """What the agent brings. Each may be called again after a stop at any line."""

    clock: Callable[[], float]
    """Seconds, of a clock that never goes back."""
    notes: Notes
    fence: Callable[[], str]
    """Makes sure that the lease is over, or raises NotYet."""
    stop: Callable[[], str]
    """Makes sure that no domain has the device, or raises NotYet."""
    restore: Callable[[], str] = _nothing
    """Puts back modes and limits that a guest may have set; empty: there are none."""
    recreate: Callable[[], str] | None = None
    """Destroys the slice and makes it anew (mdev, vendor's function)."""
    scrubs: Mapping[str, Tool] = field(default_factory=dict)
    """By the catalogue's name of the method."""
    read_backs: Mapping[str, Tool] = field(default_factory=dict)
    """By the name of the scrub that they check."""
    kernel_log: Callable[[], str] = _nothing
    lease_errors: Callable[[], Mapping[str, Errors]] = _no_errors
    """How many errors AER has counted during the lease that ended, by function; empty where nobody knows.
    Called before the first reset."""
    checkpoint: Callable[[str], None] = _no_checkpoint
    """Called after each step with its name."""


@dataclass(frozen=True, slots=True)
class Cleaned:
    """All steps were done. `findings`: signs that are no faults."""

    steps: tuple[Done, ...]
    grade: str
    findings: tuple[Finding, ...] = ()


class NotYet(Exception):
    """Not the device's fault: something still uses it. Try again; the device stays in sanitising."""


class Unclean(Exception):
    """The device could not be shown to be clean: quarantine it. `steps` ends with the one that failed."""

    def __init__(self, why: str, steps: Sequence[Done]) -> None:
        super().__init__(why)
        self.steps = tuple(steps)

    @property
    def evidence(self) -> str:
        """For the operator: what failed, and what had been done before."""
        before = ", ".join(
            f"{done.step} {done.method}".strip() for done in self.steps if done.outcome is Outcome.DONE
        )
        return f"{self}; done before: {before or 'nothing'}"


def sanitise(sysfs: Sysfs, subject: Subject, means: Means) -> Cleaned:
    """Clean a device after a lease. Raises NotYet, or Unclean for whatever else went wrong."""
    return _run(sysfs, subject, means, rounds=1)


def burn_in(sysfs: Sysfs, subject: Subject, means: Means, rounds: int = BURN_IN_ROUNDS) -> Cleaned:
    """The same with several rounds of reset and verify. Errors add up over all of them."""
    if not 1 <= rounds <= MOST_ROUNDS:
        raise ValueError(f"a burn-in has 1 to {MOST_ROUNDS} rounds, not {rounds}")
    return _run(sysfs, subject, means, rounds=rounds)


def _run(sysfs: Sysfs, subject: Subject, means: Means, *, rounds: int) -> Cleaned:
    run = _Run(sysfs, subject, means)
    for planned in plan(subject, means.scrubs, means.read_backs, rounds=rounds):
        run.do(planned)
    letter = grade(run.done)
    if letter is None:
        raise Unclean("the steps that were done do not amount to a clean device", run.done)
    return Cleaned(tuple(run.done), letter, tuple(dict.fromkeys(run.findings)))


class _Run:
    """One run: what was done so far, and how the device looked before its first reset."""

    def __init__(self, sysfs: Sysfs, subject: Subject, means: Means) -> None:
        self.done: list[Done] = []
        self.findings: list[Finding] = []
        self._sysfs = sysfs
        self._subject = subject
        self._means = means
        self._kept = Kept(sysfs, means.notes)
        self._before: Picture | None = None
        self._lease: Mapping[str, Errors] = {}
        self._addresses = tuple(function.address for function in subject.functions)

    def do(self, planned: Planned) -> None:
        started = self._means.clock()

        def ended(method: str, outcome: Outcome, evidence: str) -> Done:
            milliseconds = max(0, round((self._means.clock() - started) * 1000))
            return Done(planned.step, method, outcome, milliseconds, evidence)

        if planned.why_none:
            self.done.append(ended("", Outcome.NONE, planned.why_none))
            return
        try:
            method, evidence = self._act(planned)
        except NotYet:
            raise
        except Exception as error:
            # A full disk of the agent's own, as it is or as what could not be noted for a claim. The kernel's
            # refusals are SysfsErrors.
            ours = error.__cause__ if isinstance(error, BindingError) else error
            if isinstance(ours, OSError) and ours.errno in _DISK_FULL:
                raise NotYet(f"{planned.step}: {error}") from error
            # Whatever it is, and were it a mistake of ours: the device is not known to be clean.
            why = str(error) if isinstance(error, _EXPECTED) else f"{type(error).__name__}: {error}"
            self.done.append(ended(planned.method, Outcome.FAILED, why))
            raise Unclean(f"{planned.step} failed: {why}", self.done) from error
        none = planned.step is Step.RESTORE and not evidence
        outcome = Outcome.NONE if none else Outcome.DONE
        self.done.append(ended(method, outcome, evidence or "nothing had to be put back"))
        self._means.checkpoint(planned.step)

    def _act(self, planned: Planned) -> tuple[str, str]:
        """The method that was used, and the evidence."""
        match planned.step:
            case Step.FENCE:
                return "", self._means.fence()
            case Step.STOP:
                return "", self._stop()
            case Step.RESTORE:
                return "", self._restore()
            case Step.RESET:
                return self._reset()
            case Step.VERIFY:
                return "", self._verify()
            case Step.SCRUB:
                return planned.method, self._scrub(planned.method)
            case Step.READ_BACK:
                return planned.method, self._means.read_backs[planned.method](self._addresses)

    def _stop(self) -> str:
        said = self._means.stop()
        if held := handles(self._sysfs, self._subject):
            raise NotYet(f"{self._subject.name} is still open: {'; '.join(held)}")
        return "; ".join(part for part in (said, "no process has it open") if part)

    def _restore(self) -> str:
        put_back = self._kept.put_back()
        said = self._means.restore()
        # Only now: what an interrupted run had changed is not how the device was.
        self._before = picture(self._sysfs, self._subject, self._means.kernel_log())
        self._lease = self._means.lease_errors()
        left = f"put back {' '.join(put_back)}" if put_back else ""
        return "; ".join(part for part in (left, said) if part)

    def _reset(self) -> tuple[str, str]:
        targets = [function.target for function in self._subject.functions]
        try:
            done = reset(self._sysfs, targets, self._kept)
        except NoReset as error:
            if not self._subject.rebooted:
                raise
            return REBOOT, f"the host was started anew since; {error}"
        methods = tuple(dict.fromkeys(one.method for one in done if one.method))
        details = (f"{one.address} by {one.method or 'nothing'} {one.how}".strip() for one in done)
        return " ".join(methods), "; ".join(details)

    def _verify(self) -> str:
        now = picture(self._sysfs, self._subject, self._means.kernel_log())
        verdict = verify(self._subject, self._before, now, self._lease)
        self.findings += verdict.findings
        return verdict.evidence

    def _scrub(self, method: str) -> str:
        if not self._subject.recreated:
            return self._means.scrubs[method](self._addresses)
        if self._means.recreate is None:
            raise StillWrong("nothing here can make this slice anew")
        return self._means.recreate()


_DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})
_EXPECTED = (SysfsError, BindingError, NoReset, StillWrong)
