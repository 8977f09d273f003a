"""Virtual functions of Intel's xe driver, each with a quantum of time and a part of the card's memory.

Quotas are set while there are no virtual functions: the driver lets none change under one that is on. Where a
layout says nothing, it shares out evenly by itself.
"""

from collections.abc import Iterator
from dataclasses import replace

from vfio.binding import Binder
from vfio.errors import SysfsError
from vfio.journal import ClaimRecord
from vfio.scan import DEVICES
from vfio.slices import naming, sharing, vfs
from vfio.slices.model import Ability, Card, Cut, Kind, Plan, Policy, Sharing, Sight, Slice
from vfio.slices.records import Before, LayoutRecord
from vfio.slices.sight import look
from vfio.slices.vf import cuts_in_order, function_slices
from vfio.sysfs import Sysfs

_US_OF_MS = 1000
_MIB = 1 << 20
_QUANTUM = "exec_quantum_ms"
_TIMEOUT = "preempt_timeout_us"
_QUOTA = "vram_quota"


class XeFunction:
    kind = Kind.XE_VF

    def __init__(self, sysfs: Sysfs, binder: Binder) -> None:
        self._sysfs = sysfs
        self._binder = binder

    def abilities(self, card: Card, sight: Sight) -> tuple[Ability, ...]:
        total = card.device.sriov_total_vfs
        if not total or not self._sysfs.exists(_admin(card)):
            return ()
        quantum = self._has(card, 1, _QUANTUM)
        policies = (Policy.BEST_EFFORT,) if quantum else ()
        refused = vfs.unable(card.device, 1)
        return (Ability(Kind.XE_VF, most=total, policies=policies, quantum=quantum, refused=refused),)

    def refusal(self, card: Card, plan: Plan, sight: Sight) -> str:
        if not self._sysfs.exists(_admin(card)):
            return f"driver {card.device.driver or '(none)'} shows no sriov_admin: that takes Linux 6.19's xe"
        if reason := vfs.unable(card.device, plan.count):
            return reason
        for cut in plan.cuts:
            if reason := self._cut_refusal(card, plan, cut):
                return reason
        return ""

    def before(self, card: Card, plan: Plan, sight: Sight) -> Before:
        return vfs.before(self._sysfs, card.device, tuple(path for path, _ in _knobs(card, plan)))

    def open(self, card: Card, record: LayoutRecord) -> None:
        """Its kernel says how many there may be without that."""

    def make(self, card: Card, record: LayoutRecord) -> None:
        vfs.set_count(self._sysfs, card.address, 0)
        for path, text in _knobs(card, record.plan):
            if self._sysfs.read_text(path) != text:
                self._sysfs.write(path, text)
        vfs.set_autoprobe(self._sysfs, card.address, "0")
        vfs.set_count(self._sysfs, card.address, record.plan.count)
        vfs.refuse_shared_groups(look(self._sysfs), vfs.addresses(self._sysfs, card.address))

    def unmake(self, card: Card, record: LayoutRecord) -> None:
        vfs.restore(self._sysfs, record.before)

    def slices(self, card: Card, record: LayoutRecord, sight: Sight) -> tuple[Slice, ...]:
        found = list(function_slices(card, record.plan, sight))
        timed = any(sharing.of_cut(record.plan, cut).preempt_timeout_us for cut in record.plan.cuts)
        states = [self._state(card, number, timed=timed) for number in range(1, len(found) + 1)]
        quanta = [(state and state[0].quantum_us) or 0 for state in states]
        return tuple(
            replace(
                naming.with_memory(each, state[1] if state else None),
                sharing=state[0] if state else None,
                # Each runs for its quantum in turn; without quanta none is told from another.
                share=1000 * quantum // sum(quanta) if all(quanta) else each.share,
            )
            for each, state, quantum in zip(found, states, quanta, strict=True)
        )

    def prepare(self, claim: ClaimRecord) -> tuple[str, ...]:
        return self._binder.prepare(claim.claim_id, claim.addresses, claim.slice)

    def release(self, claim: ClaimRecord) -> None:
        self._binder.release(claim.claim_id)

    def _cut_refusal(self, card: Card, plan: Plan, cut: Cut) -> str:
        asked = sharing.of_cut(plan, cut)
        if cut.type:
            return f"its virtual functions have no types (type {cut.type} was asked for)"
        if asked.policy not in (None, Policy.BEST_EFFORT):
            return f"policy {asked.policy} is not to be had: xe lends unused time (to be had: best-effort)"
        quantum = quantum_us(plan, cut)
        if asked.weight is not None and quantum is None:
            return "a weight needs a quantum of the card, which it multiplies"
        if quantum is not None and quantum % _US_OF_MS:
            return f"a quantum of {quantum} us is not to be had: xe counts whole milliseconds"
        knobs = {_QUANTUM: quantum, _TIMEOUT: asked.preempt_timeout_us, _QUOTA: cut.memory_mib}
        for name, wanted in knobs.items():
            if wanted is not None and not self._has(card, 1, name):
                return f"its driver has no {name} to set (no {_profile(card, 1)}/{name})"
        return ""

    def _state(self, card: Card, number: int, *, timed: bool) -> tuple[Sharing, int | None] | None:
        """As the driver has it now, with the memory in MiB; None where it does not say."""
        try:
            quantum, timeout, quota = (
                self._number(card, number, name) for name in (_QUANTUM, _TIMEOUT, _QUOTA)
            )
        except (SysfsError, ValueError):
            return None
        found = Sharing(Policy.BEST_EFFORT, quantum * _US_OF_MS or None, timeout or None)
        return found, quota // _MIB or None

    def _number(self, card: Card, number: int, name: str) -> int:
        """0 also where the driver has no such knob."""
        text = vfs.attribute(self._sysfs, card.address, f"sriov_admin/vf{number}/profile/{name}")
        return int(text or "0")

    def _has(self, card: Card, number: int, name: str) -> bool:
        return self._sysfs.exists(f"{_profile(card, number)}/{name}")


def quantum_us(plan: Plan, cut: Cut) -> int | None:
    """A weight multiplies the quantum, for each runs for its quantum in turn."""
    asked = sharing.of_cut(plan, cut)
    return None if asked.quantum_us is None else asked.quantum_us * (asked.weight or 1)


def _knobs(card: Card, plan: Plan) -> Iterator[tuple[str, str]]:
    """Attributes to set, and the texts they get: of the first virtual function first."""
    for number, cut in enumerate(cuts_in_order(plan), start=1):
        folder = _profile(card, number)
        asked, quantum = sharing.of_cut(plan, cut), quantum_us(plan, cut)
        if cut.memory_mib is not None:
            yield f"{folder}/{_QUOTA}", str(cut.memory_mib * _MIB)
        if quantum is not None:
            yield f"{folder}/{_QUANTUM}", str(quantum // _US_OF_MS)
        if asked.preempt_timeout_us is not None:
            yield f"{folder}/{_TIMEOUT}", str(asked.preempt_timeout_us)


def _admin(card: Card) -> str:
    return f"{DEVICES}/{card.address}/sriov_admin"


def _profile(card: Card, number: int) -> str:
    return f"{_admin(card)}/vf{number}/profile"
