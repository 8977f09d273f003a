"""Decides what is to be done about each card so that a host's layout stands, and says how cards differ.

Only empty cards are changed. Else there is drift: it names the card, what it shall be, what it is, and why.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from vfio.catalogue import Catalogue
from vfio.rules import parse_rule
from vfio.slices.model import Ability, Card, CardLayout, Cut, Kind, Plan
from vfio.slices.plans import TYPED, plan_refusal


@dataclass(frozen=True, slots=True)
class CardNow:
    """A card as it was observed."""

    card: Card
    plan: Plan
    """Of the layout that was applied to it last; none: it is whole."""
    stands: bool
    """Whether all of `plan` is there."""
    abilities: tuple[Ability, ...] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """About one card. Its slices may be handed out only while it is `settled`: a card that shall be something
    else gets no new guests, so that it becomes empty."""

    card: Card
    plan: Plan
    act: bool = False
    """Whether `plan` is to be applied now. With drift too: it is the old plan, which claims need."""
    drift: str = ""
    """How the card differs, and why that is not to be mended now; empty else."""

    @property
    def settled(self) -> bool:
        return not self.act and not self.drift


def plan_layout(
    cards: Sequence[CardNow],
    layout: Sequence[CardLayout],
    busy: Mapping[str, str],
    catalogue: Catalogue,
) -> tuple[Decision, ...]:
    """`busy` says by a card's name why it can't be cut anew; cards that can are not in it."""
    return tuple(_decide(now, layout, busy.get(now.card.name, ""), catalogue) for now in cards)


def wanted(card: Card, layout: Iterable[CardLayout], catalogue: Catalogue) -> Plan:
    """The first rule that fits counts; a card that none fits is whole, and one that is to be whole by name
    needs no cutting either. ValueError for a rule that makes no sense, which may be meant for any card."""
    for each in layout:
        if parse_rule(each.match).fits(card.device, catalogue):
            return Plan(() if each.cuts == (_JUST_WHOLE,) else each.cuts, each.sharing)
    return Plan()


_JUST_WHOLE = Cut(Kind.WHOLE)

WAITS = "It gets no new servers, and is cut when that has ended"
COMES = "What its servers hold is made again as soon as its driver offers that"
CHANGE = "Change the layout's rule for it, or let the rule say what it is"
TRIED = f"{CHANGE}: it is tried again then, and when the agent starts"


def drift(card: Card, want: Plan, have: str, why: str, then: str = WAITS) -> str:
    """For people: what, why, and what comes of it or is to be done. `have` as `described` says it."""
    return f"card {card.name} shall be {described(want)} and is {have}: {why.rstrip('.')}. {then}."


def described(plan: Plan) -> str:
    """`2 mdev nvidia-558, 1 mdev nvidia-560`."""
    return ", ".join(_cut(cut) for cut in plan.cuts) or "whole"


def _decide(now: CardNow, layout: Sequence[CardLayout], busy: str, catalogue: Catalogue) -> Decision:
    have = described(now.plan) + ("" if now.stands else " (incomplete)")
    try:
        plan = wanted(now.card, layout, catalogue)
    except ValueError as error:
        why = f"card {now.card.name} stays {have}, for its layout cannot be read: {error}. Mend that rule."
        return Decision(now.card, now.plan, drift=why)
    if now.plan == plan and now.stands:
        return Decision(now.card, plan)
    if busy and now.plan.cuts and not now.stands:
        if why := _not_offered(now, now.plan):
            # To try would forget how it was cut, and what is left on its slices could never be ended.
            return Decision(now.card, now.plan, drift=drift(now.card, plan, have, f"{busy}; {why}", COMES))
        # After a reboot: what claims hold slices of has to stand again before it can ever be empty.
        again = "What its servers hold is made again first; it is cut when they have left"
        return Decision(now.card, now.plan, act=True, drift=drift(now.card, plan, have, busy, again))
    if busy:
        return Decision(now.card, plan, drift=drift(now.card, plan, have, busy))
    if why := plan_refusal(now.card, plan) or _beyond(now, plan):
        return Decision(now.card, plan, drift=drift(now.card, plan, have, why, CHANGE))
    return Decision(now.card, plan, act=True)


def _beyond(now: CardNow, plan: Plan) -> str:
    """What the kernel has said already need not be tried."""
    if why := _not_offered(now, plan):
        return why
    for kind in plan.kinds - {Kind.WHOLE}:
        known = {ability.type: ability for ability in now.abilities if ability.kind is kind}
        if why := _untyped(plan, known[""]) if "" in known else _too_many(plan, known):
            return why
    return ""


def _not_offered(now: CardNow, plan: Plan) -> str:
    """After a reboot too, until its driver has come."""
    ways = {each.kind for each in now.abilities}
    if missing := sorted(plan.kinds - {Kind.WHOLE} - ways):
        there = ", ".join(sorted(ways)) or "nothing"
        return f"its kernel offers no {' and no '.join(missing)} on it; it offers {there}"
    return ""


def _untyped(plan: Plan, ability: Ability) -> str:
    """Of a kind without types, or whose types are known only later."""
    if ability.refused and ability.kind not in TYPED:
        return ability.refused
    if plan.count > ability.most:
        return (
            f"{plan.count} of kind {ability.kind} are wanted, and an empty card has room for {ability.most}"
        )
    return ""


def _too_many(plan: Plan, known: Mapping[str, Ability]) -> str:
    for cut in plan.cuts:
        ability = known.get(cut.type)
        if ability is None:
            return f"its driver has no type {cut.type}; it has {', '.join(sorted(known))}"
        if cut.count > ability.most:
            return f"{cut.count} of type {cut.type} are wanted, and an empty card has room for {ability.most}"
    return ""


def _cut(cut: Cut) -> str:
    if cut.kind is Kind.WHOLE:
        return "whole"
    memory = f"with {cut.memory_mib} MiB" if cut.memory_mib else ""
    return " ".join(filter(None, (str(cut.count), cut.kind, cut.type, memory)))
